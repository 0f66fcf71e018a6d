import assert from "node:assert/strict";
import { legendre, legsBasis, legsStep, legtBasis } from "../../src/ssm/projection.ts";
import { projectLegs, projectLegt, reconstruct } from "../../src/ssm/projection.ts";

const LENGTH = 200;
const signal = Float64Array.from({ length: LENGTH }, (_, k) => Math.sin(2 * Math.PI * k / 90));

/** Root of the mean squared difference. */
function rms(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  a.forEach((value, i) => sum += (value - b[i]!) ** 2);
  return Math.sqrt(sum / a.length);
}

Deno.test("legendre() gives the first polynomials", () => {
  const x = 0.3;
  const values = legendre(4, x);
  const expected = [1, x, (3 * x * x - 1) / 2, (5 * x ** 3 - 3 * x) / 2];
  expected.forEach((value, i) => assert.ok(Math.abs(values[i]! - value) < 1e-15));
});

Deno.test("projectLegs() remembers the whole past", () => {
  const coefficients = projectLegs(signal, { method: "bilinear", stateSize: 24, channels: 1 });
  const drawn = reconstruct(coefficients.slice(-24), legsBasis(24, LENGTH), 24);
  // Two periods on 24 polynomials; the first samples enter with the coarsest steps.
  assert.ok(rms(drawn, signal) < 0.1, `rms ${rms(drawn, signal)}`);
});

Deno.test("projectLegt() remembers its window, oldest first", () => {
  const dt = 1 / 100;
  const options = { method: "zoh", stateSize: 16, channels: 1, dt } as const;
  const coefficients = projectLegt(signal, options);
  const drawn = reconstruct(coefficients.slice(-16), legtBasis(16, dt), 16);
  assert.equal(drawn.length, 100);
  assert.ok(rms(drawn, signal.slice(-100)) < 0.1);
});

Deno.test("projectLegs() treats channels apart", () => {
  const two = Float64Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? i / 2 : -3));
  const options = { method: "backward", stateSize: 3 } as const;
  const both = projectLegs(two, { ...options, channels: 2 });
  const first = projectLegs(two.filter((_, i) => i % 2 === 0), { ...options, channels: 1 });
  for (let row = 0; row < 10; row++) {
    assert.deepEqual(both.slice(row * 6, row * 6 + 3), first.slice(row * 3, row * 3 + 3));
  }
});

Deno.test("legsStep() shrinks with time", () => {
  const early = legsStep(2, 0, { method: "zoh" });
  const late = legsStep(2, 99, { method: "zoh" });
  assert.ok(Math.abs(early.Bbar[0]! - 0.5) < 1e-14);
  assert.ok(Math.abs(late.Bbar[0]! - 1 / 101) < 1e-14);
});

Deno.test("the projections name what is out of range", () => {
  const options = { method: "zoh", stateSize: 2, channels: 3 } as const;
  assert.throws(() => projectLegs(signal, options), /channels is "3"/);
  assert.throws(() => legsBasis(2, 1), /points is "1"/);
  assert.throws(() => legtBasis(2, 0), /dt is "0"/);
});
