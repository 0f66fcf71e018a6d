import assert from "node:assert/strict";
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
  budget: { anomalies: 10, anomaliesHit: 5, alarms: 4, alarmsRight: 1 },
  clean: {
    samples: 10_000,
    alarms: {
      "0.001": { noise: 10, walk: 10 },
      "0.0003": { noise: 3, walk: 3 },
      "0.0001": { noise: 3, walk: 1 },
    },
  },
  microseconds: 6.54,
  stateBytes: 40_000,
};
const simple: DetectorFigures = {
  ...figures,
  name: "simple",
  alarms: {},
  clean: null,
  stateBytes: null,
};

Deno.test("detectionPage() says goals, totals, sets, alarms and false alarms", () => {
  const text = detectionPage({
    code: "c",
    commit: "abc",
    machine: "box",
    date: "2026-01-02T00:00:00Z",
    detectors: [figures, simple],
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
      "| **all** | 1.00 / 1.44 | 1.00 / 0.43 | 2.00 / 0.29 |",
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
  assert.ok(!detectionPage({ ...record, detectors: [figures] }).includes("Changes that last"));
});

Deno.test("detectionPage() says where nothing was measured", () => {
  assert.ok(detectionPage(null).endsWith("_Nothing is measured._\n"));
});
