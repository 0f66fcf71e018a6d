import assert from "node:assert/strict";
import { InvalidValueError } from "../../../src/base/errors.ts";
import {
  formatRuns,
  type KeptRun,
  mergeRuns,
  parseRuns,
  rowsOf,
  taskPage,
  taskTable,
} from "../../../src/cli/tasks/report.ts";

function runOf(seed: number, figure: number | null, other: Partial<KeptRun> = {}): KeptRun {
  return {
    task: "selective-copying",
    member: "mamba",
    size: "small",
    machine: "a machine",
    commit: "abc1234",
    date: "2026-01-02T03:04:05.000Z",
    seed,
    parameters: 1000,
    stages: [{ length: 32, data: 4 }],
    batches: [32],
    steps: [100 + seed],
    samples: 1,
    trainS: 2.5,
    loss: 0.1,
    isCut: seed === 2,
    tests: [
      { setting: { length: 32, data: 4 }, figure, answers: 64 },
      { setting: { length: 64, data: 4 }, figure: 0.5, answers: 32 },
    ],
    ...other,
  };
}

Deno.test("formatRuns() and parseRuns() are inverse, and parseRuns() names what is wrong", () => {
  const runs = [runOf(1, 0.99), runOf(2, null)];
  assert.deepEqual(parseRuns(formatRuns(runs), "results"), runs);
  const broken = formatRuns(runs).replace('"seed":1', '"seed":"one"');
  assert.throws(() => parseRuns(broken, "results"), (error: unknown) => {
    return error instanceof InvalidValueError && error.field === "results.runs[0].seed";
  });
  assert.throws(() => parseRuns("{", "results"), { name: "InvalidValueError", field: "results" });
});

Deno.test("mergeRuns() lets the later run of a seed win and keeps the order of the rows", () => {
  const delay = { task: "delay", member: "s4d, start lin" };
  const merged = mergeRuns([runOf(1, 0.1, delay), runOf(2, 0.2)], [runOf(2, 0.3), runOf(1, 0.4)]);
  assert.deepEqual(
    merged.map(({ task, seed, tests }) => [task, seed, tests[0]!.figure]),
    [["selective-copying", 1, 0.4], ["selective-copying", 2, 0.3], ["delay", 1, 0.1]],
  );
});

Deno.test("rowsOf() gathers the seeds of a member and leaves strangers out", () => {
  const rows = rowsOf([runOf(1, 0.9), runOf(2, 0.8), runOf(1, 1, { member: "no such" })]);
  assert.equal(rows.length, 1);
  assert.deepEqual(rows[0]!.runs.map(({ seed }) => seed), [1, 2]);
});

Deno.test("taskTable() shows the mean, each seed, and which training was cut", () => {
  const text = taskTable([runOf(1, 0.99), runOf(2, 0.97)]);
  assert.match(text, /98\.0 %\s+99\.0 % 97\.0 %/);
  assert.match(text, /101 102\*/);
  assert.match(taskTable([runOf(1, null)]), /no number/);
  // An answer in ten thousand that is wrong must not read as none.
  assert.match(taskTable([runOf(1, 0.9999)]), / 99\.9 % +99\.9 %/);
  assert.match(taskTable([runOf(1, 1)]), / 100\.0 % +100\.0 %/);
});

Deno.test("taskPage() begins with a heading, holds the findings and the other lengths", () => {
  const page = taskPage([runOf(1, 0.99)], "A finding.");
  assert.match(page, /^# /);
  assert.match(page, /\nA finding\.\n/);
  assert.match(page, /length 64, data 4 \| 32 \| 50\.0 %/);
  assert.match(page, /a machine, abc1234, 2026-01-02/);
  assert.ok(page.endsWith("|\n"));
});
