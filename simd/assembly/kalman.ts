// Kalman filter and smoother in square-root form. A task is one stream, sample after sample; its
// matrices lie in the scratch with rows of whole vectors, and vectors run along the rows. What pads
// a row is zero and stays zero.
import { across, at, clear, splat, zero } from "./lanes";
import { log } from "./math";

/** Squares below this lose their digits: 1.2e-38 is the smallest normal number. */
const SQUARE_MIN: f32 = 1e-32;
const HALF_LOG_2PI: f32 = 0.9189385332046727;

/** A count rounded up to whole vectors. */
// @ts-ignore: decorator
@inline
function padded(count: i32): i32 {
  return (count + 3) & ~3;
}

/** Floats of two rows' product, from a column that begins a vector. */
// @ts-ignore: decorator
@inline
function dot(a: usize, b: usize, from: i32, to: i32): f32 {
  let sum = zero();
  for (let c = from; c < to; c += 4) {
    sum = f32x4.add(sum, f32x4.mul(v128.load(at(a, c)), v128.load(at(b, c))));
  }
  return across(sum);
}

/** to −= factor·row. */
// @ts-ignore: decorator
@inline
function subtractRow(to: usize, row: usize, factor: f32, from: i32, end: i32): void {
  const k = f32x4.splat(factor);
  for (let c = from; c < end; c += 4) {
    const place = at(to, c);
    v128.store(place, f32x4.sub(v128.load(place), f32x4.mul(k, v128.load(at(row, c)))));
  }
}

/** to = Σ_k weights[k]·rows[k] over k from..count, `width` columns. */
function mixRows(
  to: usize,
  weights: usize,
  rows: usize,
  stride: i32,
  count: i32,
  width: i32,
  isTriangular: bool,
): void {
  for (let c = 0; c < width; c += 4) {
    let sum = zero();
    // Above the diagonal there is nothing.
    for (let k = isTriangular ? c : 0; k < count; k++) {
      const weight = v128.load32_splat(at(weights, k));
      sum = f32x4.add(sum, f32x4.mul(weight, v128.load(at(rows, k * stride + c))));
    }
    v128.store(at(to, c), sum);
  }
}

/** `triangularizeInto` of src/ops/_helpers/triangularize.ts; `h` holds a row. */
function triangularize(work: usize, rows: i32, stride: i32, h: usize): void {
  for (let j = 0; j < rows; j++) {
    const row = at(work, j * stride);
    const from = j & ~3;
    for (let c = from; c < stride; c += 4) v128.store(at(h, c), v128.load(at(row, c)));
    for (let c = from; c <= j; c++) store<f32>(at(h, c), 0);
    const head = load<f32>(at(row, j));
    const tail = dot(h, h, from, stride);
    const square = head * head + tail;
    clear(at(row, j + 1), stride - j - 1);
    if (square < SQUARE_MIN || (tail < SQUARE_MIN && head >= 0)) {
      // Nothing is left beside the diagonal, or not even that.
      if (square < SQUARE_MIN) store<f32>(at(row, j), 0);
      continue;
    }
    const norm = sqrt<f32>(square);
    // head − norm, without its cancellation where head > 0.
    const first = head > 0 ? -tail / (head + norm) : head - norm;
    const scale: f32 = 2 / (first * first + tail);
    store<f32>(at(h, j), first);
    store<f32>(at(row, j), norm);
    for (let i = j + 1; i < rows; i++) {
      const other = at(work, i * stride);
      subtractRow(other, h, scale * dot(h, other, from, stride), from, stride);
    }
  }
}

/** Rows [count][width] to rows of `stride`, zeros beyond. */
function padRows(to: usize, from: usize, count: i32, width: i32, stride: i32): void {
  clear(to, count * stride);
  for (let i = 0; i < count; i++) {
    memory.copy(at(to, i * stride), at(from, i * width), <usize> width << 2);
  }
}

/** The way back. */
function trimRows(to: usize, from: usize, count: i32, width: i32, stride: i32): void {
  for (let i = 0; i < count; i++) {
    memory.copy(at(to, i * width), at(from, i * stride), <usize> width << 2);
  }
}

/** An entry of an intercept, which may not be given. */
// @ts-ignore: decorator
@inline
function intercept(base: usize, index: i32): f32 {
  return base == 0 ? <f32> 0 : load<f32>(at(base, index));
}

/** base + Σ_j row[j]·x[j], in order. */
// @ts-ignore: decorator
@inline
function plusDot(base: f32, row: usize, x: usize, count: i32): f32 {
  for (let j = 0; j < count; j++) base += load<f32>(at(row, j)) * load<f32>(at(x, j));
  return base;
}

/**
 * Equations and shapes: src/ops/kalman_filter.ts. `batchX` and `timeX` are the elements between the
 * slices of a model's array of one stream and the next, of one sample and the next. The scratch
 * holds work [observed + states][stride], a row, U [states][padded states], two means and the
 * whitened observation, stride = padded(2·observed) + padded(states) + padded(noise).
 */
export function kalman_filter(
  begin: i32,
  end: i32,
  scratch: usize,
  y: usize,
  mask: usize,
  A: usize,
  C: usize,
  W: usize,
  V: usize,
  shift: usize,
  offset: usize,
  startMean: usize,
  startFactor: usize,
  mean: usize,
  factor: usize,
  forecast: usize,
  forecastCov: usize,
  logLik: usize,
  length: i32,
  states: i32,
  observed: i32,
  noise: i32,
  firstMoves: i32,
  batchA: i32,
  timeA: i32,
  batchC: i32,
  timeC: i32,
  batchW: i32,
  timeW: i32,
  batchV: i32,
  timeV: i32,
  batchShift: i32,
  timeShift: i32,
  batchOffset: i32,
  timeOffset: i32,
): void {
  const side = padded(states);
  const start = padded(2 * observed);
  const wide = side + padded(noise);
  const stride = start + wide;
  const rows = observed + states;
  const work = scratch;
  const h = at(work, rows * stride);
  const U = at(h, stride);
  const x = at(U, states * side);
  const ahead = at(x, side);
  const whitened = at(ahead, side);
  for (let b = begin; b < end; b++) {
    clear(x, side);
    memory.copy(x, at(startMean, b * states), <usize> states << 2);
    padRows(U, at(startFactor, b * states * states), states, states, side);
    for (let t = 0; t < length; t++) {
      const sample = b * length + t;
      const moves = t > 0 || firstMoves != 0;
      const ofA = at(A, b * batchA + t * timeA);
      const ofC = at(C, b * batchC + t * timeC);
      const ofW = at(W, b * batchW + t * timeW);
      const ofV = at(V, b * batchV + t * timeV);
      const shiftAt = b * batchShift + t * timeShift;
      const offsetAt = b * batchOffset + t * timeOffset;
      clear(work, rows * stride);
      for (let i = 0; i < states; i++) {
        const row = at(work, (observed + i) * stride + start);
        if (moves) {
          const weights = at(ofA, i * states);
          store<f32>(at(ahead, i), plusDot(intercept(shift, shiftAt + i), weights, x, states));
          // The start may have any factor; what a step leaves is lower triangular.
          mixRows(row, weights, U, side, states, side, t > 0);
          memory.copy(at(row, side), at(ofW, i * noise), <usize> noise << 2);
        } else {
          store<f32>(at(ahead, i), load<f32>(at(x, i)));
          memory.copy(row, at(U, i * side), <usize> side << 2);
        }
      }
      for (let i = 0; i < observed; i++) {
        const row = at(work, i * stride);
        const weights = at(ofC, i * states);
        const expected = plusDot(intercept(offset, offsetAt + i), weights, ahead, states);
        store<f32>(at(forecast, sample * observed + i), expected);
        const below = at(work, observed * stride + start);
        mixRows(at(row, start), weights, below, stride, states, wide, false);
        for (let j = 0; j <= i; j++) {
          let sum = dot(row, at(work, j * stride), start, stride);
          for (let c = 0; c < observed; c++) {
            sum += load<f32>(at(ofV, i * observed + c)) * load<f32>(at(ofV, j * observed + c));
          }
          const cov = at(forecastCov, sample * observed * observed);
          store<f32>(at(cov, i * observed + j), sum);
          store<f32>(at(cov, j * observed + i), sum);
        }
      }
      for (let i = 0; i < observed; i++) {
        const row = at(work, i * stride);
        if (mask == 0 || load<f32>(at(mask, sample * observed + i)) != 0) {
          memory.copy(row, at(ofV, i * observed), <usize> observed << 2);
        } else {
          // A row of its own column, which touches no other.
          clear(row, stride);
          store<f32>(at(row, observed + i), 1);
        }
      }
      triangularize(work, rows, stride, h);
      let likelihood: f32 = 0;
      for (let i = 0; i < observed; i++) {
        const isSeen = mask == 0 || load<f32>(at(mask, sample * observed + i)) != 0;
        store<f32>(at(whitened, i), 0);
        if (!isSeen) continue;
        const row = at(work, i * stride);
        const place = sample * observed + i;
        let rest = load<f32>(at(y, place)) - load<f32>(at(forecast, place));
        for (let j = 0; j < i; j++) {
          rest -= load<f32>(at(row, j)) * load<f32>(at(whitened, j));
        }
        const pivot = load<f32>(at(row, i));
        rest /= pivot;
        store<f32>(at(whitened, i), rest);
        const logPivot = f32x4.extract_lane(log(splat(pivot)), 0);
        likelihood -= HALF_LOG_2PI + logPivot + <f32> 0.5 * rest * rest;
      }
      store<f32>(at(logLik, sample), likelihood);
      for (let i = 0; i < states; i++) {
        const row = at(work, (observed + i) * stride);
        store<f32>(at(x, i), plusDot(load<f32>(at(ahead, i)), row, whitened, observed));
        memory.copy(at(U, i * side), at(row, observed), <usize> side << 2);
      }
      memory.copy(at(mean, sample * states), x, <usize> states << 2);
      trimRows(at(factor, sample * states * states), U, states, states, side);
    }
  }
}

/**
 * Equations and shapes: src/ops/kalman_smoother.ts; strides as in the filter. The scratch holds the
 * regression [2·states][stride], a row, E and U' [states][padded states], the joined factors
 * [states][2·padded states], and two means, stride the larger of padded(states + padded states)
 * and padded(states) + padded(noise).
 */
export function kalman_smoother(
  begin: i32,
  end: i32,
  scratch: usize,
  mean: usize,
  factor: usize,
  A: usize,
  W: usize,
  shift: usize,
  smoothedMean: usize,
  smoothedFactor: usize,
  length: i32,
  states: i32,
  noise: i32,
  stride: i32,
  batchA: i32,
  timeA: i32,
  batchW: i32,
  timeW: i32,
  batchShift: i32,
  timeShift: i32,
): void {
  const side = padded(states);
  const both = 2 * side;
  const lower = scratch;
  const h = at(lower, 2 * states * stride);
  const E = at(h, stride > both ? stride : both);
  const later = at(E, states * side);
  const joined = at(later, states * side);
  const gap = at(joined, states * both);
  const rest = at(gap, side);
  for (let b = begin; b < end; b++) {
    for (let t = length - 1; t >= 0; t--) {
      const sample = b * length + t;
      const m = at(mean, sample * states);
      const U = at(factor, sample * states * states);
      const out = at(smoothedMean, sample * states);
      clear(joined, states * both);
      if (t == length - 1) {
        memory.copy(out, m, <usize> states << 2);
        for (let i = 0; i < states; i++) {
          memory.copy(at(joined, i * both + side), at(U, i * states), <usize> states << 2);
        }
      } else {
        const ofA = at(A, b * batchA + (t + 1) * timeA);
        const ofW = at(W, b * batchW + (t + 1) * timeW);
        const shiftAt = b * batchShift + (t + 1) * timeShift;
        clear(lower, 2 * states * stride);
        for (let i = 0; i < states; i++) {
          memory.copy(at(lower, (states + i) * stride), at(U, i * states), <usize> states << 2);
        }
        for (let i = 0; i < states; i++) {
          const weights = at(ofA, i * states);
          const row = at(lower, i * stride);
          mixRows(row, weights, at(lower, states * stride), stride, states, side, false);
          memory.copy(at(row, side), at(ofW, i * noise), <usize> noise << 2);
          // What the later sample adds to its prediction.
          const foreseen = plusDot(intercept(shift, shiftAt + i), weights, m, states);
          store<f32>(at(gap, i), load<f32>(at(out, states + i)) - foreseen);
        }
        triangularize(lower, 2 * states, stride, h);
        for (let i = 0; i < states; i++) {
          const row = at(lower, (states + i) * stride);
          const ofE = at(E, i * side);
          memory.copy(rest, row, <usize> side << 2);
          for (let j = states - 1; j >= 0; j--) {
            const pivots = at(lower, j * stride);
            const pivot = load<f32>(at(pivots, j));
            // A state of no predicted variance, given those before it, is not regressed on.
            const e: f32 = pivot == 0 ? 0 : load<f32>(at(rest, j)) / pivot;
            store<f32>(at(ofE, j), e);
            subtractRow(rest, pivots, e, 0, (j & ~3) + 4);
          }
          store<f32>(at(out, i), plusDot(load<f32>(at(m, i)), ofE, gap, states));
          mixRows(at(joined, i * both), ofE, later, side, states, side, true);
          memory.copy(at(joined, i * both + side), at(row, states), <usize> side << 2);
        }
      }
      triangularize(joined, states, both, h);
      for (let i = 0; i < states; i++) {
        memory.copy(at(later, i * side), at(joined, i * both), <usize> side << 2);
      }
      trimRows(at(smoothedFactor, sample * states * states), later, states, states, side);
    }
  }
}
