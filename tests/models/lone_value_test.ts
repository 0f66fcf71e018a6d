import assert from "node:assert/strict";
import { FAR_RANGES, noRange, RANGE_SEEN_MIN, rangeStep } from "../../src/models/lone_value.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { channel, hours, leftOut, noise, QUANTILES } from "./_series.ts";

/** Which of some values are far and alone. */
function aloneOf(values: ArrayLike<number>): number[] {
  const range = noRange();
  const isAlone = leftOut(values, (value, seen) => rangeStep(range, value, seen));
  return isAlone.flatMap((is, i) => is ? [i] : []);
}

Deno.test("rangeStep() leaves out what lies ten ranges away, as often as it comes alone", () => {
  const values = noise(500, 1).map((draw, i) => [150, 300].includes(i) ? 9999 : 20 + draw);
  values[400] = -9999;
  assert.deepEqual(aloneOf(values), [150, 300, 400]);
});

Deno.test("rangeStep() takes the second far value on a side, and those after it", () => {
  assert.deepEqual(aloneOf(noise(200, 2).map((draw, i) => i < 120 ? draw : draw + 500)), [120]);
  const swinging = noise(200, 3).map((draw, i) => i < 120 ? draw : i % 2 === 0 ? 500 : -500);
  assert.equal(aloneOf(swinging).length, 80);
});

Deno.test("rangeStep() knows no far value before its range, nor just within it", () => {
  const few = noise(RANGE_SEEN_MIN - 1, 4);
  assert.deepEqual(aloneOf([...few, 9999]), []);
  const ramp = Array.from({ length: 101 }, (_, i) => i);
  assert.deepEqual(aloneOf([...ramp, 100 + FAR_RANGES * 100]), []);
  assert.deepEqual(aloneOf([...ramp, 101 + FAR_RANGES * 100]), [101]);
  assert.deepEqual(aloneOf([...Array(300).fill(5), 9999]), []);
  // Where the room is no number nothing is far.
  assert.deepEqual(aloneOf([...ramp, 1.7e308, -1.7e308, -1.7e308, 5]).slice(2), []);
});

Deno.test("rangeStep() hardly ever takes heavy tails for faults", () => {
  let alone = 0;
  for (let seed = 1; seed <= 20; seed++) {
    alone += aloneOf(noise(5000, seed).map((draw) => Math.exp(1.5 * draw))).length;
  }
  assert.ok(alone <= 2, `${alone} of 100,000`);
});

Deno.test("one reading of 9999 leaves forecasts as they would be without it", () => {
  for (const name of ["committee", "structural"]) {
    const model = modelNamed(name);
    const [glitch, missing] = [9999, NaN].map((value) => {
      const values = noise(600, 5).map((draw, i) => i === 500 ? value : 20 + 2 * draw);
      const state = model.initialState(channel());
      model.absorb(state, hours(510), values.subarray(0, 510));
      const near = model.forecast(state, hours(12, 510), QUANTILES);
      model.absorb(state, hours(90, 510), values.subarray(510));
      return [near, model.forecast(state, hours(12, 600), QUANTILES)];
    });
    assert.deepEqual(glitch, missing);
  }
});

Deno.test("a shift of a hundred ranges is a level two samples later", () => {
  const model = modelNamed("committee");
  const values = noise(330, 6).map((draw, i) => draw + (i < 300 ? 0 : 1000));
  const state = model.initialState(channel());
  model.absorb(state, hours(330), values);
  assert.equal(state.seen, 329);
  const medians = model.forecast(state, hours(6, 330), Float64Array.of(0.5));
  for (const median of medians) assert.ok(Math.abs(median - 1000) < 200, `${medians}`);
});
