import assert from "node:assert/strict";
import { modelNamed } from "../../src/models/mod.ts";
import {
  type DelayedRegressors,
  regressionEffect,
  type Regressors,
  withEffect,
} from "../../src/models/regression.ts";
import { channel, hours, noise } from "./_series.ts";

const PAST = 500;
const FUTURE = 24;
const ALL = PAST + FUTURE;
const KNOWN = { knownLeads: [Infinity] };
const model = modelNamed("structural");

/** A day's season and an AR(1), with `weight` times a regressor on top. */
function seriesWith(weight: number, seed: number) {
  const draws = noise(ALL, seed);
  const other = noise(ALL, seed + 100);
  const x = new Float64Array(ALL);
  let rest = 0;
  const y = x.map((_, i) => {
    x[i] = (i > 0 ? 0.5 * x[i - 1]! : 0) + other[i]!;
    rest = 0.6 * rest + draws[i]!;
    return 30 + 4 * Math.sin(2 * Math.PI * i / 24) + rest + weight * x[i]!;
  });
  return { x, y };
}

/** Regressors as they are: no delay is sought. */
const only = (regressors: Regressors): DelayedRegressors => ({
  covariates: 0,
  regressorsAt: () => regressors,
});

/** Mean absolute errors without and with the regressor, and the share used. */
function errorsOf(weight: number, seed: number) {
  const { x, y } = seriesWith(weight, seed);
  const [past, future] = [y.subarray(0, PAST), y.subarray(PAST)];
  const state = model.stateOfContext(channel(), hours(PAST), past);
  const regressors = { past: [x.subarray(0, PAST)], future: [x.subarray(PAST)], ...KNOWN };
  const effect = regressionEffect(state, hours(PAST), past, only(regressors), FUTURE);
  const informed = withEffect(model, effect);
  const own = informed.stateOfContext(channel(), hours(PAST), past);
  const asked = hours(FUTURE, PAST);
  const error = (rows: Float64Array) =>
    future.reduce((sum, value, t) => sum + Math.abs(value - rows[t]!) / FUTURE, 0);
  return {
    plain: error(model.forecast(state, asked, Float64Array.of(0.5))),
    informed: error(informed.forecast(own, asked, Float64Array.of(0.5))),
    effect,
    inside: future.filter((value, t) => {
      const [low, high] = informed.forecast(own, asked, Float64Array.of(0.1, 0.9))
        .subarray(2 * t, 2 * t + 2);
      return low! <= value && value <= high!;
    }).length,
  };
}

Deno.test("regressionEffect() finds a known future's effect, which takes errors down", () => {
  let [plain, informed, inside] = [0, 0, 0];
  for (const seed of [1, 2, 3, 4]) {
    const errors = errorsOf(3, seed);
    plain += errors.plain;
    informed += errors.informed;
    inside += errors.inside / (4 * FUTURE);
    assert.ok(errors.effect.share > 0.9, `${errors.effect.share}`);
  }
  // The regressor's own part has a mean size of 2.8; the rest is an AR(1) of 1.
  assert.ok(informed < 0.5 * plain, `${informed} ${plain}`);
  assert.ok(inside > 0.65 && inside < 0.95, `${inside}`);
});

Deno.test("regressionEffect() does not use a regressor that says nothing", () => {
  for (const seed of [5, 6, 7]) {
    const { plain, informed, effect } = errorsOf(0, seed);
    assert.ok(effect.share < 0.25, `${effect.share}`);
    assert.ok(informed < 1.03 * plain, `${informed} ${plain}`);
  }
});

Deno.test("regressionEffect() is nothing without regressors, values or change", () => {
  const { y } = seriesWith(0, 8);
  const past = y.subarray(0, PAST);
  const state = model.stateOfContext(channel(), hours(PAST), past);
  const none = regressionEffect(
    state,
    hours(PAST),
    past,
    only({ past: [], future: [], knownLeads: [] }),
    FUTURE,
  );
  assert.deepEqual([none.share, none.future.length], [0, FUTURE]);
  const flat = {
    past: [new Float64Array(PAST).fill(7)],
    future: [new Float64Array(FUTURE)],
    ...KNOWN,
  };
  const still = regressionEffect(state, hours(PAST), past, only(flat), FUTURE);
  assert.ok(still.future.every((value) => value === 0));
  const gaps = {
    past: [new Float64Array(PAST).fill(NaN)],
    future: [new Float64Array(FUTURE)],
    ...KNOWN,
  };
  const unknown = regressionEffect(state, hours(PAST), past, only(gaps), FUTURE);
  assert.ok(unknown.past.every((value) => value === 0));
  const huge = past.map((value) => value * 1e300);
  const extreme = model.stateOfContext(channel(), hours(PAST), huge);
  const change = { past: [past], future: [new Float64Array(FUTURE)], ...KNOWN };
  const wild = regressionEffect(extreme, hours(PAST), huge, only(change), FUTURE);
  assert.ok(wild.past.every(Number.isFinite) && wild.deviation.every(Number.isFinite));
  const cold = model.initialState(channel());
  model.absorb(cold, hours(3), past.subarray(0, 3));
  const early = regressionEffect(cold, hours(3), past.subarray(0, 3), only(flat), FUTURE);
  assert.equal(early.share, 0);
});

Deno.test("withEffect() keeps to the bounds of the whole", () => {
  const { x, y } = seriesWith(3, 9);
  const past = y.subarray(0, PAST);
  const config = channel({ lower: 25, upper: 31 });
  const state = model.stateOfContext(config, hours(PAST), past);
  const regressors = { past: [x.subarray(0, PAST)], future: [x.subarray(PAST)], ...KNOWN };
  const effect = regressionEffect(state, hours(PAST), past, only(regressors), FUTURE);
  const informed = withEffect(model, effect);
  const own = informed.stateOfContext(config, hours(PAST), past);
  const rows = informed.forecast(own, hours(FUTURE, PAST), Float64Array.of(0.025, 0.5, 0.975));
  assert.ok(rows.every((value) => value >= 25 && value <= 31));
  assert.ok(rows.some((value) => value === 25 || value === 31));
  for (let at = 1; at < rows.length; at++) {
    if (at % 3 !== 0) assert.ok(rows[at]! >= rows[at - 1]!);
  }
});
