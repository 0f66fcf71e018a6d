import assert from "node:assert/strict";
import { writeLeadBasis, writePhase } from "../../../src/models/neural/lead_basis.ts";
import { LEAD_BASIS } from "../../../src/models/neural/shapes.ts";

function basis(lead: number, season: number): Float32Array {
  const out = new Float32Array(LEAD_BASIS + 1).fill(9);
  writeLeadBasis(out, 0, lead, lead, season);
  assert.equal(out[LEAD_BASIS], 9);
  return out;
}

Deno.test("writeLeadBasis() has the harmonics of the season, at leads far ahead too", () => {
  for (const lead of [0.3, 1, 17, 24e6 + 5]) {
    const out = basis(lead, 24);
    for (let h = 1; h <= 12; h++) {
      const angle = 2 * Math.PI * h * (lead % 24) / 24;
      assert.ok(Math.abs(out[h - 1]! - Math.sin(angle)) < 1e-6);
      assert.ok(Math.abs(out[11 + h]! - Math.cos(angle)) < 1e-6);
    }
  }
});

Deno.test("writeLeadBasis() takes 24 slots for the season where there is none", () => {
  assert.deepEqual(basis(7, 0), basis(7, 24));
});

Deno.test("writeLeadBasis() has Legendre's polynomials: they are 1 where their argument is", () => {
  // ln(24 c + 0.2)/3.2 − 0.8 = 1.
  const out = basis(Math.exp(1.8 * 3.2) - 0.2, 24);
  for (let j = 0; j < 6; j++) assert.ok(Math.abs(out[24 + j]! - 1) < 1e-5);
});

Deno.test("writePhase() repeats the first two harmonics, and phase 0 without a season", () => {
  const out = new Float32Array(LEAD_BASIS + 4);
  writeLeadBasis(out, 4, 5, 5, 24);
  writePhase(out, 0, 4, true);
  assert.ok(Math.abs(out[0]! - Math.sin(2 * Math.PI * 5 / 24)) < 1e-6);
  assert.ok(Math.abs(out[3]! - Math.cos(4 * Math.PI * 5 / 24)) < 1e-6);
  writePhase(out, 0, 4, false);
  assert.deepEqual([...out.subarray(0, 4)], [0, 1, 0, 1]);
});
