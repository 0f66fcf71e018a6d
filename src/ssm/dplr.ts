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
import { addScaled, identity, multiply, solve } from "./dense.ts";

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
 * A step with all that does not depend on the state worked out:
 *
 *   x ← diagonal∘x − Σ_r left_r·(right_r, x) + Bbar·u,   ( , ) the real product of stored pairs
 *
 * from Abar = 2·W − I with Woodbury's W = (I − dt/2·A)⁻¹. Serving's form: O(half·rank) a step,
 * without a division or an allocation.
 */
export interface DplrRecurrence {
  /** (1 + dt/2·lambda)/(1 − dt/2·lambda).                                      [half] c64 */
  readonly diagonal: Float64Array;
  /**                                                                      [rank, half] c64 */
  readonly left: Float64Array;
  /**                                                                      [rank, half] c64 */
  readonly right: Float64Array;
  /** dt·W·B.                                                                  [half] c64 */
  readonly Bbar: Float64Array;
}

/** Works a step out; see {@linkcode DplrRecurrence}. */
export function dplrRecurrence(step: DplrStep): DplrRecurrence {
  const { system, dt, inverse, small } = step;
  const { P, half, rank } = system;
  const width = 2 * half;
  const left = new Float64Array(rank * width);
  const right = new Float64Array(rank * width);
  const column = new Float64Array(width);
  for (let r = 0; r < rank; r++) {
    const row = P.subarray(r * width, (r + 1) * width);
    multiplyInto(column, inverse, row);
    for (let s = 0; s < rank; s++) {
      const weight = 2 * dt * small[r * rank + s]!;
      for (let n = 0; n < width; n++) left[s * width + n]! += weight * column[n]!;
    }
    for (let n = 0; n < width; n += 2) {
      right[r * width + n] = inverse[n]! * row[n]! + inverse[n + 1]! * row[n + 1]!;
      right[r * width + n + 1] = inverse[n]! * row[n + 1]! - inverse[n + 1]! * row[n]!;
    }
  }
  const Bbar = new Float64Array(width);
  dplrStepInto(Bbar, step, 1);
  return {
    diagonal: inverse.map((value, n) => 2 * value - (n % 2 === 0 ? 1 : 0)),
    left,
    right,
    Bbar,
  };
}

/** One step in place, x ← Abar·x + Bbar·u.                                      [half] c64 */
export function dplrAdvanceInto(x: FloatArray, recurrence: DplrRecurrence, u: number): void {
  const { diagonal, left, right, Bbar } = recurrence;
  const width = diagonal.length;
  const rank = left.length / width;
  let [first, second] = [0, 0];
  for (let n = 0; n < width; n++) first += right[n]! * x[n]!;
  for (let n = 0; rank > 1 && n < width; n++) second += right[width + n]! * x[n]!;
  for (let n = 0; n < width; n += 2) {
    const re = x[n]!;
    const im = x[n + 1]!;
    x[n] = diagonal[n]! * re - diagonal[n + 1]! * im + Bbar[n]! * u - left[n]! * first;
    x[n + 1] = diagonal[n]! * im + diagonal[n + 1]! * re + Bbar[n + 1]! * u - left[n + 1]! * first;
  }
  for (let n = 0; rank > 1 && n < width; n++) x[n]! -= left[width + n]! * second;
}

/**
 * What a step changes, Abar − I, as a real matrix that acts on (re, im) pairs. Small steps keep
 * their digits: no entry is a difference from one.
 *
 * @returns                                                             [2·half, 2·half]
 */
export function dplrDifference(step: DplrStep): Float64Array {
  const { system, dt, inverse } = step;
  const { lambda, half, rank } = system;
  const { left, right } = dplrRecurrence(step);
  const size = 2 * half;
  const out = new Float64Array(size * size);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < size; i++) {
      const weight = left[r * size + i]!;
      for (let j = 0; j < size; j++) out[i * size + j]! -= weight * right[r * size + j]!;
    }
  }
  for (let n = 0; n < size; n += 2) {
    const re = dt * (lambda[n]! * inverse[n]! - lambda[n + 1]! * inverse[n + 1]!);
    const im = dt * (lambda[n]! * inverse[n + 1]! + lambda[n + 1]! * inverse[n]!);
    out[n * size + n]! += re;
    out[n * size + n + 1]! -= im;
    out[(n + 1) * size + n]! += im;
    out[(n + 1) * size + n + 1]! += re;
  }
  return out;
}

/** The difference of twice as many steps, (I + Q)² − I = Q·Q + 2·Q: no small Q loses digits. */
export function doubledDifference(Q: Float64Array, size: number): Float64Array {
  return addScaled(multiply(Q, Q, size, size, size), Q, 2);
}

/**
 * The output matrix with which a truncated generating function gives the first `length` taps:
 * Ctilde = C·(I − exp(−damping)·Abar^length), by squaring.
 *
 * @param C                                                                        [half] c64
 * @param damping of the generating function's nodes; 0 is the paper's
 * @returns                                                                        [half] c64
 */
export function truncatedOutput(
  step: DplrStep,
  C: FloatArray,
  length: number,
  damping = 0,
): Float64Array {
  const size = 2 * step.system.half;
  // As a real row, Re(C·x) is (re, −im).
  const start = Float64Array.from({ length: size }, (_, n) => n % 2 ? -C[n]! : C[n]!);
  // C·(Abar^m − I) for the bits of the length so far.
  let row: Float64Array = new Float64Array(size);
  let Q = dplrDifference(step);
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) {
      row = addScaled(row, multiply(addScaled(start, row), Q, 1, size, size));
    }
    if (rest > 1) Q = doubledDifference(Q, size);
  }
  const [faded, rest] = [Math.exp(-damping), -Math.expm1(-damping)];
  return row.map((value, n) => faded * (n % 2 ? value : -value) + rest * C[n]!);
}
