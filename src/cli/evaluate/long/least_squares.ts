/** Ridge regression of many targets on the same inputs, from sums that can go on. */
import { choleskyLower } from "../../../ssm/dense.ts";

/** The sums that a regression is solved from. */
export interface NormalEquations {
  readonly inputs: number;
  readonly targets: number;
  /** Σ w·x·xᵀ.                                                                [inputs, inputs] */
  readonly gram: Float64Array;
  /** Σ w·x·yᵀ.                                                               [inputs, targets] */
  readonly cross: Float64Array;
}

/** Sums over nothing. */
export function normalEquations(inputs: number, targets: number): NormalEquations {
  return {
    inputs,
    targets,
    gram: new Float64Array(inputs * inputs),
    cross: new Float64Array(inputs * targets),
  };
}

/** Rows that are added in one sweep over the sums. */
const SWEEP_ROWS = 4;

/**
 * Adds scale·Σ_r left[r, i]·right[r, :] to every row i of `out`.
 *
 * @param left                                                                    [rows, inputs]
 * @param right                                                                  [rows, targets]
 * @param out                                                                  [inputs, targets]
 */
function addProductInto(
  out: Float64Array,
  left: Float64Array,
  right: Float64Array,
  rows: number,
): void {
  const inputs = left.length / rows;
  const targets = right.length / rows;
  let r = 0;
  for (; r + SWEEP_ROWS <= rows; r += SWEEP_ROWS) {
    const first = r * targets;
    const second = first + targets;
    const third = second + targets;
    const fourth = third + targets;
    for (let i = 0; i < inputs; i++) {
      const a = left[r * inputs + i]!;
      const b = left[(r + 1) * inputs + i]!;
      const c = left[(r + 2) * inputs + i]!;
      const d = left[(r + 3) * inputs + i]!;
      const at = i * targets;
      for (let j = 0; j < targets; j++) {
        out[at + j] = out[at + j]! + a * right[first + j]! + b * right[second + j]! +
          c * right[third + j]! + d * right[fourth + j]!;
      }
    }
  }
  for (; r < rows; r++) {
    for (let i = 0; i < inputs; i++) {
      const a = left[r * inputs + i]!;
      for (let j = 0; j < targets; j++) {
        out[i * targets + j] = out[i * targets + j]! + a * right[r * targets + j]!;
      }
    }
  }
}

/**
 * Adds pairs to the sums.
 *
 * @param x                                                                       [rows, inputs]
 * @param y                                                                      [rows, targets]
 * @param weights  one of each pair                                                       [rows]
 */
export function absorbPairs(
  sums: NormalEquations,
  x: Float64Array,
  y: Float64Array,
  weights: Float64Array,
): void {
  const weighted = x.map((value, i) => value * weights[Math.trunc(i / sums.inputs)]!);
  addProductInto(sums.gram, weighted, x, weights.length);
  addProductInto(sums.cross, weighted, y, weights.length);
}

/**
 * The map W that minimises Σ w·|y − Wᵀx|² + ridge·|W|², by a Cholesky factor in double precision.
 *
 * @returns                                                                    [inputs, targets]
 * @throws {RangeError} where the sums and the ridge are not positive definite
 */
export function ridgeMap(sums: NormalEquations, ridge: number): Float64Array {
  const { inputs, targets } = sums;
  const gram = sums.gram.slice();
  for (let i = 0; i < inputs; i++) gram[i * inputs + i] = gram[i * inputs + i]! + ridge;
  const lower = choleskyLower(gram, inputs);
  const map = sums.cross.slice();
  const subtract = (to: number, from: number, factor: number) => {
    for (let j = 0; j < targets; j++) {
      map[to * targets + j] = map[to * targets + j]! - factor * map[from * targets + j]!;
    }
  };
  const divide = (row: number) => {
    const pivot = lower[row * inputs + row]!;
    for (let j = 0; j < targets; j++) map[row * targets + j] = map[row * targets + j]! / pivot;
  };
  for (let i = 0; i < inputs; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, lower[i * inputs + k]!);
    divide(i);
  }
  for (let i = inputs - 1; i >= 0; i--) {
    for (let k = i + 1; k < inputs; k++) subtract(i, k, lower[k * inputs + i]!);
    divide(i);
  }
  return map;
}

/**
 * The forecasts x·W.
 *
 * @param x                                                                       [rows, inputs]
 * @param map                                                                  [inputs, targets]
 * @returns                                                                      [rows, targets]
 */
export function applyMap(
  x: Float64Array,
  map: Float64Array,
  rows: number,
): Float64Array {
  const inputs = x.length / rows;
  const targets = map.length / inputs;
  const out = new Float64Array(rows * targets);
  for (let r = 0; r < rows; r++) {
    const row = out.subarray(r * targets, (r + 1) * targets);
    let k = 0;
    for (; k + SWEEP_ROWS <= inputs; k += SWEEP_ROWS) {
      const at = r * inputs + k;
      const a = x[at]!;
      const b = x[at + 1]!;
      const c = x[at + 2]!;
      const d = x[at + 3]!;
      const first = k * targets;
      const second = first + targets;
      const third = second + targets;
      const fourth = third + targets;
      for (let j = 0; j < targets; j++) {
        row[j] = row[j]! + a * map[first + j]! + b * map[second + j]! + c * map[third + j]! +
          d * map[fourth + j]!;
      }
    }
    for (; k < inputs; k++) {
      const a = x[r * inputs + k]!;
      for (let j = 0; j < targets; j++) row[j] = row[j]! + a * map[k * targets + j]!;
    }
  }
  return out;
}
