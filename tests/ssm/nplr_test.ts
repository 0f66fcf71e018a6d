import assert from "node:assert/strict";
import { hippoTransition } from "../../src/ssm/hippo.ts";
import { lowRankRows, nplr, nplrRankMin } from "../../src/ssm/nplr.ts";

const MEASURES = ["legs", "legt", "lagt", "fourier_decay", "legsd"] as const;

Deno.test("nplr() gives the matrix of its measure back", () => {
  for (const measure of MEASURES) {
    const size = 12;
    const { W, V, half } = nplr(measure, size);
    const rows = lowRankRows(measure, size);
    const { A } = hippoTransition(measure, size);
    for (let n = 0; n < size; n++) {
      for (let k = 0; k < size; k++) {
        // The stored half and its conjugate: twice the real part of V·diag(W)·V*.
        let sum = 0;
        for (let j = 0; j < half; j++) {
          const a = V[2 * (n * half + j)]!, b = V[2 * (n * half + j) + 1]!;
          const c = V[2 * (k * half + j)]!, d = -V[2 * (k * half + j) + 1]!;
          const re = a * c - b * d;
          const im = a * d + b * c;
          sum += 2 * (W[2 * j]! * re - W[2 * j + 1]! * im);
        }
        for (let r = 0; r < rows.length / size; r++) {
          sum -= rows[r * size + n]! * rows[r * size + k]!;
        }
        // Entries up to 23; an orthogonal similarity keeps 1e-15 of that.
        assert.ok(Math.abs(sum - A[n * size + k]!) < 1e-12, `${measure} ${n},${k}`);
      }
    }
  }
});

Deno.test("nplr() keeps the half with negative imaginary part, ascending", () => {
  const { W, half } = nplr("legs", 16);
  for (let j = 0; j < half; j++) {
    assert.ok(Math.abs(W[2 * j]! + 0.5) < 1e-13);
    assert.ok(W[2 * j + 1]! < 0);
    if (j > 0) assert.ok(W[2 * j + 1]! > W[2 * j - 1]!);
  }
});

Deno.test("nplr() fills a larger rank with zero rows", () => {
  const { P, half, rank } = nplr("legs", 4, 2);
  assert.equal(rank, 2);
  assert.ok(P.slice(2 * half).every((value) => value === 0));
});

Deno.test("nplr() names what it cannot do", () => {
  assert.throws(() => nplr("legs", 5), /stateSize is "5"/);
  assert.throws(() => nplr("legt", 4, 1), /rank is "1"/);
  assert.throws(() => nplr("lmu", 4), /measure is "lmu"/);
  assert.equal(nplrRankMin("legt"), 2);
});
