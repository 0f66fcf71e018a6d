import assert from "node:assert/strict";
import { discretizeDense } from "../../src/ssm/discretize.ts";
import { HIPPO_MEASURES, hippoTransition, isHippoMeasure } from "../../src/ssm/hippo.ts";
import { fourierInput } from "../../src/ssm/hippo.ts";
import { HIPPO_STATES_MAX } from "../../src/ssm/hippo.ts";

Deno.test("hippoTransition() of legs is the matrix of the paper", () => {
  const { A, B } = hippoTransition("legs", 3);
  const [one, two] = [Math.sqrt(3), Math.sqrt(5)];
  const expected = [-1, 0, 0, -one, -2, 0, -two, -one * two, -3];
  // Products of two square roots, one rounding each.
  expected.forEach((value, i) => assert.ok(Math.abs(A[i]! - value) < 1e-15));
  assert.deepEqual(B, Float64Array.of(1, one, two));
});

Deno.test("hippoTransition() gives stable systems for every measure", () => {
  for (const measure of HIPPO_MEASURES) {
    const { A, B } = hippoTransition(measure, 8);
    const { Abar } = discretizeDense(A, B, { method: "zoh", stateSize: 8, dt: 200 });
    // The sine of frequency 0 is a state that nothing drives and nothing moves.
    const idle = /^(fourier|fout)/.test(measure) && measure !== "fourier_diag" ? 9 : -1;
    assert.ok(Abar.every((value, i) => i === idle || Math.abs(value) < 1e-6), measure);
  }
});

Deno.test("hippoTransition() of legt is half of legt_unhalved", () => {
  const half = hippoTransition("legt", 6);
  const full = hippoTransition("legt_unhalved", 6);
  assert.deepEqual(half.A.map((value) => 2 * value), full.A);
  assert.deepEqual(half.B.map((value) => 2 * value), full.B);
});

Deno.test("hippoTransition() of tlagt without tilt is lagt with its own diagonal", () => {
  const tilted = hippoTransition("tlagt", 4, { beta: 1 });
  assert.deepEqual(Array.from(tilted.A.slice(0, 5)), [-1, 0, 0, 0, -1]);
});

Deno.test("hippoTransition() names what is out of range", () => {
  assert.throws(() => hippoTransition("legs", 0), /stateSize is "0"/);
  assert.throws(() => hippoTransition("legs", HIPPO_STATES_MAX + 1), /stateSize/);
  assert.throws(() => hippoTransition("fourier", 5), /even for the Fourier measures/);
  assert.throws(() => hippoTransition("glagt", 4, { alpha: 1 }), /alpha is "1"/);
  assert.throws(() => hippoTransition("lagt", 4, { beta: 0 }), /beta is "0"/);
  assert.throws(() => hippoTransition("nothing" as "legs", 4), /measure is "nothing"/);
});

Deno.test("isHippoMeasure() knows the list and nothing else", () => {
  assert.ok(HIPPO_MEASURES.every(isHippoMeasure));
  assert.ok(!isHippoMeasure("toString"));
});

Deno.test("fourierInput() weighs the constant, cosines and sines", () => {
  assert.deepEqual([0, 1, 2, 3].map(fourierInput), [1, 0, Math.SQRT2, 0]);
});
