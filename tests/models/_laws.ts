/** The laws of every model that serves. */
import assert from "node:assert/strict";
import { copyTree, packTree, unpackTree } from "../../src/base/tree.ts";
import type { ForecasterModel } from "../../src/models/forecaster.ts";
import type { ForecasterState } from "../../src/models/forecaster_state.ts";
import type { OneStep } from "../../src/models/model.ts";
import { channel, HOUR_S, hours, noise, QUANTILES, seasonalWalk } from "./_series.ts";

const LENGTH = 150;
const WIDTH = QUANTILES.length;

function absorbedBy(
  model: ForecasterModel,
  times: Float64Array,
  values: Float64Array,
  cuts: readonly number[] = [],
): ForecasterState {
  const state = model.initialState(channel());
  const ends = [...cuts, times.length];
  let from = 0;
  for (const end of ends) {
    model.absorb(state, times.subarray(from, end), values.subarray(from, end));
    from = end;
  }
  return state;
}

function widthAt(rows: Float64Array, t: number): number {
  return rows[t * WIDTH + WIDTH - 1]! - rows[t * WIDTH]!;
}

function emptyStep(length: number): OneStep {
  const nothing = () => new Float64Array(length).fill(-1);
  return { expected: nothing(), scale: nothing() };
}

/**
 * Runs the laws over one model.
 *
 * @param seesLevel  the forecast depends on where zero is: its laws of shifted values are of scale
 *   alone
 */
export function modelLaws(name: string, model: ForecasterModel, seesLevel = false): void {
  const absorbed = (
    times: Float64Array,
    values: Float64Array,
    cuts: readonly number[] = [],
  ): ForecasterState => absorbedBy(model, times, values, cuts);
  const values = seasonalWalk(LENGTH, 3);
  values[40] = NaN;
  values[41] = NaN;
  const times = hours(LENGTH).map((time, i) => i % 10 === 7 ? time + 700 : time);

  Deno.test(`${name}: absorb(a‖b) is absorb(a), absorb(b), bit for bit`, () => {
    const whole = packTree(absorbed(times, values));
    assert.deepEqual(packTree(absorbed(times, values, [1, 7, 8, 60, 61, 149])), whole);
  });

  Deno.test(`${name}: one segment is its samples one by one, one-step predictions included`, () => {
    const together = emptyStep(LENGTH);
    const whole = model.initialState(channel());
    model.absorb(whole, times, values, together);
    const apart = emptyStep(LENGTH);
    const single = model.initialState(channel());
    for (let i = 0; i < LENGTH; i++) {
      const at = (array: Float64Array) => array.subarray(i, i + 1);
      const step = { expected: at(apart.expected), scale: at(apart.scale) };
      model.absorb(single, at(times), at(values), step);
    }
    assert.deepEqual(packTree(single), packTree(whole));
    assert.deepEqual(apart, together);
    assert.ok(Number.isNaN(together.expected[0]!));
    const tail = Array.from(together.expected.subarray(20));
    assert.ok(tail.every(Number.isFinite));
    assert.ok(Array.from(together.scale.subarray(20)).every((scale) => scale > 0));
  });

  Deno.test(`${name}: a state that was packed and unpacked goes on bit for bit`, () => {
    const half = absorbed(times.subarray(0, 100), values.subarray(0, 100));
    const restored = unpackTree(packTree(half)) as ForecasterState;
    model.absorb(half, times.subarray(100), values.subarray(100));
    model.absorb(restored, times.subarray(100), values.subarray(100));
    assert.deepEqual(packTree(restored), packTree(half));
  });

  Deno.test(`${name}: a forecast leaves the state as it was and increases along quantiles`, () => {
    const state = absorbed(times, values);
    const before = packTree(copyTree(state));
    const rows = model.forecast(state, hours(40, LENGTH), QUANTILES);
    assert.deepEqual(packTree(state), before);
    assert.equal(rows.length, 40 * WIDTH);
    for (let at = 0; at < rows.length; at++) {
      assert.ok(Number.isFinite(rows[at]!));
      if (at % WIDTH > 0) assert.ok(rows[at]! >= rows[at - 1]!);
    }
    assert.ok(widthAt(rows, 39) > 0);
  });

  Deno.test(`${name}: missing samples widen the forecast of a random walk`, () => {
    let level = 0;
    const walk = noise(LENGTH, 11).map((step) => level += step);
    const seen = absorbed(hours(LENGTH), walk);
    const gap = copyTree(seen);
    model.absorb(gap, hours(10, LENGTH), new Float64Array(10).fill(NaN));
    const near = model.forecast(seen, hours(1, LENGTH), QUANTILES);
    const far = model.forecast(gap, hours(1, LENGTH + 10), QUANTILES);
    // The mean of all values errs as much at any lead, so its width may only stay.
    if (name === "mean") assert.ok(widthAt(far, 0) >= 0.9 * widthAt(near, 0));
    else assert.ok(widthAt(far, 0) > widthAt(near, 0));
  });

  Deno.test(`${name}: forecasts follow scale and shift of the values`, () => {
    let level = -60;
    const walk = noise(LENGTH, 5).map((step, i) =>
      (level += 0.3 * step) + 4 * Math.sin(2 * Math.PI * i / 24)
    );
    const shift = seesLevel ? 0 : -2048;
    const scaled = walk.map((value) => 256 * value + shift);
    const future = hours(12, LENGTH);
    const plain = model.forecast(absorbed(hours(LENGTH), walk), future, QUANTILES);
    const moved = model.forecast(absorbed(hours(LENGTH), scaled), future, QUANTILES);
    // Negative values have no log members, which a shift would change. Rounding of the shift enters at 1e-13 and may be
    // amplified by the readouts; 1e-6 of the width is far below what anyone can see.
    for (let at = 0; at < plain.length; at++) {
      const tolerance = 1e-6 * widthAt(plain, Math.floor(at / WIDTH));
      assert.ok(Math.abs((moved[at]! - shift) / 256 - plain[at]!) < tolerance);
    }
  });

  Deno.test(`${name}: any number of samples from one on gives a finite, wide forecast`, () => {
    assert.throws(
      () => model.forecast(model.initialState(channel()), hours(1), QUANTILES),
      /samples is "0", expected at least one sample/,
    );
    for (let count = 1; count <= 14; count++) {
      const state = absorbed(hours(count), seasonalWalk(count, 8));
      const rows = model.forecast(state, hours(60, count), QUANTILES);
      assert.ok(rows.every(Number.isFinite), `${count} samples`);
      assert.ok(widthAt(rows, 0) > 0, `${count} samples`);
    }
  });

  Deno.test(`${name}: strange series stay finite and ordered`, () => {
    const strange: Record<string, Float64Array> = {
      constant: new Float64Array(60).fill(7),
      zero: new Float64Array(60),
      huge: seasonalWalk(60, 2).map((value) => value * 1e12),
      tiny: seasonalWalk(60, 2).map((value) => value * 1e-12),
      step: new Float64Array(60).map((_, i) => i < 45 ? 0 : 1e6),
      spike: new Float64Array(60).map((_, i) => i === 50 ? 1e9 : Math.sin(i)),
      alternating: new Float64Array(60).map((_, i) => i % 2),
    };
    for (const [kind, series] of Object.entries(strange)) {
      const rows = model.forecast(absorbed(hours(60), series), hours(50, 60), QUANTILES);
      for (let at = 0; at < rows.length; at++) {
        assert.ok(Number.isFinite(rows[at]!), kind);
        if (at % WIDTH > 0) assert.ok(rows[at]! >= rows[at - 1]!, kind);
      }
    }
  });

  Deno.test(`${name}: draws and components leave the state as it was, of strange series too`, () => {
    const strange: Record<string, Float64Array> = {
      walk: seasonalWalk(60, 4),
      constant: new Float64Array(60).fill(7),
      zeros: new Float64Array(60),
      jump: Float64Array.from({ length: 60 }, (_, i) => i < 30 ? 0 : 1e6),
      huge: Float64Array.from({ length: 60 }, (_, i) => (-1) ** i * 1e300),
    };
    const asked = Float64Array.of(59.2, 61, 64.5, 300).map((slot) => slot * HOUR_S);
    for (const [kind, series] of Object.entries(strange)) {
      const state = absorbed(hours(60), series);
      const before = packTree(state);
      const draws = model.draws(state, asked, 50, 3);
      assert.equal(draws.length, 200);
      assert.ok(draws.every((value) => Math.abs(value) < 7), kind);
      const parts = model.components(state, hours(60), series.with(20, NaN));
      assert.equal(parts === null, kind === "huge", kind);
      assert.ok(parts?.signal.every(Number.isFinite) ?? true, kind);
      assert.ok(parts?.signalDeviation.every((value) => value >= 0) ?? true, kind);
      assert.deepEqual(packTree(state), before);
    }
  });

  Deno.test(`${name}: declared bounds hold`, () => {
    const state = model.initialState(channel({ lower: 0, upper: 1 }));
    const share = noise(80, 4).map((value) => 1 / (1 + Math.exp(-3 * value)));
    model.absorb(state, hours(80), share);
    const rows = model.forecast(state, hours(30, 80), QUANTILES);
    assert.ok(rows.every((value) => value >= 0 && value <= 1));
  });

  Deno.test(`${name}: segments without any value and long gaps do no harm`, () => {
    const state = absorbed(hours(60), seasonalWalk(60, 6));
    model.absorb(state, hours(30, 60), new Float64Array(30).fill(NaN));
    model.absorb(state, Float64Array.of(5000 * HOUR_S), Float64Array.of(49));
    model.absorb(state, hours(30, 5001), seasonalWalk(30, 6));
    const rows = model.forecast(state, hours(24, 5031), QUANTILES);
    assert.ok(rows.every(Number.isFinite));
  });

  Deno.test(`${name}: the largest doubles get forecasts that are numbers`, () => {
    for (const size of [1e-300, 1e300, Number.MAX_VALUE]) {
      const state = model.initialState(channel());
      model.absorb(state, hours(60), Float64Array.from({ length: 60 }, (_, i) => (-1) ** i * size));
      const rows = model.forecast(state, hours(5, 60), QUANTILES);
      assert.ok(rows.every(Number.isFinite), `${size}: ${rows}`);
    }
  });

  Deno.test(`${name}: times that a double cannot tell apart count once`, () => {
    const values = seasonalWalk(40, 3);
    const farS = 1.8e10;
    const times = Float64Array.from({ length: 40 }, (_, i) => i < 20 ? i : farS + i);
    const once = model.initialState(channel({}));
    model.absorb(once, times, values);
    const twice = model.initialState(channel({}));
    // A nanosecond later is the same double, in this segment and in the next one.
    const later = Float64Array.from([...times.subarray(0, 30), times[29]! + 1e-9]);
    model.absorb(twice, later, Float64Array.from([...values.subarray(0, 30), 999]));
    model.absorb(twice, Float64Array.of(times[29]! + 1e-9), Float64Array.of(-999));
    model.absorb(twice, times.subarray(30), values.subarray(30));
    assert.deepEqual(packTree(twice), packTree(once));
  });

  Deno.test(`${name}: samples out of order or infinite are refused by name`, () => {
    const state = absorbed(hours(5), seasonalWalk(5, 1));
    const absorb = (time: number, value: number) => () =>
      model.absorb(state, Float64Array.of(time), Float64Array.of(value));
    assert.throws(absorb(0, 1), /timesS is "0", expected a time after 14400/);
    assert.throws(absorb(NaN, 1), /timesS is "NaN"/);
    assert.throws(absorb(9 * HOUR_S, Infinity), /values is "Infinity", expected a finite number/);
  });
}
