import assert from "node:assert/strict";
import type { RecordOrigin } from "../../../src/cli/evaluate/record.ts";
import { evaluateRun } from "../../../src/cli/evaluate/runs.ts";
import { waveWindows } from "./_window.ts";

function origin(model: string): RecordOrigin {
  return {
    set: "dev",
    model,
    version: "1",
    isPeer: true,
    code: "",
    commit: "",
    machine: "",
    date: "",
  };
}

Deno.test("evaluateRun() gives one record a setting, the same with one worker and with two", async () => {
  const windows = waveWindows(5);
  const records = [];
  for (const jobs of [1, 2]) {
    const seen: number[] = [];
    const measured = await evaluateRun({
      origin: origin("seasonal_naive"),
      source: "seasonal_naive",
      settings: ["given", "drop30"],
      windows,
      jobs,
      onProgress: (done) => seen.push(done),
    });
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
    records.push(measured.map(({ setting, tasks, windows }) => ({ setting, tasks, windows })));
  }
  assert.deepEqual(records[0]!.map(({ setting }) => setting), ["given", "drop30"]);
  assert.deepEqual(records[0], records[1]);
});

Deno.test("evaluateRun() has no record of a setting that says nothing of any window", async () => {
  const windows = waveWindows(2).map((window) => ({ ...window, m: 7 }));
  const settings = ["rate2", "given"];
  const measured = await evaluateRun({
    origin: origin("seasonal-naive"),
    source: "seasonal-naive",
    settings,
    windows,
    jobs: 1,
  });
  assert.deepEqual(measured.map(({ setting }) => setting), ["given"]);
});

Deno.test("evaluateRun() tells of windows that cannot be forecast", async () => {
  const windows = waveWindows(2).map((window) => ({ ...window, context: [null, null, null] }));
  const faults: string[] = [];
  const measured = await evaluateRun({
    origin: origin("structural"),
    source: "structural",
    settings: ["given"],
    windows,
    jobs: 1,
    onFault: (id, { fault }) => faults.push(`${id}: ${fault}`),
  });
  assert.equal(measured[0]!.failed, 2);
  assert.match(faults[0]!, /^w0: samples is "0"/);
});
