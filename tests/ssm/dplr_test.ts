import assert from "node:assert/strict";
import {
  doubledDifference,
  dplrAdvanceInto,
  dplrDifference,
  dplrExplicitInto,
  dplrRecurrence,
  dplrStep,
  dplrStepInto,
  truncatedOutput,
} from "../../src/ssm/dplr.ts";

const system = {
  lambda: Float64Array.from([-0.5, 1, -0.3, 4]),
  P: Float64Array.from([0.4, 0.1, -0.2, 0.7]),
  B: Float64Array.from([1, 0, 0.5, -1]),
  half: 2,
  rank: 1,
};
const DT = 0.3;

Deno.test("dplrStepInto() solves the bilinear equation", () => {
  const x = Float64Array.from([0.2, -1, 0.7, 0.4]);
  const right = x.slice();
  dplrExplicitInto(right, system, DT);
  const u = 1.7;
  for (let n = 0; n < 4; n++) right[n] = right[n]! + DT * u * system.B[n]!;
  dplrStepInto(x, dplrStep(system, DT), u);
  // (I − dt/2·A) is the explicit half with −dt.
  dplrExplicitInto(x, system, -DT);
  x.forEach((value, n) => assert.ok(Math.abs(value - right[n]!) < 1e-15));
});

Deno.test("truncatedOutput() takes off what the state still gives after the length", () => {
  const step = dplrStep(system, DT);
  const C = Float64Array.from([0.3, 1, -0.8, 0.2]);
  const read = (row: Float64Array, x: Float64Array) =>
    row[0]! * x[0]! - row[1]! * x[1]! + row[2]! * x[2]! - row[3]! * x[3]!;
  for (const length of [1, 6, 7]) {
    const x = Float64Array.from([0.2, -1, 0.7, 0.4]);
    const before = read(truncatedOutput(step, C, length), x);
    const now = read(C, x);
    for (let k = 0; k < length; k++) dplrStepInto(x, step, 0);
    assert.ok(Math.abs(before - (now - read(C, x))) < 1e-14, `length ${length}`);
  }
});

Deno.test("dplrStep() of size zero leaves a state as it is", () => {
  const x = Float64Array.from([0.2, -1, 0.7, 0.4]);
  const before = x.slice();
  dplrStepInto(x, dplrStep(system, 0), 5);
  assert.deepEqual(x, before);
});

Deno.test("dplrAdvanceInto() is dplrStepInto() with all but the state worked out", () => {
  const P = Float64Array.from([0.4, 0.1, -0.2, 0.7, -0.6, 0.2, 0.3, 0.5]);
  for (const other of [system, { ...system, P, rank: 2 }]) {
    const step = dplrStep(other, DT);
    const recurrence = dplrRecurrence(step);
    const x = Float64Array.from([0.2, -1, 0.7, 0.4]);
    const expected = x.slice();
    for (const u of [1.7, -0.3, 0]) {
      dplrStepInto(expected, step, u);
      dplrAdvanceInto(x, recurrence, u);
      x.forEach((value, n) => assert.ok(Math.abs(value - expected[n]!) < 1e-14));
    }
  }
});

Deno.test("doubledDifference() of a step's dplrDifference() is that of two steps", () => {
  const step = dplrStep(system, DT);
  const Q = doubledDifference(dplrDifference(step), 4);
  const x = Float64Array.from([0.2, -1, 0.7, 0.4]);
  const before = x.slice();
  dplrStepInto(x, step, 0);
  dplrStepInto(x, step, 0);
  for (let i = 0; i < 4; i++) {
    const change = before.reduce((sum, value, j) => sum + Q[i * 4 + j]! * value, 0);
    assert.ok(Math.abs(before[i]! + change - x[i]!) < 1e-14);
  }
});
