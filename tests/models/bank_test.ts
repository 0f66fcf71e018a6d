import assert from "node:assert/strict";
import {
  bankObserve,
  bankScales,
  bankStart,
  featureCounts,
  FEATURES_MAX,
  LIGHT_FEATURES_MAX,
  rawFeaturesInto,
  scaleFeatures,
} from "../../src/models/bank.ts";

const DAY = { length: 24, slots: 24 };
const WEEK = { length: 168, slots: 168 };

Deno.test("bankObserve() over two slots is two steps: values are held, innovations 0 before", () => {
  const scales = bankScales(1000, [DAY]);
  const once = bankStart(scales);
  const twice = bankStart(scales);
  bankObserve(scales, once, 1, 1, 2);
  bankObserve(scales, twice, 1, 1, 2);
  bankObserve(scales, once, 2, 0.5, -1);
  bankObserve(scales, twice, 1, 0, -1);
  bankObserve(scales, twice, 1, 0.5, -1);
  // Exact for real modes, up to rounding.
  for (const key of ["innovations", "values"] as const) {
    once[key].forEach((value, i) => assert.ok(Math.abs(value - twice[key][i]!) < 1e-14));
  }
});

Deno.test("bankObserve() turns a damped harmonic by omega·dt and damps it by exp(−dt/tau)", () => {
  const scales = bankScales(1000, [DAY]);
  const state = bankStart(scales);
  bankObserve(scales, state, 1, 0, 1);
  const before = [state.harmonics[0]!, state.harmonics[1]!] as const;
  bankObserve(scales, state, 6, 0, 0);
  // A quarter of the season: (re, im) → (−im, re), damped over 6 of 48 slots.
  const decay = Math.exp(-6 / 48);
  assert.ok(Math.abs(state.harmonics[0]! + decay * before[1]) < 1e-15);
  assert.ok(Math.abs(state.harmonics[1]! - decay * before[0]) < 1e-15);
});

Deno.test("featureCounts() is what rawFeaturesInto() writes, light ones first", () => {
  for (const seasons of [[], [DAY], [DAY, WEEK], [{ length: 4, slots: 4 }]]) {
    const scales = bankScales(1000, seasons);
    const { light, full } = featureCounts(scales, seasons);
    assert.ok(light <= LIGHT_FEATURES_MAX && full <= FEATURES_MAX);
    const state = bankStart(scales);
    bankObserve(scales, state, 1, 1, 1);
    const out = new Float64Array(full).fill(NaN);
    rawFeaturesInto(state, seasons, 5, [1, 2], out);
    assert.ok(out.every((value) => !Number.isNaN(value)));
    const short = new Float64Array(light);
    rawFeaturesInto(state, seasons, 5, [1, 2], short);
    assert.deepEqual(short, out.slice(0, light));
  }
});

Deno.test("scaleFeatures() scales, clips at 5 and sets the constant", () => {
  const features = Float64Array.of(1, 4, -100, 3);
  scaleFeatures(features, Float64Array.of(9, 2, 1, 3));
  assert.deepEqual([...features], [0.3, 2, -5, 1]);
});
