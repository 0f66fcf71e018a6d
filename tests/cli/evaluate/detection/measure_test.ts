import assert from "node:assert/strict";
import type { OnlineDetector } from "../../../../src/cli/evaluate/detection/detectors.ts";
import type { LabelledSeries } from "../../../../src/cli/evaluate/detection/labelled.ts";
import {
  alarmFigures,
  measureDetector,
  RATES,
} from "../../../../src/cli/evaluate/detection/measure.ts";

/** Samples 20 to 24 and 60 are anomalous; the value says so. */
function labelled(set: string): LabelledSeries {
  const label = new Uint8Array(100).fill(1, 20, 25).fill(1, 60, 61);
  const lead = 10;
  const column = Float64Array.from(
    { length: lead + 100 },
    (_, i) => i < lead ? 0 : label[i - lead]!,
  );
  return {
    set,
    name: `${set}/a`,
    timesS: Float64Array.from(column.keys()),
    values: [column],
    label,
    lead,
    start: 15,
    windows: [[20, 24], [60, 61]],
  };
}

/** Knows the truth; opens an alarm at the second sample of the first anomaly, and a wrong one. */
const oracle: OnlineDetector = {
  name: "oracle",
  isSeeded: true,
  run: (_, [values]) => ({
    score: values!,
    flag: values!,
    opened: [5, 31, 90],
    stateBytes: 1234,
  }),
};

Deno.test("alarmFigures() counts alarms among the scored samples", () => {
  assert.deepEqual(alarmFigures(labelled("nab"), [5, 31, 90]), {
    samples: 85,
    anomalies: 2,
    anomaliesHit: 1,
    alarms: 2,
    alarmsRight: 1,
    delays: [1],
  });
});

Deno.test("measureDetector() scores what is labelled, seed by seed", () => {
  let now = 0;
  const figures = measureDetector(oracle, [labelled("nab"), labelled("kpi")], () => now++);
  assert.deepEqual(Object.keys(figures.sets), ["nab", "kpi"]);
  assert.equal(figures.sets.nab!.aucPr, 1);
  assert.equal(figures.sets.kpi!.f1, 1);
  assert.equal(figures.nab.standard!.length, 3);
  assert.ok(figures.nab.standard!.every((score) => score > 90));
  assert.deepEqual(Object.keys(figures.alarms), RATES.map(String));
  assert.equal(figures.alarms["0.001"]!.kpi!.alarms, 2);
  assert.equal(figures.stateBytes, 1234);
  assert.equal(figures.budget.anomalies, 4);
  assert.deepEqual(figures.series.map(({ name, aucPrHeld }) => [name, aucPrHeld]), [
    ["nab/a", 1],
    ["kpi/a", 1],
  ]);
  const [file, ...others] = figures.nabFiles;
  assert.equal(others.length, 0);
  assert.equal(file!.windows, 2);
  assert.deepEqual(file!.losses.map(({ missed, wrong }) => [missed, wrong]), Array(3).fill([0, 0]));
});
