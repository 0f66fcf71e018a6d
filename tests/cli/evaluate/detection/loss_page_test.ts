import assert from "node:assert/strict";
import { lossSections } from "../../../../src/cli/evaluate/detection/loss_page.ts";
import type { DetectorFigures } from "../../../../src/cli/evaluate/detection/measure.ts";

const NOTHING = { missed: 0, missedPoints: 0, latePoints: 0, wrong: 0, wrongPoints: 0 };
const set = { vusPr: 0, f1: 0 };
const figures: DetectorFigures = {
  name: "ours/1",
  sets: { kpi: { ...set, series: 2, aucPr: 0.7 }, nab: { ...set, series: 1, aucPr: 0 } },
  series: [
    { set: "kpi", name: "kpi/a", aucPr: 0.4, aucPrHeld: 0.6 },
    { set: "kpi", name: "kpi/b", aucPr: 1, aucPrHeld: 1 },
    { set: "nab", name: "nab/c", aucPr: 0, aucPrHeld: 0 },
  ],
  nabFiles: [
    { name: "nab/real/quiet", windows: 0, losses: [NOTHING, NOTHING] },
    {
      name: "nab/real/taxi",
      windows: 2,
      losses: [
        { missed: 1, missedPoints: 25, latePoints: 0, wrong: 2, wrongPoints: 12 },
        { missed: 0, missedPoints: 0, latePoints: 3, wrong: 4, wrongPoints: 20 },
      ],
    },
  ],
  nab: {},
  alarms: {},
  budget: { anomalies: 0, anomaliesHit: 0, alarms: 0, alarmsRight: 0 },
  microseconds: 1,
  stateBytes: 1,
};

Deno.test("lossSections() tell points of NAB by file, means over the seeds", () => {
  const table = lossSections(figures)[2]!;
  assert.deepEqual(table.split("\n").slice(2), [
    "| real/taxi | 30.0 | 0.5 of 2 / 12.5 | 1.5 | 3.0 / 16.0 |",
    "| 1 others | 0.0 | 0.0 of 0 / 0.0 | 0.0 | 0.0 / 0.0 |",
    "| **all** | 30.0 | 0.5 of 2 / 12.5 | 1.5 | 3.0 / 16.0 |",
  ]);
});

Deno.test("lossSections() tell what each series costs of the mean of the sets, by cause", () => {
  const table = lossSections(figures)[5]!;
  assert.deepEqual(table.split("\n").slice(2), [
    "| nab/c | 0.000 | 500.0 | 0.0 | 500.0 |",
    "| kpi/a | 0.400 | 150.0 | 50.0 | 100.0 |",
    "| kpi/b | 1.000 | 0.0 | 0.0 | 0.0 |",
    "| **all** | – | 650.0 | 50.0 | 600.0 |",
  ]);
});
