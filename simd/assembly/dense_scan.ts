// Recurrence of dense systems, one for each feature. A task is one row of the batch and up to four
// features: in the lanes of vectors, or in turns, where rows of a matrix are read as they lie, four
// of them at a time, each times the vector of states. In turns a sample of one feature waits for the
// sample before, not for the others.
import { across, acrossFour, at, clear, given, least, loadQuad, storeQuad, zero } from "./lanes";

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

/** Bytes of a number of each feature of a task: they lie in the lanes of a vector. */
const LANES_BYTES: usize = 16;

/**
 * Rows of matrices, one matrix for each feature, as vectors over the features, zeros beyond them.
 * Four rows at a time lie together: [rows/4][columns][4 rows][4 features], then the rows that are
 * left, [columns][4 features] each.
 */
function lanesInto(
  to: usize,
  from: usize,
  rows: i32,
  columns: i32,
  stride: i32,
  features: i32,
): void {
  const whole = rows & ~3;
  for (let i = 0; i < rows; i++) {
    const isWhole = i < whole;
    const step: usize = isWhole ? 4 * LANES_BYTES : LANES_BYTES;
    const index = isWhole ? (i - (i & 3)) * columns + (i & 3) : i * columns;
    let place = to + <usize> index * LANES_BYTES;
    for (let j = 0; j < columns; j += 4) {
      const row = at(from, i * columns + j);
      const left = columns - j;
      const a = loadQuad(row, left);
      const b = loadQuad(at(row, stride), features > 1 ? left : 0);
      const c = loadQuad(at(row, 2 * stride), features > 2 ? left : 0);
      const d = loadQuad(at(row, 3 * stride), features > 3 ? left : 0);
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
      const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
      const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      v128.store(place, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
      place += step;
      if (left > 1) v128.store(place, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
      place += step;
      if (left > 2) v128.store(place, v128.shuffle<f32>(abHigh, cdHigh, 0, 1, 4, 5));
      place += step;
      if (left > 3) v128.store(place, v128.shuffle<f32>(abHigh, cdHigh, 2, 3, 6, 7));
      place += step;
    }
  }
}

// @ts-ignore: decorator
@inline
function startOf(weight: usize, index: i32, input: v128): v128 {
  if (weight == 0) return zero();
  return f32x4.mul(v128.load(weight + <usize> index * LANES_BYTES), input);
}

/** to = M·x + weight·input in vectors over the features: {@linkcode lanesInto}. */
// @ts-ignore: decorator
@inline
function lanesProductInto(
  to: usize,
  M: usize,
  rows: i32,
  columns: i32,
  x: usize,
  weight: usize,
  input: v128,
): void {
  const end = x + <usize> columns * LANES_BYTES;
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    let s0 = startOf(weight, i, input);
    let s1 = startOf(weight, i + 1, input);
    let s2 = startOf(weight, i + 2, input);
    let s3 = startOf(weight, i + 3, input);
    for (let from = x; from < end; from += LANES_BYTES) {
      const v = v128.load(from);
      s0 = f32x4.add(s0, f32x4.mul(v128.load(M), v));
      s1 = f32x4.add(s1, f32x4.mul(v128.load(M, 16), v));
      s2 = f32x4.add(s2, f32x4.mul(v128.load(M, 32), v));
      s3 = f32x4.add(s3, f32x4.mul(v128.load(M, 48), v));
      M += 4 * LANES_BYTES;
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
    to += 4 * LANES_BYTES;
  }
  for (; i < rows; i++) {
    let sum = startOf(weight, i, input);
    for (let from = x; from < end; from += LANES_BYTES) {
      sum = f32x4.add(sum, f32x4.mul(v128.load(M), v128.load(from)));
      M += LANES_BYTES;
    }
    v128.store(to, sum);
    to += LANES_BYTES;
  }
}

/** Writes [count][4 features] into rows of `count` numbers, one row for each feature. */
function fromLanes(to: usize, from: usize, count: i32, features: i32): void {
  for (let d = 0; d < features; d++) {
    for (let i = 0; i < count; i++) {
      store<f32>(at(to, d * count + i), load<f32>(at(from, 4 * i + d)));
    }
  }
}

/**
 * The same equations with up to four features in the lanes of a vector, whose systems are the same
 * for all samples: no sum goes across lanes, and a sum adds its products in the order of columns.
 * A task's arrays begin at its first feature and sample.
 */
function runLanes(
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
  width: i32,
  states: i32,
  channel: i32,
): void {
  const bytes = <usize> states * LANES_BYTES;
  let x = scratch;
  let next = x + bytes;
  const weights = next + bytes;
  const systems = weights + bytes;
  const readouts = systems + <usize> states * bytes;
  const skips = readouts + <usize> channel * bytes;
  const outputs = skips + <usize> channel * LANES_BYTES;
  if (x0 != 0) lanesInto(x, x0, 1, states, states, width);
  else clear(x, 4 * states);
  lanesInto(systems, A, states, states, states * states, width);
  lanesInto(weights, B, 1, states, states, width);
  lanesInto(readouts, C, channel, states, channel * states, width);
  if (D != 0) lanesInto(skips, D, 1, channel, channel, width);
  const skip = D != 0 ? skips : 0;
  for (let k = 0; k < length; k++) {
    const input = loadQuad(at(u, k * feature), width);
    lanesProductInto(next, systems, states, states, x, weights, input);
    lanesProductInto(outputs, readouts, channel, states, next, skip, input);
    const to = at(y, k * feature * channel);
    if (channel == 1) storeQuad(to, v128.load(outputs), width);
    else fromLanes(to, outputs, channel, width);
    const spare = x;
    x = next;
    next = spare;
  }
  fromLanes(state, x, states, width);
}

/**
 * Equations and shapes: src/ops/dense_scan.ts. `scratch` holds the states of the features twice,
 * each filled up to whole vectors, or what `runLanes` lays out. `isPerStep`: A and B are given for
 * each sample. `isInLanes`: features lie in the lanes of vectors.
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
  isInLanes: i32,
): void {
  const padded = (states + 3) / 4 * 4;
  const tiles = (feature + FEATURES - 1) / FEATURES;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * FEATURES;
    const width = least(FEATURES, feature - first);
    const carried = (b * feature + first) * states;
    if (isInLanes != 0) {
      runLanes(
        scratch,
        at(u, b * length * feature + first),
        at(A, first * states * states),
        at(B, first * states),
        at(C, first * channel * states),
        given(D, first * channel),
        given(x0, carried),
        at(y, (b * length * feature + first) * channel),
        at(state, carried),
        length,
        feature,
        width,
        states,
        channel,
      );
      continue;
    }
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
