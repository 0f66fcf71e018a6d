// Recurrence of dense systems, one for each feature. Rows of a matrix are read as they lie, four of
// them at a time, each times the vector of states. A task is one row of the batch and up to four
// features, which take turns: a sample of one waits for the sample before, not for the others.
import { across, acrossFour, at, clear, given, least, loadQuad, zero } from "./lanes";

/** Features of a task: `FEATURES` in src/ops/dense_scan.ts. */
const FEATURES: i32 = 4;

/** The products of a row and x, four columns apart to be added. */
// @ts-ignore: decorator
@inline
function rowTimes(row: usize, x: usize, columns: i32): v128 {
  let sum = zero();
  let j = 0;
  for (; j + 4 <= columns; j += 4) {
    sum = f32x4.add(sum, f32x4.mul(v128.load(at(row, j)), v128.load(at(x, j))));
  }
  if (j < columns) {
    const rest = f32x4.mul(loadQuad(at(row, j), columns - j), v128.load(at(x, j)));
    sum = f32x4.add(sum, rest);
  }
  return sum;
}

/** Sums of four rows times x. */
// @ts-ignore: decorator
@inline
function fourRowsTimes(row: usize, x: usize, columns: i32): v128 {
  const stride = <usize> columns << 2;
  let s0 = zero();
  let s1 = zero();
  let s2 = zero();
  let s3 = zero();
  let j = 0;
  for (; j + 4 <= columns; j += 4) {
    const v = v128.load(at(x, j));
    s0 = f32x4.add(s0, f32x4.mul(v128.load(row), v));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(row + stride), v));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(row + 2 * stride), v));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(row + 3 * stride), v));
    row += 16;
  }
  if (j < columns) {
    const v = v128.load(at(x, j));
    const lanes = columns - j;
    s0 = f32x4.add(s0, f32x4.mul(loadQuad(row, lanes), v));
    s1 = f32x4.add(s1, f32x4.mul(loadQuad(row + stride, lanes), v));
    s2 = f32x4.add(s2, f32x4.mul(loadQuad(row + 2 * stride, lanes), v));
    s3 = f32x4.add(s3, f32x4.mul(loadQuad(row + 3 * stride, lanes), v));
  }
  return acrossFour(s0, s1, s2, s3);
}

/**
 * to = M·x + weight·input, M [rows, columns]. A weight that is not given is 0; x has zeros up to
 * a multiple of four.
 */
// @ts-ignore: decorator
@inline
export function productInto(
  to: usize,
  M: usize,
  rows: i32,
  columns: i32,
  x: usize,
  weight: usize,
  input: f32,
): void {
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    let sum = fourRowsTimes(at(M, i * columns), x, columns);
    if (weight != 0) {
      sum = f32x4.add(sum, f32x4.mul(v128.load(at(weight, i)), f32x4.splat(input)));
    }
    v128.store(at(to, i), sum);
  }
  for (; i < rows; i++) {
    let sum = across(rowTimes(at(M, i * columns), x, columns));
    if (weight != 0) sum += load<f32>(at(weight, i)) * input;
    store<f32>(at(to, i), sum);
  }
}

/**
 * Equations and shapes: src/ops/dense_scan.ts. `scratch` holds the states of the features twice,
 * each filled up to whole vectors. `isPerStep`: A and B are given for each sample.
 */
export function dense_scan(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  A: usize,
  B: usize,
  C: usize,
  D: usize,
  x0: usize,
  y: usize,
  state: usize,
  length: i32,
  feature: i32,
  states: i32,
  channel: i32,
  isPerStep: i32,
): void {
  const padded = (states + 3) / 4 * 4;
  const tiles = (feature + FEATURES - 1) / FEATURES;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * FEATURES;
    const width = least(FEATURES, feature - first);
    const carried = (b * feature + first) * states;
    let x = scratch;
    let next = at(scratch, FEATURES * padded);
    clear(scratch, 2 * FEATURES * padded);
    for (let d = 0; x0 != 0 && d < width; d++) {
      memory.copy(at(x, d * padded), at(x0, carried + d * states), <usize> states << 2);
    }
    for (let k = 0; k < length; k++) {
      for (let d = 0; d < width; d++) {
        const sample = (b * length + k) * feature + first + d;
        const system = isPerStep ? sample : first + d;
        const input = load<f32>(at(u, sample));
        const before = at(x, d * padded);
        const after = at(next, d * padded);
        const weight = at(B, system * states);
        productInto(after, at(A, system * states * states), states, states, before, weight, input);
        const outputs = (first + d) * channel;
        const M = at(C, outputs * states);
        productInto(at(y, sample * channel), M, channel, states, after, given(D, outputs), input);
      }
      const spare = x;
      x = next;
      next = spare;
    }
    for (let d = 0; d < width; d++) {
      memory.copy(at(state, carried + d * states), at(x, d * padded), <usize> states << 2);
    }
  }
}
