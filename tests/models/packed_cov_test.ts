import assert from "node:assert/strict";
import type { PackedKernels } from "../../src/device/mod.ts";
import { packedUnit } from "../../src/device/packed.ts";
import { PLAIN_PACKED, plainWork, Residents } from "../../src/models/packed_cov.ts";
import { noise } from "./_series.ts";

function packedLength(size: number): number {
  return size * (size + 1) / 2;
}

function full(cov: Float64Array, size: number): number[][] {
  const at = (i: number, j: number) => i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i;
  return Array.from(
    { length: size },
    (_, i) => Array.from({ length: size }, (_, j) => cov[at(i, j)]!),
  );
}

const SIZES = [1, 2, 3, 4, 5, 8, 13];

Deno.test("the plain kernels are the dense formulas", () => {
  for (const size of SIZES) {
    const cov = noise(packedLength(size), 1);
    const [row, column] = [noise(size, 2), noise(size, 3)];
    const before = full(cov, size);
    const out = new Float64Array(size);
    const times = (P: number[][]) =>
      P.map((entries) => entries.reduce((sum, entry, j) => sum + entry * row[j]!, 0));
    const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-13 * (1 + Math.abs(b)));
    PLAIN_PACKED.covTimesRow(cov, row, out, size);
    times(before).forEach((value, i) => close(out[i]!, value));
    const less = before.map((entries, i) =>
      entries.map((entry, j) => entry - 0.7 * column[i]! * column[j]!)
    );
    PLAIN_PACKED.subtractOuter(cov, column, 0.7, 1.25, size);
    full(cov, size).forEach((entries, i) =>
      entries.forEach((entry, j) => close(entry, 1.25 * less[i]![j]!))
    );
    const rounded = noise(packedLength(size), 1);
    PLAIN_PACKED.subtractOuterRounded(rounded, column, 0.7, size);
    const exact = noise(packedLength(size), 1);
    PLAIN_PACKED.subtractOuter(exact, column, 0.7, 1, size);
    assert.deepEqual(rounded, exact.map(Math.fround));
  }
});

/** Bits of all that a round of kernels leaves, on arrays that lie where the kernels reach them. */
function bitsOf(
  kernels: PackedKernels,
  work: { cov: Float64Array; row: Float64Array; column: Float64Array },
  size: number,
): Uint8Array {
  const { cov, row, column } = work;
  const found: Float64Array[] = [];
  const look = () => found.push(cov.slice(), column.slice());
  cov.set(noise(packedLength(size), 4));
  row.set(noise(size, 5));
  column.fill(NaN);
  kernels.covTimesRow(cov, row, column, size);
  look();
  kernels.subtractOuter(cov, column, -0.3, 1 / 0.9998, size);
  look();
  kernels.subtractOuterRounded(cov, column, 0.2, size);
  look();
  const bytes = found.map((array) => new Uint8Array(array.buffer));
  return Uint8Array.from(bytes.flatMap((part) => [...part]));
}

Deno.test("the SIMD kernels give the same bits as the plain loops at every size", () => {
  const unit = packedUnit();
  assert.ok(unit, "this machine has WebAssembly SIMD");
  for (let size = 12; size <= 60; size++) {
    const area = unit.borrow(size, 1);
    assert.ok(area);
    const work = plainWork(size);
    const plain = { ...work, cov: new Float64Array(packedLength(size)) };
    assert.deepEqual(bitsOf(unit, area, size), bitsOf(PLAIN_PACKED, plain, size), `${size}`);
    unit.giveBack();
  }
});

Deno.test("Residents bring covariances home as the kernels left them", () => {
  const residents = new Residents();
  const size = 20;
  const states = [0, 1].map((k) => ({ cov: noise(2 * packedLength(size), 10 + k) }));
  const homes = states.map(({ cov }) => cov);
  const works = states.map((state) => residents.enter(state, size, 2));
  states.forEach((state, k) => {
    const work = works[k];
    assert.ok(work);
    assert.notEqual(state.cov, homes[k]);
    assert.deepEqual(state.cov, homes[k]);
    const second = state.cov.subarray(packedLength(size));
    work.column.fill(k + 1);
    work.kernels.subtractOuter(second, work.column, 1, 1, size);
  });
  residents.leaveAll();
  states.forEach(({ cov }, k) => {
    assert.equal(cov, homes[k]);
    const before = noise(2 * packedLength(size), 10 + k);
    const moved = before.map((value, i) => i < packedLength(size) ? value : value - (k + 1) ** 2);
    assert.deepEqual(cov, moved);
  });
  assert.equal(packedUnit()!.borrowed, 0);
});

Deno.test("Residents bring a covariance in f32 home as it was rounded, with kernels and without", () => {
  // Packed lengths of different remainders by four.
  for (const size of [12, 13, 14, 17, 59]) {
    const homes = [0, 1].map(() => Float32Array.from(noise(packedLength(size), 9)));
    const states: { cov: Float64Array | Float32Array }[] = homes.map((cov) => ({ cov }));
    const column = noise(size, 8);
    const residents = new Residents();
    const work = residents.enter(states[0]!, size, 1)!;
    residents.widen(states[1]!, new Float64Array(packedLength(size)));
    work.column.set(column);
    const covs = states.map(({ cov }) => cov as Float64Array);
    assert.deepEqual(covs[0], covs[1]);
    work.kernels.subtractOuterRounded(covs[0]!, work.column, 0.3, size);
    PLAIN_PACKED.subtractOuterRounded(covs[1]!, column, 0.3, size);
    residents.leaveAll();
    states.forEach(({ cov }, k) => assert.equal(cov, homes[k]));
    assert.deepEqual(homes[0], homes[1]);
    assert.deepEqual(homes[0], Float32Array.from(covs[1]!));
  }
  assert.equal(packedUnit()!.borrowed, 0);
});

Deno.test("Residents leave small states where they are", () => {
  const residents = new Residents();
  const state = { cov: new Float64Array(10) };
  const home = state.cov;
  assert.equal(residents.enter(state, 4, 1), undefined);
  residents.leaveAll();
  assert.equal(state.cov, home);
});
