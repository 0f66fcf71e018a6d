import assert from "node:assert/strict";
import { forecastSeries, prefix } from "../../src/cli/forecast_series.ts";
import type { Segment } from "../../src/signal/segment.ts";

const HOUR_NS = 3_600_000_000_000n;
const segment: Segment = {
  streamId: "s",
  channels: ["x", "y"],
  timestampsNs: BigInt64Array.from({ length: 96 }, (_, i) => BigInt(i) * HOUR_NS),
  values: [
    Float64Array.from({ length: 96 }, (_, i) => i % 24),
    new Float64Array(96).fill(7),
  ],
};
const QUANTILES = Float64Array.of(0.1, 0.5, 0.9);

Deno.test("forecastSeries() goes on at the series' own period", () => {
  const question = { model: "seasonal_naive", horizon: 3, quantiles: QUANTILES };
  const { timesNs, values, periodS } = forecastSeries(segment, "y", question);
  assert.deepEqual([...timesNs], [96n * HOUR_NS, 97n * HOUR_NS, 98n * HOUR_NS]);
  assert.equal(periodS, 3600);
  assert.equal(values.length, 9);
  // A constant series: whatever the interval, its middle is the constant.
  assert.ok(Math.abs(values[1]! - 7) < 1e-6, String(values[1]));
});

Deno.test("forecastSeries() answers at given times from what was known at an origin", () => {
  const timesNs = segment.timestampsNs.slice(72, 76);
  const question = { model: "seasonal_naive", horizon: 4, quantiles: QUANTILES, timesNs };
  const known = forecastSeries(prefix(segment, 72), "x", question);
  const changed: Segment = {
    ...segment,
    values: segment.values.map((column) => column.map((value, i) => i < 72 ? value : 1e9)),
  };
  assert.deepEqual(forecastSeries(prefix(changed, 72), "x", question), known);
  // The same hour of the day before, exactly repeated.
  for (let i = 0; i < 4; i++) assert.ok(Math.abs(known.values[3 * i + 1]! - i) < 0.5);
});

Deno.test("forecastSeries() steps as the last two samples while the period is not known", () => {
  const question = { model: "committee", horizon: 2, quantiles: QUANTILES };
  for (const count of [2, 3]) {
    const { timesNs } = forecastSeries(prefix(segment, count), "x", question);
    assert.deepEqual([...timesNs], [BigInt(count) * HOUR_NS, BigInt(count + 1) * HOUR_NS]);
  }
  assert.throws(() => forecastSeries(prefix(segment, 1), "x", question), /at least 2/);
});
