import assert from "node:assert/strict";
import { evaluateWindow, type Outcome } from "../../../src/cli/evaluate/evaluate_window.ts";
import {
  type AccuracyRecord,
  formatRecords,
  mergeRecords,
  parseRecords,
  recordOf,
  type RecordOrigin,
} from "../../../src/cli/evaluate/record.ts";
import { settingNamed } from "../../../src/cli/evaluate/settings.ts";
import { BASELINE, openSubject } from "../../../src/cli/evaluate/subject.ts";
import { waveWindows } from "./_window.ts";

const ORIGIN: RecordOrigin = {
  set: "dev",
  model: BASELINE,
  version: "1",
  isPeer: true,
  code: "c0de",
  commit: "1234567",
  machine: "a machine",
  date: "2026-11-22T00:00:00.000Z",
};

async function outcomes(setting: string): Promise<Outcome[]> {
  const subject = (await openSubject(BASELINE))!;
  return waveWindows(4).flatMap((window) =>
    evaluateWindow(subject, window, [settingNamed(setting)])
  );
}

Deno.test("recordOf() sums up windows, times, sizes and tasks", async () => {
  const measured = (await outcomes("given")).map((outcome, i) => ({
    ...outcome,
    ms: [1, 2, 3, 10][i]!,
    stateBytes: [100, 200, 300, 401][i]!,
    fault: i === 0 ? "broken" : null,
  }));
  const record = recordOf(ORIGIN, "given", measured);
  assert.deepEqual([record.windows, record.failed], [4, 1]);
  assert.deepEqual([record.msMedian, record.msMean], [3, 4]);
  assert.deepEqual([record.stateBytesMean, record.stateBytesMax], [250, 401]);
  assert.deepEqual(Object.keys(record.tasks), ["even", "odd"]);
  assert.equal(record.tasks.even!.windows, 2);
  assert.equal(record.tasks.even!.leads![0]![0], 2);
});

Deno.test("records keep errors by lead in the main settings only", async () => {
  const record = recordOf(ORIGIN, "drop30", await outcomes("drop30"));
  assert.equal(record.tasks.even!.leads, undefined);
  assert.equal(record.stateBytesMean, null);
});

Deno.test("parseRecords() reads what formatRecords() wrote, in six digits", async () => {
  const record = recordOf(ORIGIN, "given", await outcomes("given"));
  const text = formatRecords([record]);
  const [read] = parseRecords(text, "file");
  assert.equal(text.trim().split("\n").length, 1);
  assert.equal(formatRecords([read!]), text);
  assert.equal(read!.tasks.odd!.mase, Number(record.tasks.odd!.mase.toPrecision(6)));
  assert.throws(() => parseRecords(`${text}{`, "file"), /file, line 2: not JSON/);
  assert.throws(() => parseRecords('{"set":"dev"}', "file"), /file, line 1: no record/);
});

Deno.test("mergeRecords() puts later records in the place of earlier ones, in order", async () => {
  const one = recordOf(ORIGIN, "given", await outcomes("given"));
  const other: AccuracyRecord = { ...one, setting: "found" };
  const later: AccuracyRecord = { ...one, commit: "7654321" };
  const merged = mergeRecords([one, { ...one, set: "a" }], [other, later]);
  assert.deepEqual(
    merged.map(({ set, setting, commit }) => [set, setting, commit]),
    [["a", "given", "1234567"], ["dev", "found", "1234567"], ["dev", "given", "7654321"]],
  );
});
