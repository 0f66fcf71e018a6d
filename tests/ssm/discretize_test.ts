import assert from "node:assert/strict";
import fc from "fast-check";
import { discretizeDense, discretizeDiagonal } from "../../src/ssm/discretize.ts";
import { addScaled, maxAbs, multiply } from "../../src/ssm/dense.ts";
import { hippoTransition } from "../../src/ssm/hippo.ts";

const legs = hippoTransition("legs", 6);

Deno.test("discretizeDense() by zoh makes two half steps one whole step", () => {
  const zoh = (dt: number) => discretizeDense(legs.A, legs.B, { method: "zoh", stateSize: 6, dt });
  const half = zoh(0.15);
  const whole = zoh(0.3);
  const twice = multiply(half.Abar, half.Abar, 6, 6, 6);
  const input = addScaled(multiply(half.Abar, half.Bbar, 6, 6, 1), half.Bbar);
  // Entries near 10 after products of six terms.
  assert.ok(maxAbs(addScaled(twice, whole.Abar, -1)) < 1e-13);
  assert.ok(maxAbs(addScaled(input, whole.Bbar, -1)) < 1e-13);
});

Deno.test("discretizeDense() by zoh integrates an integrator", () => {
  const { Abar, Bbar } = discretizeDense(
    Float64Array.of(0, 1, 0, 0),
    Float64Array.of(0, 1),
    { method: "zoh", stateSize: 2, dt: 3 },
  );
  [1, 3, 0, 1].forEach((value, i) => assert.ok(Math.abs(Abar[i]! - value) < 1e-14));
  [4.5, 3].forEach((value, i) => assert.ok(Math.abs(Bbar[i]! - value) < 1e-14));
});

Deno.test("discretizeDense() by gbt has Euler, bilinear and backward as its cases", () => {
  for (const [method, alpha] of [["euler", 0], ["bilinear", 0.5], ["backward", 1]] as const) {
    const options = { stateSize: 6, dt: 0.2 };
    const named = discretizeDense(legs.A, legs.B, { ...options, method });
    const general = discretizeDense(legs.A, legs.B, { ...options, method: "gbt", alpha });
    assert.deepEqual(named, general);
  }
});

Deno.test("discretizeDense() converges to zoh at the order of its method", () => {
  const errorAt = (method: "euler" | "bilinear", dt: number) => {
    const options = { stateSize: 6, dt };
    const exact = discretizeDense(legs.A, legs.B, { ...options, method: "zoh" });
    const approximate = discretizeDense(legs.A, legs.B, { ...options, method });
    return maxAbs(addScaled(exact.Abar, approximate.Abar, -1));
  };
  // One step's error falls with dt² for Euler and dt³ for the trapezoidal rule.
  const euler = errorAt("euler", 2e-3) / errorAt("euler", 1e-3);
  const bilinear = errorAt("bilinear", 2e-3) / errorAt("bilinear", 1e-3);
  assert.ok(Math.abs(euler - 4) < 0.2, `Euler ${euler}`);
  assert.ok(Math.abs(bilinear - 8) < 0.4, `bilinear ${bilinear}`);
});

Deno.test("discretizeDiagonal() agrees with the dense form of one mode", () => {
  fc.assert(fc.property(
    fc.double({ min: -5, max: -1e-9, noNaN: true }),
    fc.double({ min: -20, max: 20, noNaN: true }),
    fc.constantFrom("zoh", "bilinear", "euler", "backward"),
    (re, im, method) => {
      const dt = 0.3;
      const mode = discretizeDiagonal(
        Float64Array.of(re, im),
        Float64Array.of(1, 0),
        dt,
        { method: method as "zoh" },
      );
      // A complex number as a rotation: [[re, −im], [im, re]], input on the first axis.
      const dense = discretizeDense(
        Float64Array.of(re, -im, im, re),
        Float64Array.of(1, 0),
        { method: method as "zoh", stateSize: 2, dt },
      );
      assert.ok(Math.abs(mode.Abar[0]! - dense.Abar[0]!) < 1e-12);
      assert.ok(Math.abs(mode.Abar[1]! - dense.Abar[2]!) < 1e-12);
      assert.ok(Math.abs(mode.Bbar[0]! - dense.Bbar[0]!) < 1e-12);
      assert.ok(Math.abs(mode.Bbar[1]! - dense.Bbar[1]!) < 1e-12);
    },
  ));
});

Deno.test("discretizeDiagonal() keeps its digits as lambda·dt goes to zero", () => {
  for (const lambda of [0, 1e-300, 1e-18, 1e-9]) {
    const { Bbar } = discretizeDiagonal(
      Float64Array.of(-lambda, lambda),
      Float64Array.of(2, 0),
      0.5,
      { method: "zoh" },
    );
    // (exp(z) − 1)/lambda = dt·(1 + z/2 + ...), and |z| is below 1e-9 here.
    assert.ok(Math.abs(Bbar[0]! - 1) < 1e-9, `lambda ${lambda}: ${Bbar[0]}`);
  }
});

Deno.test("discretizeDiagonal() takes one step size for each mode", () => {
  const lambda = Float64Array.of(-1, 0, -1, 0);
  const B = Float64Array.of(1, 0, 1, 0);
  const { Abar } = discretizeDiagonal(lambda, B, Float64Array.of(1, 2), { method: "zoh" });
  assert.ok(Math.abs(Abar[0]! - Math.exp(-1)) < 1e-16 * 4);
  assert.ok(Math.abs(Abar[2]! - Math.exp(-2)) < 1e-16 * 4);
});

Deno.test("discretizeDense() and discretizeDiagonal() name what is out of range", () => {
  const { A, B } = legs;
  const options = { method: "zoh", stateSize: 6, dt: 1 } as const;
  assert.throws(() => discretizeDense(A, B, { ...options, dt: -1 }), /dt is "-1"/);
  assert.throws(() => discretizeDense(A, B, { ...options, dt: NaN }), /dt is "NaN"/);
  assert.throws(() => discretizeDense(A, B, { ...options, stateSize: 5 }), /stateSize/);
  assert.throws(() => discretizeDense(A, B, { ...options, method: "gbt" }), /alpha/);
  const one = Float64Array.of(-1, 0);
  const unknown = { method: "other" as "zoh" };
  assert.throws(() => discretizeDiagonal(one, one, 1, unknown), /method is "other"/);
  assert.throws(() => discretizeDiagonal(one, new Float64Array(4), 1, options), /B is "4"/);
});
