/**
 * Diagonal-plus-low-rank systems, the form in which S4 computes: A = diag(lambda) − P·P*, where of
 * each conjugate pair of modes one is stored, so that a product with P* is 2·Re Σ conj(P)·x.
 *
 *   (I − dt/2·A)·x[k] = (I + dt/2·A)·x[k−1] + dt·B·u[k]        the bilinear step
 *
 * The left side is solved by Woodbury's identity through a real matrix of the rank's size, so a
 * step costs O(half·rank) and no dense matrix is built:
 *
 *   (I − dt/2·A)⁻¹·w = t − d∘P·g,  d = 1/(1 − dt/2·lambda),  t = d∘w,
 *   (I + dt/2·P*·(d∘P))·g = dt/2·P*·t
 *
 * Gu et al., "Efficiently Modeling Long Sequences with Structured State Spaces" (arXiv
 * 2111.00396), appendix C.2.
 */
import type { FloatArray } from "../tensor/tensor.ts";
import { identity, multiply, solve } from "./dense.ts";

/** One feature's system. */
export interface DplrSystem {
  /** Poles of the diagonal part.                                            [half] c64 */
  readonly lambda: FloatArray;
  /** Low-rank factor.                                                 [rank, half] c64 */
  readonly P: FloatArray;
  /** Input.                                                                 [half] c64 */
  readonly B: FloatArray;
  readonly half: number;
  readonly rank: number;
}

/** A system made ready for one step size. */
export interface DplrStep {
  readonly system: DplrSystem;
  readonly dt: number;
  /** 1/(1 − dt/2·lambda).                                                   [half] c64 */
  readonly inverse: Float64Array;
  /** (I + dt/2·P*·(inverse∘P))⁻¹.                                         [rank, rank] */
  readonly small: Float64Array;
}

/** 2·Re Σ conj(row)·x: a row of P* against a state. */
function against(P: FloatArray, row: number, x: FloatArray, half: number): number {
  let sum = 0;
  for (let i = 2 * row * half, n = 0; n < 2 * half; i++, n++) sum += P[i]! * x[n]!;
  return 2 * sum;
}

/** Makes a step of size dt ready. */
export function dplrStep(system: DplrSystem, dt: number): DplrStep {
  const { lambda, P, half, rank } = system;
  const inverse = new Float64Array(2 * half);
  for (let n = 0; n < 2 * half; n += 2) {
    const re = 1 - dt / 2 * lambda[n]!;
    const im = -dt / 2 * lambda[n + 1]!;
    const norm = re * re + im * im;
    inverse[n] = re / norm;
    inverse[n + 1] = -im / norm;
  }
  const matrix = identity(rank);
  const column = new Float64Array(2 * half);
  for (let s = 0; s < rank; s++) {
    multiplyInto(column, inverse, P.subarray(2 * s * half, 2 * (s + 1) * half));
    for (let r = 0; r < rank; r++) {
      matrix[r * rank + s] = matrix[r * rank + s]! + dt / 2 * against(P, r, column, half);
    }
  }
  return { system, dt, inverse, small: solve(matrix, identity(rank), rank, rank) };
}

/** out = a∘b, complex pairs; out may be b. */
function multiplyInto(out: Float64Array, a: FloatArray, b: FloatArray): void {
  for (let n = 0; n < out.length; n += 2) {
    const re = a[n]! * b[n]! - a[n + 1]! * b[n + 1]!;
    out[n + 1] = a[n]! * b[n + 1]! + a[n + 1]! * b[n]!;
    out[n] = re;
  }
}

/** Subtracts factor·Σ_r P_r·weight_r. */
function subtractRowsInto(x: Float64Array, P: FloatArray, weights: Float64Array, factor: number) {
  for (let r = 0; r < weights.length; r++) {
    const weight = factor * weights[r]!;
    for (let n = 0, i = r * x.length; n < x.length; n++, i++) x[n] = x[n]! - weight * P[i]!;
  }
}

/** x ← (I + dt/2·A)·x, the explicit half of a step.                             [half] c64 */
export function dplrExplicitInto(x: Float64Array, system: DplrSystem, dt: number): void {
  const { lambda, P, half, rank } = system;
  const products = Float64Array.from({ length: rank }, (_, r) => against(P, r, x, half));
  const scaled = new Float64Array(2 * half);
  multiplyInto(scaled, lambda, x);
  for (let n = 0; n < 2 * half; n++) x[n] = x[n]! + dt / 2 * scaled[n]!;
  subtractRowsInto(x, P, products, dt / 2);
}

/** One bilinear step in place, x ← Abar·x + Bbar·u.                             [half] c64 */
export function dplrStepInto(x: Float64Array, step: DplrStep, u: number): void {
  const { system, dt, inverse, small } = step;
  const { P, B, half, rank } = system;
  dplrExplicitInto(x, system, dt);
  for (let n = 0; n < 2 * half; n++) x[n] = x[n]! + dt * u * B[n]!;
  multiplyInto(x, inverse, x);
  const products = Float64Array.from({ length: rank }, (_, r) => dt / 2 * against(P, r, x, half));
  const weights = multiply(small, products, rank, rank, 1);
  const correction = new Float64Array(2 * half);
  subtractRowsInto(correction, P, weights, 1);
  multiplyInto(correction, inverse, correction);
  for (let n = 0; n < 2 * half; n++) x[n] = x[n]! + correction[n]!;
}

/**
 * The output matrix with which a truncated generating function gives the first `length` taps:
 * Ctilde = C·(I − Abar^length).
 *
 * The power is taken of the real matrix that acts on (re, im) pairs, by squaring.
 *
 * @param C                                                                        [half] c64
 * @returns                                                                        [half] c64
 */
export function truncatedOutput(step: DplrStep, C: FloatArray, length: number): Float64Array {
  const size = 2 * step.system.half;
  let square: Float64Array = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const x = new Float64Array(size);
    x[i] = 1;
    dplrStepInto(x, step, 0);
    for (let n = 0; n < size; n++) square[n * size + i] = x[n]!;
  }
  // As a real row, Re(C·x) is (re, −im).
  let row: Float64Array = Float64Array.from({ length: size }, (_, n) => n % 2 ? -C[n]! : C[n]!);
  const start = row;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) row = multiply(row, square, 1, size, size);
    if (rest > 1) square = multiply(square, square, size, size, size);
  }
  return start.map((value, n) => (n % 2 ? -1 : 1) * (value - row[n]!));
}
