import assert from "node:assert/strict";
import { packTree, type Tree, unpackTree } from "../../src/base/tree.ts";
import {
  COVARIATE_BYTES_MAX,
  informedAbsorb,
  informedEffect,
  informedStart,
  type InformedState,
} from "../../src/models/informed.ts";
import { HISTORY_ROOM_MAX } from "../../src/models/covariate_history.ts";
import { LAG_MAX, NEAR_LAGS } from "../../src/models/delays.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { withEffect } from "../../src/models/regression.ts";
import { BUFFER_ROOM_MAX } from "../../src/models/sample_buffer.ts";
import { channel, HOUR_S, hours, noise } from "./_series.ts";

const model = modelNamed("structural");
const HORIZON = 12;
const MEDIAN = Float64Array.of(0.5);

/** An AR(1) covariate, and a day's season that follows it an hour later. */
function series(length: number, weight: number, seed = 1) {
  const [steps, errors] = [noise(length, seed), noise(length, seed + 1)];
  let level = 0;
  const x = steps.map((step) => 5 + (level = 0.9 * level + step));
  const y = errors.map((error, i) =>
    50 + 4 * Math.sin(Math.PI * i / 12) + weight * (i > 0 ? x[i - 1]! : 5) + error
  );
  return { x, y };
}

function fed(length: number, weight: number, cuts: readonly number[] = []) {
  const { x, y } = series(length + HORIZON, weight);
  const state = informedStart(model, channel(), 1);
  const oneStep = { expected: new Float64Array(length), scale: new Float64Array(length) };
  let from = 0;
  for (const to of [...cuts, length]) {
    const told = {
      expected: oneStep.expected.subarray(from, to),
      scale: oneStep.scale.subarray(from, to),
    };
    const columns = [x.subarray(from, to)];
    informedAbsorb(model, state, hours(to - from, from), y.subarray(from, to), columns, told);
    from = to;
  }
  return { state, oneStep, x, y, future: x.slice(length), truth: y.slice(length) };
}

const known = (values: Float64Array) => [{ values, deviations: null }];

/** Mean error of the medians of the next hours. */
function missed(state: InformedState, future: Float64Array, truth: Float64Array, isTold: boolean) {
  const effect = informedEffect(state, known(future), HORIZON, true);
  const told = isTold ? withEffect(model, effect) : model;
  const rows = told.forecast(state.base, hours(HORIZON, state.base.count), MEDIAN);
  return truth.reduce((sum, value, l) => sum + Math.abs(value - rows[l]!) / HORIZON, 0);
}

Deno.test("informedAbsorb() leaves a state that does not tell how samples were cut", () => {
  const whole = fed(300, 3);
  for (const cuts of [[1, 2, 100], Array.from({ length: 299 }, (_, i) => i + 1)]) {
    const parts = fed(300, 3, cuts);
    assert.deepEqual(packTree(parts.state as Tree), packTree(whole.state as Tree));
    assert.deepEqual(parts.oneStep, whole.oneStep);
  }
  const again = unpackTree(packTree(whole.state as Tree)) as unknown as InformedState;
  const { x, y } = series(340, 3);
  for (const state of [again, whole.state]) {
    informedAbsorb(model, state, hours(40, 300), y.slice(300), [x.slice(300)]);
  }
  assert.deepEqual(packTree(again as Tree), packTree(whole.state as Tree));
});

Deno.test("informedEffect() takes most of the error where the future is told", () => {
  const { state, oneStep, y, future, truth } = fed(500, 3);
  assert.ok(state.learned!.share > 0.9, `${state.learned!.share}`);
  assert.ok(missed(state, future, truth, true) < 1.6);
  // Without its noise of 1 the series moves by 3 times an AR(1) of deviation 2.3.
  const steps = [...y.subarray(250, 500)].map((value, i) =>
    Math.abs(value - oneStep.expected[250 + i]!)
  );
  const oneStepError = steps.reduce((sum, step) => sum + step / steps.length, 0);
  assert.ok(oneStepError < 1.1, `${oneStepError}`);
  const { value, count } = model.summary(state.base).coverage[0]!;
  assert.ok(count > 300 && value > 0.72 && value < 0.88, `${count} ${value}`);
});

Deno.test("informedEffect() of a covariate that says nothing does next to nothing", () => {
  const { x } = series(512, 0, 9);
  const { y } = series(512, 0, 3);
  const state = informedStart(model, channel(), 1);
  informedAbsorb(model, state, hours(500), y.subarray(0, 500), [x.subarray(0, 500)]);
  const effect = informedEffect(state, known(x.slice(500)), HORIZON, true);
  assert.ok(effect.future.every((value) => Math.abs(value) < 0.15), `${effect.future}`);
});

Deno.test("informedEffect() widens by what is not known of a future, and takes gaps as usual", () => {
  const { state, future } = fed(500, 3);
  const told = informedEffect(state, known(future), HORIZON, true);
  const deviations = new Float64Array(HORIZON).fill(2);
  const own = informedEffect(state, [{ values: future, deviations }], HORIZON, true);
  assert.deepEqual(own.future, told.future);
  // What follows by an hour is known of the next hour already.
  assert.ok(own.deviation[0]! < told.deviation[0]! + 0.5, `${own.deviation[0]}`);
  own.deviation.subarray(1).forEach((deviation, t) => {
    assert.ok(deviation > told.deviation[1 + t]! + 3 && deviation < 8, `${deviation}`);
  });
  const lost = informedEffect(state, known(new Float64Array(HORIZON).fill(NaN)), HORIZON, false);
  assert.ok(lost.future.every((value) => value === 0));
});

Deno.test("informedAbsorb() takes missing values of both, and no value of a covariate at all", () => {
  const { x, y } = series(200, 2);
  const state = informedStart(model, channel(), 2);
  const gaps = (values: Float64Array, at: number) => values.map((v, i) => i % 7 === at ? NaN : v);
  const none = new Float64Array(200).fill(NaN);
  informedAbsorb(model, state, hours(200), gaps(y, 2), [gaps(x, 4), none]);
  const effect = informedEffect(
    state,
    [...known(x.slice(0, HORIZON)), ...known(none.slice(0, HORIZON))],
    HORIZON,
    true,
  );
  assert.ok(effect.future.every(Number.isFinite));
  assert.equal(state.learned!.weights[NEAR_LAGS + 1], 0);
  assert.equal(state.rowCount, state.base.buffer.length);
});

Deno.test("informedAbsorb() keeps rows for the samples of a full buffer, and no more", () => {
  const length = BUFFER_ROOM_MAX + 300;
  const { x, y } = series(length, 1);
  const mean = modelNamed("mean");
  const state = informedStart(mean, channel(), 1);
  informedAbsorb(mean, state, hours(length), y, [x]);
  assert.equal(state.rowCount, state.base.buffer.length);
  const { history, numbers } = state;
  assert.equal(numbers[state.rowCount - 1], length - 1);
  assert.equal(numbers[0], state.base.buffer.firstS / HOUR_S);
  assert.equal(history.first + history.count, length);
  assert.ok(history.first <= numbers[0]! - LAG_MAX && history.count <= HISTORY_ROOM_MAX);
  const last = history.values[history.count - 1]!;
  assert.equal(last, Math.fround(x[length - 1]!));
  assert.ok(packTree(state as Tree).length < mean.stateBytesMax + COVARIATE_BYTES_MAX);
});

Deno.test("informedAbsorb() tells what covariates explain, with no jump where that is learned", () => {
  const length = 800;
  // An AR(1) that stands still about each fit, so that what is told there may not move.
  const steps = noise(length, 4);
  let level = 0;
  const x = steps.map((step, i) => {
    const isStill = [64, 128, 256, 512].some((fitted) => Math.abs(i - fitted) <= 4);
    return level = isStill ? level : 0.9 * level + step;
  });
  const y = noise(length, 5).map((error, i) => 50 + 3 * x[i]! + error);
  const state = informedStart(model, channel(), 1);
  const { effects: explained, changes } = informedAbsorb(model, state, hours(length), y, [x]);
  // Early fits make it another one, late ones do not.
  assert.ok(changes[0] === 16 && changes.every((at) => at <= 256), `${changes}`);
  for (const fitted of [64, 128, 256, 512]) {
    const step = explained[fitted]! - explained[fitted - 1]!;
    assert.ok(Math.abs(step) < 0.3, `${fitted}: ${step}`);
  }
  assert.ok(explained.subarray(0, 8).every((value) => value === 0));
  let [left, all] = [0, 0];
  for (let i = 700; i < length; i++) {
    left += (y[i]! - 50 - explained[i]!) ** 2;
    all += (y[i]! - 50) ** 2;
  }
  assert.ok(left < 0.2 * all, `${left} of ${all}`);
});

/** A day's season, and an AR(1) that comes `delay` hours later. */
function delayed(length: number, delay: number, seed: number) {
  const [steps, errors] = [noise(length, seed), noise(length, seed + 1)];
  let level = 0;
  const x = steps.map((step) => level = 0.8 * level + step);
  const y = errors.map((error, i) =>
    50 + 4 * Math.sin(Math.PI * i / 12) + 3 * (i >= delay ? x[i - delay]! : 0) + 0.5 * error
  );
  return { x, y };
}

Deno.test("informedAbsorb() finds at which delay a covariate counts, among gaps too", () => {
  for (const [delay, isGappy] of [[6, false], [6, true], [31, false]] as const) {
    const length = 900;
    const { x, y } = delayed(length + HORIZON, delay, 11);
    const values = isGappy ? y.map((value, i) => i % 5 === 2 ? NaN : value) : y;
    const state = informedStart(model, channel(), 2);
    const other = noise(length + HORIZON, 77);
    const columns = [other.subarray(0, length), x.subarray(0, length)];
    informedAbsorb(model, state, hours(length), values.subarray(0, length), columns);
    assert.deepEqual([...state.delays], [0, delay]);
    // The covariates' futures are not known; what comes within the delay is.
    const unknown = new Float64Array(HORIZON).fill(NaN);
    const deviations = new Float64Array(HORIZON).fill(2);
    const futures = [{ values: unknown, deviations }, { values: unknown, deviations }];
    const effect = informedEffect(state, futures, HORIZON, true);
    const rows = withEffect(model, effect).forecast(state.base, hours(HORIZON, length), MEDIAN);
    const miss = (from: number, to: number) => {
      let sum = 0;
      for (let l = from; l < to; l++) sum += Math.abs(y[length + l]! - rows[l]!) / (to - from);
      return sum;
    };
    const within = Math.min(delay, HORIZON);
    assert.ok(miss(0, within) < 1, `${delay}: ${miss(0, within)}`);
    if (delay < HORIZON) assert.ok(effect.deviation[delay]! > effect.deviation[0]! + 1);
  }
});

Deno.test("informedAbsorb() of a delayed covariate does not tell how samples were cut", () => {
  const { x, y } = delayed(620, 6, 5);
  const packed = [[620], [1, 130, 512, 620], Array.from({ length: 620 }, (_, i) => i + 1)]
    .map((cuts) => {
      const state = informedStart(model, channel(), 1);
      let from = 0;
      for (const to of cuts) {
        const part = [x.subarray(from, to)];
        informedAbsorb(model, state, hours(to - from, from), y.subarray(from, to), part);
        from = to;
      }
      assert.equal(state.delays[0], 6);
      return packTree(state as Tree);
    });
  assert.deepEqual(packed[1], packed[0]);
  assert.deepEqual(packed[2], packed[0]);
});

Deno.test("informedAbsorb() keeps what it took out of samples whose covariates are gone", () => {
  const length = 5_000;
  const { x, y } = delayed(length, 6, 21);
  const values = y.map((value, i) => i % 2 === 1 ? NaN : value);
  const structural = modelNamed("structural");
  const state = informedStart(structural, channel(), 1);
  informedAbsorb(structural, state, hours(length), values, [x]);
  const { base, numbers, taken, history } = state;
  assert.ok(numbers[0]! < history.first, "rows reach further back than the covariates");
  for (let row = 0; row < state.rowCount; row++) {
    const whole = base.buffer.values[row]! + taken[row]!;
    assert.ok(Math.abs(whole - values[numbers[row]!]!) < 1e-9, `${row}`);
  }
});
