import assert from "node:assert/strict";
import { discretizeDense } from "../../src/ssm/discretize.ts";
import { hippoTransition } from "../../src/ssm/hippo.ts";
import {
  legsAdjointInto,
  legsHeldInto,
  legsQuadrature,
  legsStepInto,
} from "../../src/ssm/legs_step.ts";

const SIZES = [1, 2, 7, 64];
const SHARES = [1, 0.9, 0.3, 0.01, 1e-4];

/** Columns of the step's matrix. */
function matrixOf(size: number, share: number): Float64Array[] {
  const zero = new Float64Array(size);
  return Array.from({ length: size }, (_, k) => {
    const x = new Float64Array(size);
    const next = new Float64Array(size);
    x[k] = 1;
    legsStepInto(next, x, 0, zero, share, legsQuadrature(size));
    return next;
  });
}

Deno.test("legsStepInto() and legsHeldInto() are the exponential of LegS's matrix", () => {
  for (const size of SIZES) {
    const { A, B } = hippoTransition("legs", size);
    for (const share of SHARES.filter((each) => each < 1)) {
      const dt = -Math.log1p(-share);
      const exact = discretizeDense(A, B, { method: "zoh", stateSize: size, dt });
      const held = new Float64Array(size);
      legsHeldInto(held, share);
      matrixOf(size, share).forEach((column, k) => {
        for (let n = 0; n < size; n++) {
          // Some hundred roundings of the exponential's squarings; entries are at most about 1.
          assert.ok(Math.abs(column[n]! - exact.Abar[n * size + k]!) < 1e-12);
        }
        assert.ok(Math.abs(held[k]! - exact.Bbar[k]!) < 1e-12);
      });
    }
  }
});

Deno.test("legsHeldInto() keeps its digits where hardly anything is new", () => {
  const held = new Float64Array(5);
  legsHeldInto(held, 1e-12);
  // √(2n+1)·share to first order; the next is n²·share smaller.
  held.forEach((value, n) => {
    assert.ok(Math.abs(value / (Math.sqrt(2 * n + 1) * 1e-12) - 1) < 1e-10);
  });
});

Deno.test("legsStepInto() forgets everything where all time is new", () => {
  const held = new Float64Array(4);
  const next = new Float64Array(4);
  legsHeldInto(held, 1);
  legsStepInto(next, [3, 1, 4, 1], 2.5, held, 1, legsQuadrature(4));
  assert.deepEqual([...next].map((value) => value + 0), [2.5, 0, 0, 0]);
});

Deno.test("legsAdjointInto() is the transposed step", () => {
  for (const size of SIZES) {
    for (const share of SHARES) {
      const columns = matrixOf(size, share);
      const from = Float64Array.from({ length: size }, (_, n) => Math.cos(n));
      const into = new Float64Array(size);
      legsAdjointInto(into, from, share, legsQuadrature(size));
      columns.forEach((column, k) => {
        const expected = column.reduce((sum, value, n) => sum + value * from[n]!, 0);
        assert.ok(Math.abs(into[k]! - expected) < 1e-12);
      });
    }
  }
});

Deno.test("legsQuadrature() integrates what twice its nodes can", () => {
  for (const size of SIZES) {
    const { nodes, weights } = legsQuadrature(size);
    for (const degree of [0, 1, 2 * size - 1]) {
      const sum = nodes.reduce((total, node, i) => total + weights[i]! * node ** degree, 0);
      assert.ok(Math.abs(sum - 1 / (degree + 1)) < 1e-14);
    }
  }
});
