import assert from "node:assert/strict";
import { solve } from "../../src/ssm/dense.ts";
import { discretizeDense } from "../../src/ssm/discretize.ts";
import { MEMORY_MEASURES, memoryBasis, memorySystem } from "../../src/ssm/memory.ts";
import { reconstruct } from "../../src/ssm/projection.ts";

Deno.test("memorySystem() settles on the constant it is given, whatever the measure", () => {
  for (const measure of MEMORY_MEASURES.filter((each) => each !== "lagt")) {
    const { A, B } = memorySystem(measure, 8);
    const rest = B.map((value) => -value);
    // The Fourier memory's first sine stays 0, so its row and column are left out of the system.
    const kept = [...Array(8).keys()].filter((n) => measure !== "fourier" || n !== 1);
    const small = kept.flatMap((n) => kept.map((k) => A[n * 8 + k]!));
    const size = kept.length;
    const right = Float64Array.from(kept, (n) => rest[n]!);
    const x = solve(Float64Array.from(small), right, size, 1);
    x.forEach((value, n) => assert.ok(Math.abs(value - (n === 0 ? 1 : 0)) < 1e-12, measure));
  }
});

Deno.test("memorySystem() of LegT reads delays that are exact up to a power of the frequency", () => {
  // The transfer function C·(s − A)⁻¹·B has the Taylor coefficients −C·A^−(k+1)·B; those of a delay
  // by one window are (−1)^k/k!. A rational function of order N can match 2N of them.
  for (const measure of ["legt", "lmu"] as const) {
    for (const size of [1, 2, 4]) {
      const { A, B } = memorySystem(measure, size);
      const C = memoryBasis(measure, size, [1]);
      let moment: Float64Array = B;
      let expected = 1;
      for (let k = 0; k < 2 * size; k++) {
        moment = solve(A, moment, size, 1);
        const value = -moment.reduce((sum, each, n) => sum + C[n]! * each, 0);
        assert.ok(Math.abs(value - expected) < 1e-12, `${measure} ${size}: coefficient ${k}`);
        expected *= -1 / (k + 1);
      }
    }
  }
});

/** What a memory of one unit holds at time `end` of a signal that begins at 0. */
function remember(
  measure: "legt" | "lmu" | "lagt" | "fourier",
  size: number,
  signal: (t: number) => number,
  end: number,
): Float64Array {
  const steps = 4000;
  const dt = end / steps;
  const { A, B } = memorySystem(measure, size);
  const { Abar, Bbar } = discretizeDense(A, B, { method: "zoh", stateSize: size, dt });
  let x = new Float64Array(size);
  for (let k = 0; k < steps; k++) {
    const before = x;
    // The middle of the step, so that holding it is off by dt² only.
    x = Float64Array.from(
      Bbar,
      (b, n) =>
        b * signal((k + 0.5) * dt) +
        before.reduce((sum, value, j) => sum + Abar[n * size + j]! * value, 0),
    );
  }
  return x;
}

const AGES = [0.05, 0.3, 0.6, 0.95];

Deno.test("memoryBasis() draws a window's past from either scaling of LegT", () => {
  const signal = (t: number) => Math.sin(5 * t) + 0.3 * t;
  for (const measure of ["legt", "lmu"] as const) {
    const x = remember(measure, 16, signal, 4);
    const drawn = reconstruct(x, memoryBasis(measure, 16, AGES), 16);
    // Holding the input over 1e-3 of a window.
    AGES.forEach((age, i) => assert.ok(Math.abs(drawn[i]! - signal(4 - age)) < 1e-4, measure));
  }
});

Deno.test("memoryBasis() draws a periodic window's past from the Fourier memory", () => {
  const signal = (t: number) => 1 + Math.sin(2 * Math.PI * t) - 0.5 * Math.cos(6 * Math.PI * t);
  const x = remember("fourier", 32, signal, 4);
  const drawn = reconstruct(x, memoryBasis("fourier", 32, AGES), 32);
  // The memory lets go of what leaves the window only up to its highest frequency.
  AGES.forEach((age, i) => assert.ok(Math.abs(drawn[i]! - signal(4 - age)) < 0.05));
});

Deno.test("memoryBasis() draws a pulse from the Laguerre memory", () => {
  const signal = (t: number) => Math.exp(-((t - 3) ** 2));
  const ages = [0.5, 2.5, 3, 3.4, 4.5];
  const errorOf = (size: number) => {
    const x = remember("lagt", size, signal, 6);
    const drawn = reconstruct(x, memoryBasis("lagt", size, ages), size);
    return ages.reduce((most, age, i) => Math.max(most, Math.abs(drawn[i]! - signal(6 - age))), 0);
  };
  // N functions resolve about √(N/age) radians in a unit of time; the pulse has up to 4.
  const [few, many] = [errorOf(12), errorOf(48)];
  assert.ok(many < 0.02, `${many}`);
  assert.ok(many < few / 4, `${many} after ${few}`);
});

Deno.test("memoryBasis() refuses an age outside of the window", () => {
  assert.throws(() => memoryBasis("legt", 4, [0.5, 1.01]), { field: "ages[1]" });
  assert.throws(() => memoryBasis("legs", 4, [-0.1]), { field: "ages[0]" });
  assert.doesNotThrow(() => memoryBasis("lagt", 4, [7]));
});
