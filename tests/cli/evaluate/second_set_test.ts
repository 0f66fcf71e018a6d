import assert from "node:assert/strict";
import { sha256Hex } from "../../../src/base/hash.ts";
import { readLines } from "../../../src/cli/forecast_windows.ts";
import { earliestCut, findContext, rowsAllowed } from "../../../src/cli/pretraining/cut.ts";
import { readWindows } from "../../../src/cli/pretraining/pack.ts";
import { csvTables } from "../../../src/cli/pretraining/tables.ts";
import { cutWindows, secondSet } from "../../../src/cli/evaluate/second_set.ts";

const SHAPE = { task: "t", name: "s", freq: "H", m: 4, h: 3, length: 30, windows: 2 };

Deno.test("cutWindows() ends the last target at the series' end, windows a horizon apart", () => {
  const series = Array.from({ length: 40 }, (_, i) => i);
  const windows = cutWindows(series, SHAPE);
  assert.deepEqual(windows.map(({ id }) => id), ["t/s/2", "t/s/1"]);
  assert.deepEqual(windows[1]!.target, [37, 38, 39]);
  assert.deepEqual(windows[0]!.target, [34, 35, 36]);
  assert.deepEqual(windows[1]!.context, Array.from({ length: 30 }, (_, i) => 7 + i));
});

Deno.test("cutWindows() fills gaps of a context, leaves those of a target, skips the rest", () => {
  const series = Array.from({ length: 40 }, (_, i) => i);
  series[20] = NaN;
  series[21] = NaN;
  series[7] = NaN;
  series[38] = NaN;
  const [, last] = cutWindows(series, SHAPE);
  assert.deepEqual(last!.target, [37, null, 39]);
  assert.deepEqual(last!.context.slice(13, 15), [20, 21]);
  assert.equal(last!.context[0], 8);
  assert.deepEqual(cutWindows(new Array(40).fill(1), SHAPE), []);
  assert.deepEqual(cutWindows(series.slice(0, 20), SHAPE), []);
  assert.deepEqual(cutWindows(series.fill(NaN, 34), { ...SHAPE, windows: 1 }), []);
});

Deno.test("secondSet() of the packaged tables is the same each time", async () => {
  const windows = await secondSet(null);
  assert.equal(windows.length, 131);
  assert.equal(new Set(windows.map(({ id }) => id)).size, windows.length);
  for (const { context, target, h } of windows) {
    assert.ok(context.every((value) => Number.isFinite(value)));
    assert.equal(target.length, h);
  }
  const hash = sha256Hex(JSON.stringify(windows));
  assert.equal(hash, "fe6c04c75b3b00cf199b8b5af9b27b2f23719d4ec97cd2bd3051afac9b3a8a00");
});

const SHARED = Deno.env.get("DRIFTLINE_SHARED") ?? `${import.meta.dirname}/../../../../shared`;

/** Tasks that share their hours with development windows, and the file of both. */
const SISTERS = [
  ["household_other", "household_daily", "household_power/daily.csv.gz"],
  ["beijing_other", "beijing_pm25", "beijing_pm25/beijing_pm25.csv.gz"],
  ["air_other", "air_quality", "air_quality/air_quality.csv.gz"],
  ["eeg_other", "eeg_eye", "eeg_eye_state/eeg_eye_state.csv.gz"],
] as const;

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test({
  name: "secondSet() has no sample that pretraining sees",
  ignore: !await isThere(`${SHARED}/data/README.md`),
  async fn() {
    const windows = await secondSet(SHARED);
    const trained = await readWindows(`${SHARED}/eval/windows.dev.jsonl.gz`);
    for (const [task, developed, file] of SISTERS) {
      const text = (await readLines(`${SHARED}/data/${file}`)).join("\n");
      const tables = csvTables(text);
      const cut = earliestCut(tables, trained.filter((window) => window.task === developed));
      const allowed = rowsAllowed(tables[0]!, cut);
      const own = windows.filter((window) => window.task === task);
      assert.ok(own.length >= 8, task);
      for (const { id, context } of own) {
        const first = findContext(tables[0]!.columns.get(id.split("/")[1]!)!, context);
        assert.ok(first >= allowed, `${id} begins at row ${first}, training ends at ${allowed}`);
      }
    }
  },
});
