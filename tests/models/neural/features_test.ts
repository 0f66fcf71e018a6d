import assert from "node:assert/strict";
import { packTree, unpackTree } from "../../../src/base/tree.ts";
import {
  featureStart,
  type FeatureState,
  takeLead,
  takeSample,
} from "../../../src/models/neural/features.ts";
import { leadRows, TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";
import { drawn, everything, near } from "./_check.ts";
import { referenceToken, type Series } from "./_reference.ts";

const SEASONS: readonly (readonly [number, number])[] = [
  [0, 0],
  [12, 0],
  [24, 168],
  [7.3, 40],
  [24, 61.7],
];

/** The level over the spread: the one number that a shift of the series changes. */
const LEVEL = 15;

for (const uneven of [false, true]) {
  Deno.test(`takeSample() gives the formulas on whole arrays, ${uneven ? "un" : ""}even times`, () => {
    SEASONS.forEach((seasons, seed) => {
      const series = drawn(seed, 220, seasons, uneven);
      const state = featureStart(seasons);
      const token = new Float32Array(TOKEN_FEATURES);
      series.times.forEach((time, i) => {
        takeSample(state, time, series.values[i]!, token, 0);
        if (i % 7 !== 0 && i > 30) return;
        // The history is f32, the rest f64.
        near(token, referenceToken(series, i + 1), 2e-6, `${seasons} sample ${i}`);
      });
    });
  });
}

Deno.test("features do not change with the scale of the series", () => {
  const series = drawn(1, 300, [24, 61.7], true);
  for (const [factor, tolerance] of [[2 ** 40, 0], [2 ** -300, 0], [1e-9, 2e-6], [3, 2e-6]]) {
    const values = series.values.map((value) => factor! * value);
    const plain = everything(series);
    const scaled = everything({ ...series, values });
    near(scaled.tokens, plain.tokens, tolerance!, "token");
    near(scaled.features, plain.features, tolerance!, "lead");
    near(scaled.anchors, plain.anchors, tolerance!, "anchor");
    near(scaled.scale, plain.scale, tolerance!, "scale");
    near(scaled.unit.map((unit) => unit / factor!), plain.unit, 1e-9, "unit");
  }
});

Deno.test("features do not change with a shift of the series, but for the level", () => {
  const drawnSeries = drawn(2, 300, [24, 168]);
  const values = drawnSeries.values.map((value) => Math.round(1024 * value) / 1024);
  const series = { ...drawnSeries, values };
  const plain = everything(series);
  // Sums with 4,096 are exact here; with 1e9 the values themselves are rounded.
  for (const [shift, tolerance] of [[-4096, 1e-9], [1e6 + 0.1, 1e-6]]) {
    const moved = everything({ ...series, values: values.map((value) => value + shift!) });
    for (let i = LEVEL; i < plain.tokens.length; i += TOKEN_FEATURES) {
      plain.tokens[i] = 0;
      moved.tokens[i] = 0;
    }
    near(moved.tokens, plain.tokens, tolerance!, "token");
    near(moved.features, plain.features, tolerance!, "lead");
    near(moved.anchors, plain.anchors, tolerance!, "anchor");
    near(moved.unit, plain.unit, tolerance!, "unit");
  }
});

Deno.test("takeSample() is causal: later samples change no earlier number", () => {
  const series = drawn(3, 200, [24, 61.7], true);
  const values = series.values.map((value, i) => i < 150 ? value : -1e6 * value);
  const plain = everything(series).tokens.subarray(0, 150 * TOKEN_FEATURES);
  const other = everything({ ...series, values }).tokens.subarray(0, 150 * TOKEN_FEATURES);
  assert.deepEqual(other, plain);
});

function after(series: Series, state: FeatureState, from: number, to: number): Float32Array {
  const tokens = new Float32Array((to - from) * TOKEN_FEATURES);
  for (let i = from; i < to; i++) {
    takeSample(state, series.times[i]!, series.values[i]!, tokens, (i - from) * TOKEN_FEATURES);
  }
  return tokens;
}

Deno.test("a state that was packed goes on as one that was not", () => {
  const series = drawn(4, 400, [24, 168], true);
  const whole = featureStart(series.seasons);
  const expected = after(series, whole, 0, 400).subarray(170 * TOKEN_FEATURES);
  const first = featureStart(series.seasons);
  after(series, first, 0, 170);
  const second = unpackTree(packTree(first)) as FeatureState;
  assert.deepEqual(after(series, second, 170, 400), expected);
  assert.deepEqual(packTree(second), packTree(whole));
});

/** Series that break naive scaling. */
const AWKWARD: Readonly<Record<string, (i: number) => number>> = {
  zero: () => 0,
  constant: () => 5e9,
  huge: (i) => (i % 3 - 1) * Number.MAX_VALUE,
  tiny: (i) => (i % 3) * 5e-324,
  spikes: (i) => i % 97 === 50 ? 1e200 : i % 5,
  flips: (i) => i % 2 === 0 ? 1e308 : -1e308,
  step: (i) => i < 150 ? 1e-200 : 1e100,
  flatThenNoise: (i) => i < 250 ? 7 : 7 + Math.sin(i * i) * 1e-9,
  noiseThenFlat: (i) => i < 30 ? Math.sin(i * i) : 0.25,
  growth: (i) => Math.exp(i),
};

for (const [name, value] of Object.entries(AWKWARD)) {
  Deno.test(`every number stays finite on ${name}`, () => {
    for (const seasons of [[0, 0], [12, 30.5]] as const) {
      for (const gap of [1, 0, 0.01, 1e4]) {
        const times = Array.from({ length: 400 }, (_, i) => i < 200 ? i : 199 + (i - 199) * gap);
        const values = times.map((_, i) => value(i));
        const seen = everything({ times, values, seasons }, [1e-9, 1, 29, 1e9]);
        for (const [what, numbers] of Object.entries(seen)) {
          numbers.forEach((number, i) => assert.ok(Number.isFinite(number), `${what}[${i}]`));
        }
        seen.unit.forEach((unit) => assert.ok(unit > 0));
        seen.tokens.forEach((number) => assert.ok(Math.abs(number) <= 8));
      }
    }
  });
}

Deno.test("takeSample() after a long gap costs no more than the history is long", () => {
  const state = featureStart([24, 168]);
  const token = new Float32Array(TOKEN_FEATURES);
  for (let i = 0; i < 400; i++) takeSample(state, i, Math.sin(i / 4), token, 0);
  takeSample(state, 1e15, 2, token, 0);
  takeSample(state, 1e15 + 1, 1, token, 0);
  assert.equal(state.elapsed, 1);
  const rows = leadRows(1);
  takeLead(state, 3, rows, 0);
  assert.ok(rows.features.every(Number.isFinite));
});

Deno.test("takeSample() tells the slots that have passed", () => {
  const state = featureStart([0, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  for (const [time, elapsed] of [[7.5, 1], [8.5, 1], [12.5, 4], [12.75, 0.25], [12.75, 0]]) {
    takeSample(state, time!, 1, token, 0);
    assert.equal(state.elapsed, elapsed);
    const told = 0.5 * Math.log(Math.max(elapsed!, 0.02));
    assert.ok(Math.abs(token[1]! - told) < 1e-6);
  }
});

Deno.test("takeSample() refuses what is no number and what comes too late", () => {
  const state = featureStart([0, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  assert.throws(() => takeSample(state, NaN, 1, token, 0), /u is "NaN"/);
  takeSample(state, 3, 1, token, 0);
  assert.throws(() => takeSample(state, 4, Infinity, token, 0), /value is "Infinity"/);
  assert.throws(() => takeSample(state, 2.5, 1, token, 0), /u is "2.5", expected .* from 3 on/);
  takeSample(state, 4, 2, token, 0);
  assert.equal(state.last, 2);
});
