// One pass of a structural filter over evenly spaced samples, for the fit of its parameters: the
// covariance in f32, mean and innovations in f64. Bit for bit what src/models/structural_pass.ts
// computes in plain loops, where the equations are.
import { at, QUAD, splat, zero } from "./lanes";
import { sumsOfFour } from "./state_lanes";

const CLIP_SCALES: f64 = 4;
const SCALE_OF_MEAN_ABS: f64 = 1.2533;
const SCALE_WARM_UP: f64 = 8;
const SCALE_FORGETTING: f64 = 0.995;
const SCALE_FORGETTING_FROM: f64 = 200;

// Places in `model`, in f64: MODEL of src/models/structural_pass.ts.
const SLOPE_GAIN: i32 = 0;
const SLOPE_DECAY: i32 = 1;
const FIRST_DECAY: i32 = 2;
const SECOND_DECAY: i32 = 3;
const SCALE_SUM: i32 = 4;
const SCALE_WEIGHT: i32 = 5;
const FACTOR: i32 = 6;
const SIZE_SUM: i32 = 7;

// Places in `low`, in vectors: LOW of src/models/structural_pass.ts.
const DECAYS: usize = 0;
const GAINS: usize = 16;
const ROW: usize = 32;
const ROW_BEFORE: usize = 48;
const NOISE: usize = 64;

// @ts-ignore: decorator
@inline
function wide(base: usize, index: i32): usize {
  return base + (<usize> index << 3);
}

/** F·v of the four low states. */
// @ts-ignore: decorator
@inline
function moved(v: v128, decays: v128, gains: v128): v128 {
  const slope = v128.shuffle<f32>(v, v, 1, 1, 1, 1);
  return f32x4.add(f32x4.mul(v, decays), f32x4.mul(slope, gains));
}

// @ts-ignore: decorator
@inline
function lessOuter(p: usize, scale: v128, column: v128): v128 {
  return f32x4.sub(v128.load(p), f32x4.mul(scale, column));
}

// @ts-ignore: decorator
@inline
function plus(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** The corner of the low states: P ← F·(P − outer)·Fᵀ + Q; returns what it adds to P·row. */
function cornerPass(p: usize, column: usize, factor: f32, row: usize, low: usize): v128 {
  const decays = v128.load(low + DECAYS);
  const gains = v128.load(low + GAINS);
  const c = v128.load(column);
  const r = v128.load(row);
  const p0 = lessOuter(p, splat(load<f32>(column) * factor), c);
  const p1 = lessOuter(p + 16, splat(load<f32>(column, 4) * factor), c);
  const p2 = lessOuter(p + 32, splat(load<f32>(column, 8) * factor), c);
  const p3 = lessOuter(p + 48, splat(load<f32>(column, 12) * factor), c);
  const m0 = moved(p0, decays, gains);
  const m1 = moved(p1, decays, gains);
  const m2 = moved(p2, decays, gains);
  const m3 = moved(p3, decays, gains);
  const noise = low + NOISE;
  const d0 = splat(load<f32>(low + DECAYS));
  const d1 = splat(load<f32>(low + DECAYS, 4));
  const d2 = splat(load<f32>(low + DECAYS, 8));
  const d3 = splat(load<f32>(low + DECAYS, 12));
  const gain = splat(load<f32>(low + GAINS));
  const first = f32x4.add(f32x4.mul(m0, d0), f32x4.mul(m1, gain));
  v128.store(p, f32x4.add(first, v128.load(noise)));
  v128.store(p, f32x4.add(f32x4.mul(m1, d1), v128.load(noise, 16)), 16);
  v128.store(p, f32x4.add(f32x4.mul(m2, d2), v128.load(noise, 32)), 32);
  v128.store(p, f32x4.add(f32x4.mul(m3, d3), v128.load(noise, 48)), 48);
  return sumsOfFour(f32x4.mul(p0, r), f32x4.mul(p1, r), f32x4.mul(p2, r), f32x4.mul(p3, r));
}

/**
 * P ← F·(P − factor·column·columnᵀ)·Fᵀ + Q and out = (P − …)·row. P is packed by blocks of four
 * rows, each up to and with the block on the diagonal, which is whole.
 */
function advance(
  p: usize,
  column: usize,
  factor: f32,
  row: usize,
  out: usize,
  low: usize,
  noise: usize,
  blocks: i32,
): void {
  const decays = v128.load(low + DECAYS);
  const gains = v128.load(low + GAINS);
  v128.store(out, cornerPass(p, column, factor, row, low));
  p += 4 * QUAD;
  for (let b = 1; b < blocks; b++) {
    const here = <usize> b << 4;
    const stride = here + QUAD;
    const p1 = p + stride;
    const p2 = p1 + stride;
    const p3 = p2 + stride;
    const s0 = splat(load<f32>(column + here) * factor);
    const s1 = splat(load<f32>(column + here, 4) * factor);
    const s2 = splat(load<f32>(column + here, 8) * factor);
    const s3 = splat(load<f32>(column + here, 12) * factor);
    const r0 = v128.load32_splat(row + here);
    const r1 = v128.load32_splat(row + here, 4);
    const r2 = v128.load32_splat(row + here, 8);
    const r3 = v128.load32_splat(row + here, 12);
    // Towards the low states, which move.
    let c = v128.load(column);
    let r = v128.load(row);
    let v0 = lessOuter(p, s0, c);
    let v1 = lessOuter(p1, s1, c);
    let v2 = lessOuter(p2, s2, c);
    let v3 = lessOuter(p3, s3, c);
    v128.store(p, moved(v0, decays, gains));
    v128.store(p1, moved(v1, decays, gains));
    v128.store(p2, moved(v2, decays, gains));
    v128.store(p3, moved(v3, decays, gains));
    let sum0 = f32x4.mul(v0, r);
    let sum1 = f32x4.mul(v1, r);
    let sum2 = f32x4.mul(v2, r);
    let sum3 = f32x4.mul(v3, r);
    v128.store(out, plus(plus(plus(plus(v128.load(out), v0, r0), v1, r1), v2, r2), v3, r3));
    for (let j: usize = QUAD; j < here; j += QUAD) {
      c = v128.load(column + j);
      r = v128.load(row + j);
      v0 = lessOuter(p + j, s0, c);
      v1 = lessOuter(p1 + j, s1, c);
      v2 = lessOuter(p2 + j, s2, c);
      v3 = lessOuter(p3 + j, s3, c);
      v128.store(p + j, v0);
      v128.store(p1 + j, v1);
      v128.store(p2 + j, v2);
      v128.store(p3 + j, v3);
      sum0 = plus(sum0, v0, r);
      sum1 = plus(sum1, v1, r);
      sum2 = plus(sum2, v2, r);
      sum3 = plus(sum3, v3, r);
      const sums = plus(plus(plus(plus(v128.load(out + j), v0, r0), v1, r1), v2, r2), v3, r3);
      v128.store(out + j, sums);
    }
    // The block on the diagonal, whose variances grow.
    c = v128.load(column + here);
    r = v128.load(row + here);
    v0 = lessOuter(p + here, s0, c);
    v1 = lessOuter(p1 + here, s1, c);
    v2 = lessOuter(p2 + here, s2, c);
    v3 = lessOuter(p3 + here, s3, c);
    sum0 = plus(sum0, v0, r);
    sum1 = plus(sum1, v1, r);
    sum2 = plus(sum2, v2, r);
    sum3 = plus(sum3, v3, r);
    v128.store(out + here, sumsOfFour(sum0, sum1, sum2, sum3));
    const q = noise + here - QUAD;
    v128.store(p + here, f32x4.replace_lane(v0, 0, f32x4.extract_lane(v0, 0) + load<f32>(q)));
    v128.store(p1 + here, f32x4.replace_lane(v1, 1, f32x4.extract_lane(v1, 1) + load<f32>(q, 4)));
    v128.store(p2 + here, f32x4.replace_lane(v2, 2, f32x4.extract_lane(v2, 2) + load<f32>(q, 8)));
    v128.store(p3 + here, f32x4.replace_lane(v3, 3, f32x4.extract_lane(v3, 3) + load<f32>(q, 12)));
    p = p3 + stride;
  }
}

/** column ← F·column + Q·row; returns 1 + row·column. */
function columnAfter(column: usize, row: usize, low: usize, noise: usize, blocks: i32): f32 {
  const r = v128.load(low + ROW);
  const q = low + NOISE;
  let c = moved(v128.load(column), v128.load(low + DECAYS), v128.load(low + GAINS));
  c = plus(c, v128.load(q), v128.load32_splat(low + ROW));
  c = plus(c, v128.load(q, 16), v128.load32_splat(low + ROW, 4));
  c = plus(c, v128.load(q, 32), v128.load32_splat(low + ROW, 8));
  c = plus(c, v128.load(q, 48), v128.load32_splat(low + ROW, 12));
  v128.store(column, c);
  let sums = f32x4.mul(c, r);
  for (let b = 1; b < blocks; b++) {
    const here = <usize> b << 4;
    const season = v128.load(row + here);
    c = plus(v128.load(column + here), v128.load(noise + here - QUAD), season);
    v128.store(column + here, c);
    sums = plus(sums, c, season);
  }
  const pairs = f32x4.add(sums, v128.shuffle<f32>(sums, sums, 2, 3, 0, 1));
  return <f32> 1 + (f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1));
}

/** The innovation clipped at the running scale, which is then updated: `clipInnovation`. */
function clipped(model: usize, innovation: f64, deviation: f64): f64 {
  let used = innovation;
  let size = abs(innovation) / deviation;
  const sum = load<f64>(wide(model, SCALE_SUM));
  const weight = load<f64>(wide(model, SCALE_WEIGHT));
  if (weight > SCALE_WARM_UP) {
    const limit = CLIP_SCALES * SCALE_OF_MEAN_ABS * sum / weight;
    if (size > limit) {
      used = innovation * limit / size;
      size = limit;
    }
  }
  const keep = weight > SCALE_FORGETTING_FROM ? SCALE_FORGETTING : <f64> 1;
  store<f64>(wide(model, SCALE_SUM), sum * keep + size);
  store<f64>(wide(model, SCALE_WEIGHT), weight * keep + 1);
  return used;
}

/** The four low means one step on. */
function advanceMean(model: usize, mean: usize): void {
  const slope = load<f64>(mean, 8);
  store<f64>(mean, load<f64>(mean) + load<f64>(wide(model, SLOPE_GAIN)) * slope);
  store<f64>(mean, slope * load<f64>(wide(model, SLOPE_DECAY)), 8);
  store<f64>(mean, load<f64>(mean, 16) * load<f64>(wide(model, FIRST_DECAY)), 16);
  store<f64>(mean, load<f64>(mean, 24) * load<f64>(wide(model, SECOND_DECAY)), 24);
}

/** Mean of the observation. */
function expectedAt(mean: usize, seasons: usize, low: usize, width: i32): f64 {
  let sums = f64x2.splat(0);
  for (let i: usize = 0; i < <usize> width << 3; i += 16) {
    sums = f64x2.add(sums, f64x2.mul(v128.load(mean + i, 32), v128.load(seasons + i)));
  }
  let sum = load<f64>(mean) * <f64> load<f32>(low + ROW);
  sum += load<f64>(mean, 16) * <f64> load<f32>(low + ROW, 8);
  sum += load<f64>(mean, 24) * <f64> load<f32>(low + ROW, 12);
  return sum + (f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1));
}

/**
 * Runs the filter over the samples `from` to `to`.
 *
 * @param seasons    rows of the season states, f64                         [length, width]
 * @param values     f64                                                          [length]
 * @param variances  of the innovations, written, f64                             [length]
 * @param p          packed covariance, f32
 * @param mean       f64                                                       [4 + width]
 * @param column     f32, likewise `row` and `next`, which are scratch         [4 + width]
 * @param model      f64: transition, running scale
 * @param low        f32: transition and noise of the low states
 * @param noise      of the season states, f32                                     [width]
 * @returns          samples taken: fewer where an innovation is no number
 */
export function structural_pass(
  seasons: usize,
  values: usize,
  variances: usize,
  p: usize,
  mean: usize,
  column: usize,
  row: usize,
  next: usize,
  model: usize,
  low: usize,
  noise: usize,
  width: i32,
  from: i32,
  to: i32,
): i32 {
  const blocks = 1 + (width >> 2);
  v128.store(row, v128.load(low + ROW_BEFORE));
  for (let t = from; t < to; t++) {
    const at64 = wide(seasons, t * width);
    for (let i = 0; i < width; i += 4) {
      const left = f32x4.demote_f64x2_zero(v128.load(wide(at64, i)));
      const right = f32x4.demote_f64x2_zero(v128.load(wide(at64, i), 16));
      v128.store(at(row, 4 + i), v128.shuffle<f32>(left, right, 0, 1, 4, 5));
    }
    const factor = <f32> load<f64>(wide(model, FACTOR));
    advance(p, column, factor, row, next, low, noise, blocks);
    memory.copy(column, next, <usize> blocks << 4);
    const variance = <f64> columnAfter(column, row, low, noise, blocks);
    if (!(variance > 0)) return t;
    store<f64>(wide(variances, t), variance);
    advanceMean(model, mean);
    const innovation = load<f64>(wide(values, t)) - expectedAt(mean, at64, low, width);
    if (!(abs(innovation) < Infinity)) return t;
    const deviation = sqrt(variance);
    const sizes = wide(model, SIZE_SUM);
    store<f64>(sizes, load<f64>(sizes) + abs(innovation) / deviation);
    const inverse: f64 = 1 / variance;
    const gain = clipped(model, innovation, deviation) * inverse;
    store<f64>(wide(model, FACTOR), inverse);
    const scale = f64x2.splat(gain);
    for (let i = 0; i < 4 + width; i += 4) {
      const c = v128.load(at(column, i));
      const high = v128.shuffle<f32>(c, c, 2, 3, 2, 3);
      const to0 = wide(mean, i);
      v128.store(to0, f64x2.add(v128.load(to0), f64x2.mul(f64x2.promote_low_f32x4(c), scale)));
      const rest = f64x2.mul(f64x2.promote_low_f32x4(high), scale);
      v128.store(to0, f64x2.add(v128.load(to0, 16), rest), 16);
    }
  }
  return to;
}
