import assert from "node:assert/strict";
import type { CleanFigures } from "../../../../src/cli/evaluate/detection/clean_alarms.ts";
import type { DetectorFigures } from "../../../../src/cli/evaluate/detection/measure.ts";
import { detectionPage } from "../../../../src/cli/evaluate/detection/page.ts";

const figures: DetectorFigures = {
  name: "ours/1",
  sets: {
    kpi: { series: 2, aucPr: 0.4, vusPr: 0.5, f1: 0.6 },
    nab: { series: 29, aucPr: 0.6, vusPr: 0.7, f1: 0.8 },
  },
  nab: { "standard": [60, 66], "low FP": [50], "low FN": [70] },
  alarms: Object.fromEntries(
    ["0.001", "0.0003", "0.0001"].map((rate) => [rate, {
      kpi: {
        samples: 2000,
        anomalies: 4,
        anomaliesHit: 3,
        alarms: 10,
        alarmsRight: 5,
        delays: [1, 9, 4],
      },
    }]),
  ),
  series: [
    { set: "nab", name: "nab/b", aucPr: 0, aucPrHeld: 0 },
    { set: "kpi", name: "kpi/a", aucPr: 0.4, aucPrHeld: 0.6 },
  ],
  nabFiles: [
    {
      name: "nab/taxi.csv",
      windows: 2,
      losses: [
        { missed: 1, missedPoints: 25, latePoints: 0, wrong: 2, wrongPoints: 12 },
        { missed: 0, missedPoints: 0, latePoints: 3, wrong: 4, wrongPoints: 20 },
      ],
    },
    {
      name: "nab/quiet.csv",
      windows: 0,
      losses: Array(2).fill({
        missed: 0,
        missedPoints: 0,
        latePoints: 0,
        wrong: 0,
        wrongPoints: 0,
      }),
    },
  ],
  budget: { anomalies: 10, anomaliesHit: 5, alarms: 4, alarmsRight: 1 },
  microseconds: 6.54,
  stateBytes: 40_000,
};
const clean: CleanFigures = {
  length: 10_000,
  alarms: {
    "0.001": { noise: [10, 10], walk: [10, 10] },
    "0.0003": { noise: [3, 3], walk: [3, 3] },
    "0.0001": { noise: [4, 2], walk: [1, 1] },
  },
};
const simple: DetectorFigures = {
  ...figures,
  name: "simple",
  alarms: {},
  stateBytes: null,
};

Deno.test("detectionPage() says goals, totals, sets, alarms and false alarms", () => {
  const text = detectionPage({
    code: "c",
    commit: "abc",
    machine: "box",
    date: "2026-01-02T00:00:00Z",
    detectors: [figures, simple],
    clean,
  });
  for (
    const line of [
      "| NAB standard, 35 files, mean of the seeds | 62 | 70 | 63.0 (60.0, 66.0) |",
      "| AUC-PR / VUS-PR, mean of the sets, online | 0.60 / 0.62 | 0.68 / 0.70 | 0.500 / 0.600 |",
      "| false alarms at 1e-4 on clean streams, times nominal | 0.5 … 2 | … 1.3 | 2.00 |",
      "| the kinds of clean streams with the fewest and the most of them | … 2 | … 1.3 | 1.00 … 3.00 |",
      "| kB of state a channel | – | 64 | 40.0 |",
      "| simple | 0.500 / 0.600 / 0.700 | 63.0 / 50.0 / 70.0 | 0.50 / 0.25 |",
      "| kpi (2) | 0.400 / 0.500 / 0.600 | 0.400 / 0.500 / 0.600 |",
      "| noise | 1.00 ± 0.00 / 1.44 | 1.00 ± 0.00 / 0.43 | 3.00 ± 1.00 / 0.43 |",
      "| **all** | 1.00 ± 0.00 / 1.44 | 1.00 ± 0.00 / 0.43 | 2.00 ± 0.50 / 0.29 |",
    ]
  ) assert.ok(text.includes(line), `${line}\n${text}`);
  assert.match(text, /\| kpi \| 3 of 4 \/ 0\.50 \/ 2\.50 \/ 4 \|/);
});

Deno.test("detectionPage() pools changes over the streams with a season, and those without", () => {
  const change = {
    base: "noise",
    hasSeason: false,
    change: "shift",
    streams: 8,
    right: 6,
    alarms: 9,
    reasons: { level: 6, drift: 1 },
    delays: [0, 1, 2, 3, 4, 5, 6],
    rightDelays: [4, 5, 6, 7, 8, 9],
  };
  const record = { code: "c", commit: "abc", machine: "box", date: "2026-01-02T00:00:00Z" };
  const text = detectionPage({
    ...record,
    detectors: [figures],
    clean,
    changes: [
      change,
      { ...change, base: "walk", delays: [9], rightDelays: [] },
      { ...change, change: "other season", hasSeason: true, delays: [], rightDelays: [], right: 0 },
    ],
  });
  const rows = [
    "| shift | 8 of 16 / 12 / 18 / 4 / 7 | – |",
    "| other season | – | 0 of 8 / 0 / 9 / – / – |",
  ];
  for (const row of rows) assert.ok(text.includes(row), `${row}\n${text}`);
  assert.ok(
    !detectionPage({ ...record, detectors: [figures], clean }).includes("Changes that last"),
  );
});

Deno.test("detectionPage() says where nothing was measured", () => {
  assert.ok(detectionPage(null).endsWith("_Nothing is measured._\n"));
});

Deno.test("detectionPage() ends with the findings, where there are any", () => {
  const record = { code: "c", commit: "abc", machine: "box", date: "2026-01-02T00:00:00Z" };
  const whole = { ...record, detectors: [figures], clean };
  const text = detectionPage(whole, "## Why\n\nBecause.");
  assert.equal(text, `${detectionPage(whole)}\n## Why\n\nBecause.\n`);
});
