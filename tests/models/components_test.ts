import assert from "node:assert/strict";
import { modelNamed } from "../../src/models/mod.ts";
import { channel, HOUR_S, hours, noise } from "./_series.ts";

const LENGTH = 480;
const truth = Float64Array.from(
  { length: LENGTH },
  (_, i) => 40 + 0.02 * i + 6 * Math.sin(2 * Math.PI * i / 24),
);
const draws = noise(LENGTH, 8);
const values = truth.map((value, i) => value + 0.8 * draws[i]!);

Deno.test("components() finds level, season and noise of a series, and fills its gaps", () => {
  const model = modelNamed("committee");
  const holes = values.map((value, i) => i % 11 === 5 || (i > 200 && i < 230) ? NaN : value);
  const state = model.stateOfContext(channel(), hours(LENGTH), holes);
  const parts = model.components(state, hours(LENGTH), holes)!;
  assert.deepEqual(parts.seasons.map(({ lengthS }) => lengthS / HOUR_S), [24, 168]);
  let [square, inside, filled] = [0, 0, 0];
  for (let i = 0; i < LENGTH; i++) {
    const [day, week] = parts.seasons;
    const sum = parts.level[i]! + parts.shortTerm[i]! + day!.values[i]! + week!.values[i]!;
    assert.ok(Math.abs(parts.signal[i]! - sum) < 1e-9);
    square += (parts.signal[i]! - truth[i]!) ** 2 / LENGTH;
    if (!Number.isNaN(holes[i]!)) continue;
    filled++;
    const width = 1.2816 * Math.hypot(parts.signalDeviation[i]!, parts.noiseDeviation);
    if (Math.abs(values[i]! - parts.signal[i]!) < width) inside++;
  }
  // A sample alone would miss the truth by 0.8.
  assert.ok(Math.sqrt(square) < 0.45, `${Math.sqrt(square)}`);
  assert.ok(parts.noiseDeviation > 0.5 && parts.noiseDeviation < 1.1, `${parts.noiseDeviation}`);
  assert.ok(inside / filled > 0.65 && inside / filled < 0.95, `${inside / filled}`);
  const swing = parts.seasons[0]!.values.reduce((most, value) => Math.max(most, value), 0);
  assert.ok(Math.abs(swing - 6) < 1, `${swing}`);
  assert.ok(parts.level[470]! - parts.level[10]! > 6);
});

Deno.test("components() of a stretch need not be the samples that were fitted", () => {
  const model = modelNamed("structural");
  const state = model.stateOfContext(channel(), hours(LENGTH), values);
  const parts = model.components(state, hours(100, 700), truth.subarray(100, 200))!;
  assert.ok(parts.signal.every(Number.isFinite));
});

Deno.test("components() is null before a fit and of too few values, not of other models", () => {
  const committee = modelNamed("committee");
  const few = committee.initialState(channel());
  committee.absorb(few, hours(3), values.subarray(0, 3));
  assert.equal(committee.components(few, hours(3), values.subarray(0, 3)), null);
  const mean = modelNamed("mean");
  const state = mean.stateOfContext(channel(), hours(LENGTH), values);
  assert.equal(mean.components(state, hours(3), values.subarray(0, 3)), null);
  const parts = mean.components(state, hours(LENGTH), values)!;
  assert.ok(Math.abs(parts.signal[300]! - truth[300]!) < 1);
});

Deno.test("components() is not misled by outliers", () => {
  const model = modelNamed("structural");
  const state = model.stateOfContext(channel(), hours(LENGTH), values);
  const spoiled = values.map((value, i) => i % 60 === 30 ? value + 80 : value);
  const parts = model.components(state, hours(LENGTH), spoiled)!;
  // The spikes are a hundred deviations of the noise.
  for (const t of [250, 300, 331]) assert.ok(Math.abs(parts.signal[t]! - truth[t]!) < 2.5);
});
