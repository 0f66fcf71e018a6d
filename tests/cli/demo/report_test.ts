import assert from "node:assert/strict";
import type { DemoResult } from "../../../src/cli/demo/replay.ts";
import { reportOf } from "../../../src/cli/demo/report.ts";

const anomaly = {
  timestamp: "2024-01-05T06:00:00Z",
  score: 7.25,
  flag: 2,
  p: 0.01,
  reason: "spike",
  number: 0,
  channels: ["value"],
  values: [99.5],
  expected: [12.25],
  provenance: { modelHash: "", stateHash: "", appliedOffset: 0 },
};

const result: DemoResult = {
  id: "demo",
  title: "A test series",
  source: "this test",
  licence: "none",
  channel: "value",
  unit: "Cel",
  sampleCount: 1_380,
  firstTimestamp: "2024-01-01T00:00:00Z",
  lastTimestamp: "2024-02-27T11:00:00Z",
  elapsedS: 1.234,
  seasonLength: 24,
  forecast: [{
    timestamp: "2024-02-27T12:00:00Z",
    median: 10,
    quantiles: {},
    intervals: { "80": [9, 11], "95": [-1_234.5, null] },
  }],
  backtest: {
    origins: 3,
    horizon: 12,
    mase: 0.75,
    seasonalNaiveMase: 1,
    lastValueMase: 2,
    coverage80: 0.8125,
    coverage95: 1,
  },
  anomalies: [],
};

Deno.test("reportOf() tells source, forecast, error beside naive and coverage", () => {
  const text = reportOf(result);
  for (
    const part of [
      "A test series (stream demo)",
      "Source: this test. Licence: none.",
      "1,380 samples of value [Cel], 2024-01-01 to 2024-02-27 11:00, replayed in 1.2 s.",
      "2024-02-27 12:00   10.00",
      "9.00 … 11.00",
      "-1,234.5 … -",
      "MASE 0.750; seasonal naive (season of 24) 1.000; last value 2.000.",
      "25 % below seasonal naive",
      "81.3 % inside the 80 % interval, 100.0 % inside the 95 % interval",
      "No anomaly was flagged",
    ]
  ) assert.ok(text.includes(part), `"${part}" is missing in\n${text}`);
});

Deno.test("reportOf() does not hide a forecast worse than naive", () => {
  const backtest = { ...result.backtest, mase: 1.5 };
  assert.match(reportOf({ ...result, backtest }), /50 % above seasonal naive/);
});

Deno.test("reportOf() lists the rarest anomalies in order of time and counts all", () => {
  const anomalies = Array.from({ length: 9 }, (_, i) => ({
    ...anomaly,
    timestamp: `2024-01-0${i + 1}T00:00:00Z`,
    p: 10 ** -i,
  }));
  const text = reportOf({ ...result, anomalies });
  assert.match(text, /9 anomalies flagged, the 6 rarest:/);
  assert.deepEqual(
    [...text.matchAll(/^ +(2024-01-0\d) +99\.50 +12\.25/gm)].map(([, date]) => date),
    [4, 5, 6, 7, 8, 9].map((day) => `2024-01-0${day}`),
  );
  const one = reportOf({ ...result, anomalies: [anomaly] });
  assert.match(one, /1 anomaly flagged:/);
  assert.match(one, /^ +2024-01-05 06:00 +99\.50 +12\.25 +spike +1e-2$/m);
});
