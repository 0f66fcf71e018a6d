import assert from "node:assert/strict";
import type { AnomalyCondition } from "../../../src/service/alerts/alert.ts";
import {
  anomalyFinding,
  beyond,
  coverageFinding,
  endFinding,
  forecastFinding,
  heartbeatFinding,
  peersFinding,
  valueFinding,
} from "../../../src/service/alerts/findings.ts";
import type { AlarmEvent } from "../../../src/stores/store.ts";

const event: AlarmEvent = {
  streamId: "s",
  timestampNs: 5n,
  kind: "anomaly",
  score: 6,
  flag: 4,
  p: 1e-4,
  reason: "level",
  number: 2,
  channels: ["a", "b"],
  value: [null, 30],
  expected: [1, 20],
  scale: [1, 4],
  appliedOffset: 1,
  modelHash: "m",
  stateHash: "s",
};
const condition = (given: Partial<AnomalyCondition> = {}): AnomalyCondition => ({
  kind: "anomaly",
  pMax: 1,
  reasons: [],
  effectMin: { units: 0, sigmas: 0 },
  ...given,
});

Deno.test("anomalyFinding() keeps to rarity, reasons and least effects", () => {
  const found = anomalyFinding(condition(), event)!;
  assert.deepEqual([found.timeNs, found.p, found.reason, found.number], [5n, 1e-4, "level", 2]);
  assert.equal(found.summary, "Anomaly (level) in a, b, p 1.0e-4");
  const effect = (units: number, sigmas: number) =>
    anomalyFinding(condition({ effectMin: { units, sigmas } }), event) !== null;
  assert.deepEqual([effect(10, 0), effect(10.1, 0), effect(0, 2.5), effect(0, 2.6)], [
    true,
    false,
    true,
    false,
  ]);
  assert.equal(effect(10, 2.6), false);
  assert.equal(anomalyFinding(condition({ pMax: 9e-5 }), event), null);
  assert.equal(anomalyFinding(condition({ reasons: ["spike"] }), event), null);
  assert.ok(anomalyFinding(condition({ reasons: ["spike", "level"] }), event));
  // What an older form told has no p and no deviations.
  const { p: _p, scale: _scale, ...old } = event;
  assert.equal(anomalyFinding(condition(), old)!.p, 1e-4);
  assert.equal(anomalyFinding(condition({ effectMin: { units: 0, sigmas: 1 } }), old), null);
});

Deno.test("endFinding() tells what became rare later, unless its effect must be known", () => {
  const end = {
    streamId: "s",
    number: 2,
    openedNs: 5n,
    peakNs: 7n,
    endedNs: 9n,
    score: 8,
    p: 1e-6,
    reason: "level",
    channels: ["a"],
  };
  assert.equal(endFinding(condition({ pMax: 1e-5 }), end)!.timeNs, 7n);
  assert.equal(endFinding(condition({ pMax: 1e-7 }), end), null);
  assert.equal(endFinding(condition({ effectMin: { units: 1, sigmas: 0 } }), end), null);
});

Deno.test("valueFinding() tells beyond, inside and missing apart", () => {
  const segment = {
    streamId: "s",
    channels: ["a", "b"],
    timestampsNs: BigInt64Array.of(1n, 2n, 3n),
    values: [Float64Array.of(5, NaN, 1), Float64Array.of(1, NaN, 9)],
  };
  const bounds = { channel: null, above: 8, below: 0 };
  assert.equal(valueFinding(bounds, segment, 0, null), "inside");
  assert.equal(valueFinding(bounds, segment, 1, null), null);
  const predicted = {
    expected: [new Float64Array(3), Float64Array.of(1, 2, 3)],
    scale: [new Float64Array(3), Float64Array.of(1, 1, NaN)],
  };
  const found = valueFinding(bounds, segment, 2, predicted);
  assert.ok(found !== null && found !== "inside");
  assert.deepEqual([found.summary, found.expected, found.scale], [
    "b is 9, above 8",
    [3],
    [null],
  ]);
  assert.equal(valueFinding({ ...bounds, channel: "a" }, segment, 2, null), "inside");
  assert.deepEqual([beyond(bounds, 8), beyond(bounds, -1)], [null, "below 0"]);
});

Deno.test("forecastFinding() names the first time beyond", () => {
  const forecast = {
    streamId: "s",
    originNs: 0n,
    timesNs: BigInt64Array.of(60_000_000_000n, 120_000_000_000n),
    quantiles: Float64Array.of(0.9),
    values: { a: Float64Array.of(1, 2), b: Float64Array.of(1, 12.5) },
    appliedOffset: 1,
    modelHash: "m",
    stateHash: "s",
  };
  const bounds = { channel: null, above: 10, below: null };
  const asked = { kind: "forecast", ...bounds, quantile: 0.9, withinS: 120 } as const;
  const found = forecastFinding(asked, forecast)!;
  assert.equal(found.summary, "The 0.9 quantile of b is 12.5, above 10, 2 minutes ahead");
  assert.deepEqual([found.expected, found.timeNs], [[12.5], 0n]);
  assert.equal(forecastFinding({ ...asked, above: 13 }, forecast), null);
});

Deno.test("heartbeatFinding() waits for more than the periods; without a period for ever", () => {
  const asked = { kind: "heartbeat", periods: 5, periodS: null } as const;
  const at = (nowS: number, periodS = 2) =>
    heartbeatFinding(asked, { lastNs: 0n, periodS, nowNs: BigInt(nowS) * 1_000_000_000n });
  assert.equal(at(10), null);
  assert.equal(at(11)!.summary, "No sample for 11 s, 5.5 periods");
  assert.equal(at(1_000, 0), null);
});

Deno.test("coverageFinding() names the worst channel that has counted enough", () => {
  const summary = (value: number, count: number) => ({
    periodS: 1,
    seasonsS: [],
    weights: {},
    coverage: [
      { level: 0.8, value, count, width: 1, relativeWidth: 1 },
      { level: 0.95, value: 0, count: 1_000, width: 1, relativeWidth: 1 },
    ],
  });
  const perChannel = { a: summary(0.6, 200), b: summary(0.99, 200), c: summary(0, 99) };
  const asked = { kind: "coverage", level: 0.8, tolerance: 0.1, countMin: 100 } as const;
  const found = coverageFinding(asked, { perChannel }, 7n)!;
  assert.equal(found.summary, "Intervals of 80 % hold 60 % of a");
  assert.equal(coverageFinding({ ...asked, tolerance: 0.25 }, { perChannel }, 7n), null);
});

Deno.test("peersFinding() tells the distance", () => {
  const found = peersFinding({ timeNs: 1n, channel: "a", value: 3, median: 1, scale: 0.25 });
  assert.equal(found.summary, "a differs from its peers by 8 standard deviations");
  assert.equal(found.reason, "peers");
});
