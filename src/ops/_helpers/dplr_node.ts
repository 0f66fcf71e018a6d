/** One node of S4's generating function: Cauchy sums over the modes, and Woodbury's identity. */
import type { FloatArray } from "../../tensor/tensor.ts";
import type { TapNode } from "./dplr_taps.ts";

/** A feature's system; of each conjugate pair of modes one is stored. */
export interface DplrFeature {
  /**                                                                              [half] c64 */
  readonly lambda: FloatArray;
  /** Rows of the low-rank factor, one or two.                                     [half] c64 */
  readonly P: readonly FloatArray[];
  /**                                                                              [half] c64 */
  readonly B: FloatArray;
  /**                                                                              [half] c64 */
  readonly C: FloatArray;
  readonly dt: number;
}

/** What a node gives; complex numbers as pairs. Written anew for every node. */
export interface SolvedNode {
  /** dt over the distance of each mode, and of its conjugate, to the node.    [2·half] c64 */
  readonly resolvent: Float64Array;
  /** P*·R and L·P of the right and the left solution, times dt.                  [rank] c64 */
  readonly rho: Float64Array;
  readonly sigma: Float64Array;
  /** dt·C·M⁻¹·B.                                                                        c64 */
  readonly value: Float64Array;
}

/** Room for {@linkcode solveNodeInto}. */
export function nodeRoom(half: number, rank: number): SolvedNode & { readonly sums: Float64Array } {
  return {
    resolvent: new Float64Array(4 * half),
    rho: new Float64Array(2 * rank),
    sigma: new Float64Array(2 * rank),
    value: new Float64Array(2),
    sums: new Float64Array(2 * (rank + 1) ** 2),
  };
}

/** sums[at] += (a + i·b)·(c + i·d). */
function add(sums: Float64Array, at: number, a: number, b: number, c: number, d: number): void {
  sums[2 * at] = sums[2 * at]! + a * c - b * d;
  sums[2 * at + 1] = sums[2 * at + 1]! + a * d + b * c;
}

/** Writes the resolvent of every mode and conjugate. */
function resolveInto(
  out: Float64Array,
  lambda: FloatArray,
  dt: number,
  { plus, minus }: TapNode,
): void {
  const [sr, si] = plus;
  for (let n = 0; n < lambda.length; n += 2) {
    for (const sign of [1, -1]) {
      const re = dt * lambda[n]!;
      const im = sign * dt * lambda[n + 1]!;
      const belowRe = 2 * minus[0] - (sr * re - si * im);
      const belowIm = 2 * minus[1] - (sr * im + si * re);
      const scale = dt / (belowRe * belowRe + belowIm * belowIm);
      const at = 2 * n + (sign === 1 ? 0 : 2);
      out[at] = belowRe * scale;
      out[at + 1] = -belowIm * scale;
    }
  }
}

/** Sums [1 + rank, 1 + rank] of rows C, P* against columns B, P, each over all modes. */
function sumInto(sums: Float64Array, h: Float64Array, feature: DplrFeature): void {
  const { B, C, P } = feature;
  const width = P.length + 1;
  sums.fill(0);
  for (let i = 0; i < h.length; i += 2) {
    // A mode, then its conjugate.
    const n = i >> 2 << 1;
    const sign = i % 4 === 0 ? 1 : -1;
    for (let c = 0; c < width; c++) {
      const column = c === 0 ? B : P[c - 1]!;
      const re = h[i]! * column[n]! - h[i + 1]! * sign * column[n + 1]!;
      const im = h[i]! * sign * column[n + 1]! + h[i + 1]! * column[n]!;
      add(sums, c, C[n]!, sign * C[n + 1]!, re, im);
      for (let r = 1; r < width; r++) {
        const row = P[r - 1]!;
        add(sums, r * width + c, row[n]!, -sign * row[n + 1]!, re, im);
      }
    }
  }
}

/** rho = (I + s·Q)⁻¹·right and sigma = left·(I + s·Q)⁻¹ from the sums, rank 1 or 2. */
function woodburyInto({ sums, rho, sigma }: ReturnType<typeof nodeRoom>, s: TapNode["plus"]): void {
  const rank = rho.length / 2;
  const width = rank + 1;
  const small = new Float64Array(8);
  for (let r = 0; r < rank; r++) {
    for (let c = 0; c < rank; c++) {
      const at = 2 * ((r + 1) * width + c + 1);
      small[2 * (2 * r + c)] = (r === c ? 1 : 0) + s[0] * sums[at]! - s[1] * sums[at + 1]!;
      small[2 * (2 * r + c) + 1] = s[0] * sums[at + 1]! + s[1] * sums[at]!;
    }
  }
  if (rank === 1) small[6] = 1;
  const [ar, ai, br, bi, cr, ci, dr, di] = small as unknown as Eight;
  const detRe = ar * dr - ai * di - (br * cr - bi * ci);
  const detIm = ar * di + ai * dr - (br * ci + bi * cr);
  const norm = detRe * detRe + detIm * detIm;
  const over = [detRe / norm, -detIm / norm] as const;
  // The inverse is over the determinant [d, −b; −c, a].
  const inverse = [dr, di, -br, -bi, -cr, -ci, ar, ai];
  rho.fill(0);
  sigma.fill(0);
  for (let r = 0; r < rank; r++) {
    for (let q = 0; q < rank; q++) {
      const column = 2 * (q + 1) * width;
      const right = 2 * (2 * r + q);
      const left = 2 * (2 * q + r);
      add(rho, r, inverse[right]!, inverse[right + 1]!, sums[column]!, sums[column + 1]!);
      add(sigma, r, inverse[left]!, inverse[left + 1]!, sums[2 * q + 2]!, sums[2 * q + 3]!);
    }
  }
  for (const vector of [rho, sigma]) {
    for (let i = 0; i < vector.length; i += 2) {
      const [re, im] = [vector[i]!, vector[i + 1]!];
      vector[i] = re * over[0] - im * over[1];
      vector[i + 1] = re * over[1] + im * over[0];
    }
  }
}

type Eight = [number, number, number, number, number, number, number, number];

/** Solves for a node: value = q(C·B) − s·q(C·P)·(I + s·q(P*·P))⁻¹·q(P*·B). */
export function solveNodeInto(
  room: ReturnType<typeof nodeRoom>,
  feature: DplrFeature,
  node: TapNode,
): void {
  const { sums, rho, value, resolvent } = room;
  resolveInto(resolvent, feature.lambda, feature.dt, node);
  sumInto(sums, resolvent, feature);
  woodburyInto(room, node.plus);
  value[0] = sums[0]!;
  value[1] = sums[1]!;
  const [sr, si] = node.plus;
  for (let r = 0; r < rho.length; r += 2) {
    const re = sr * rho[r]! - si * rho[r + 1]!;
    const im = sr * rho[r + 1]! + si * rho[r]!;
    add(value, 0, -sums[r + 2]!, -sums[r + 3]!, re, im);
  }
}
