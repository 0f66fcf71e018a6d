// The way back through diagonal-plus-low-rank systems. A task is up to four features over the whole
// batch, whose sums it adds in f64: each row is walked forward, then back with the gradient's flow.
import { advance, C, DIAGONAL, FEATURES, LAMBDA, LEFT, LEFT_2, meet } from "./dplr_scan";
import { B, MODE_BYTES, P, P_2, prepare, RIGHT, RIGHT_2, systemInto, X } from "./dplr_scan";
import { at, complexFrom, complexInto, given, least, loadQuad, QUAD, RUN } from "./lanes";
import { splat, storeQuad, sumsAt, zero } from "./lanes";
import { moveToSums } from "./outer";

// Vectors of a mode beside those of the scan: the flow, q = Wᵀ·flow, and sums of some samples of
// what lambda, B, C and P receive.
const FLOW: usize = 0;
const Q: usize = 32;
const OF_LAMBDA: usize = 64;
const OF_B: usize = 96;
const OF_C: usize = 128;
const OF_P: usize = 160;
const OF_P_2: usize = 192;
const BACK_BYTES: usize = 224;
/** Floats of a mode's sums. */
const SUMS: i32 = 40;
const SUMS_BYTES: usize = 320;
/** Floats of the sums of dt and of D. */
const STEP_SUMS: i32 = 8;

// @ts-ignore: decorator
@inline
function against(row: usize, re: v128, im: v128): v128 {
  return f32x4.add(f32x4.mul(v128.load(row), re), f32x4.mul(v128.load(row, 16), im));
}

// @ts-ignore: decorator
@inline
function addTo(place: usize, value: v128): void {
  v128.store(place, f32x4.add(v128.load(place), value));
}

/** Adds to a real and an imaginary part. */
// @ts-ignore: decorator
@inline
function addPair(place: usize, re: v128, im: v128): void {
  addTo(place, re);
  addTo(place + QUAD, im);
}

/** The states of a sample out of the modes. */
function keep(to: usize, modes: usize, half: i32): void {
  for (let n = 0; n < half; n++) {
    v128.store(to, v128.load(modes, X));
    v128.store(to, v128.load(modes, X + QUAD), 16);
    modes += MODE_BYTES;
    to += 2 * QUAD;
  }
}

/** flow += 2·gradY·conj(C), and what C receives; then (left, flow) of both factors. */
let ofLeft: v128 = f32x4.splat(0);
let ofLeft2: v128 = f32x4.splat(0);

function meetOutput(modes: usize, backs: usize, after: usize, half: i32, gradient: v128): void {
  const twice = f32x4.add(gradient, gradient);
  let one = zero();
  let two = zero();
  for (let n = 0; n < half; n++) {
    const re = f32x4.add(v128.load(backs, FLOW), f32x4.mul(twice, v128.load(modes, C)));
    const ofImaginary = f32x4.mul(twice, v128.load(modes, C + QUAD));
    const im = f32x4.sub(v128.load(backs, FLOW + QUAD), ofImaginary);
    v128.store(backs, re, FLOW);
    v128.store(backs, im, FLOW + QUAD);
    const ofC = f32x4.mul(twice, v128.load(after));
    addPair(backs + OF_C, ofC, f32x4.neg(f32x4.mul(twice, v128.load(after, 16))));
    one = f32x4.add(one, against(modes + LEFT, re, im));
    two = f32x4.add(two, against(modes + LEFT_2, re, im));
    modes += MODE_BYTES;
    backs += BACK_BYTES;
    after += 2 * QUAD;
  }
  ofLeft = one;
  ofLeft2 = two;
}

/** What the step's size receives, after {@linkcode back}. */
let ofStep: v128 = f32x4.splat(0);

/** One sample back, from `after` to `before`; returns dt·(B, q). */
function back(
  modes: usize,
  backs: usize,
  before: usize,
  after: usize,
  half: i32,
  rank: i32,
  input: v128,
  dt: v128,
): v128 {
  const one = ofLeft;
  const two = ofLeft2;
  const mean = splat(0.5);
  const halved = f32x4.mul(dt, mean);
  const weight = f32x4.mul(dt, input);
  let turned = zero();
  let ofInput = zero();
  let ofQ = zero();
  let ofQ2 = zero();
  let ofS = zero();
  let ofS2 = zero();
  let mode = modes;
  let place = backs;
  let from = before;
  let to = after;
  for (let n = 0; n < half; n++) {
    const fr = v128.load(place, FLOW);
    const fi = v128.load(place, FLOW + QUAD);
    const dr = v128.load(mode, DIAGONAL);
    const di = v128.load(mode, DIAGONAL + QUAD);
    let br = f32x4.add(f32x4.mul(dr, fr), f32x4.mul(di, fi));
    let bi = f32x4.sub(f32x4.mul(dr, fi), f32x4.mul(di, fr));
    br = f32x4.sub(br, f32x4.mul(one, v128.load(mode, RIGHT)));
    bi = f32x4.sub(bi, f32x4.mul(one, v128.load(mode, RIGHT + QUAD)));
    if (rank > 1) {
      br = f32x4.sub(br, f32x4.mul(two, v128.load(mode, RIGHT_2)));
      bi = f32x4.sub(bi, f32x4.mul(two, v128.load(mode, RIGHT_2 + QUAD)));
    }
    // Abar = 2·W − I, so that q is the mean of the two flows.
    const qr = f32x4.mul(mean, f32x4.add(br, fr));
    const qi = f32x4.mul(mean, f32x4.add(bi, fi));
    v128.store(place, br, FLOW);
    v128.store(place, bi, FLOW + QUAD);
    v128.store(place, qr, Q);
    v128.store(place, qi, Q + QUAD);
    const sr = f32x4.add(v128.load(to), v128.load(from));
    const si = f32x4.add(v128.load(to, 16), v128.load(from, 16));
    const re = f32x4.add(f32x4.mul(qr, sr), f32x4.mul(qi, si));
    const im = f32x4.sub(f32x4.mul(qi, sr), f32x4.mul(qr, si));
    addPair(place + OF_LAMBDA, f32x4.mul(halved, re), f32x4.mul(halved, im));
    addPair(place + OF_B, f32x4.mul(weight, qr), f32x4.mul(weight, qi));
    turned = f32x4.add(turned, against(mode + LAMBDA, re, im));
    ofInput = f32x4.add(ofInput, against(mode + B, qr, qi));
    ofQ = f32x4.add(ofQ, against(mode + P, qr, qi));
    ofS = f32x4.add(ofS, against(mode + P, sr, si));
    if (rank > 1) {
      ofQ2 = f32x4.add(ofQ2, against(mode + P_2, qr, qi));
      ofS2 = f32x4.add(ofS2, against(mode + P_2, sr, si));
    }
    mode += MODE_BYTES;
    place += BACK_BYTES;
    from += 2 * QUAD;
    to += 2 * QUAD;
  }
  for (let n = 0; n < half; n++) {
    const qr = v128.load(backs, Q);
    const qi = v128.load(backs, Q + QUAD);
    const sr = f32x4.add(v128.load(after), v128.load(before));
    const si = f32x4.add(v128.load(after, 16), v128.load(before, 16));
    const re = f32x4.add(f32x4.mul(qr, ofS), f32x4.mul(sr, ofQ));
    const im = f32x4.add(f32x4.mul(qi, ofS), f32x4.mul(si, ofQ));
    addPair(backs + OF_P, f32x4.neg(f32x4.mul(dt, re)), f32x4.neg(f32x4.mul(dt, im)));
    if (rank > 1) {
      const re2 = f32x4.add(f32x4.mul(qr, ofS2), f32x4.mul(sr, ofQ2));
      const im2 = f32x4.add(f32x4.mul(qi, ofS2), f32x4.mul(si, ofQ2));
      addPair(backs + OF_P_2, f32x4.neg(f32x4.mul(dt, re2)), f32x4.neg(f32x4.mul(dt, im2)));
    }
    backs += BACK_BYTES;
    before += 2 * QUAD;
    after += 2 * QUAD;
  }
  const met = f32x4.add(f32x4.mul(ofQ, ofS), f32x4.mul(ofQ2, ofS2));
  const ofMode = f32x4.sub(f32x4.mul(mean, turned), met);
  ofStep = f32x4.add(ofMode, f32x4.mul(input, ofInput));
  return f32x4.mul(dt, ofInput);
}

/** Moves the sums of some samples to those in f64. */
function moveAll(sums: usize, backs: usize, half: i32, stepSums: usize, ofSteps: usize): void {
  for (let n = 0; n < half; n++) {
    moveToSums(sums, backs + OF_LAMBDA, SUMS);
    sums += SUMS_BYTES;
    backs += BACK_BYTES;
  }
  moveToSums(stepSums, ofSteps, STEP_SUMS);
}

/** The sums as f32 where those of some samples lay. */
function settle(backs: usize, sums: usize, half: i32): void {
  for (let n = 0; n < half; n++) {
    for (let i = 0; i < SUMS; i += 4) {
      v128.store(at(backs + OF_LAMBDA, i), sumsAt(at(sums, 2 * i)));
    }
    sums += SUMS_BYTES;
    backs += BACK_BYTES;
  }
}

/**
 * Equations and shapes: src/ops/dplr_scan.ts. `scratch` holds the modes as in `dplr_scan`, [half][26]
 * vectors, the vectors above [half][14], sums in f64 [half][20], sums of dt and D [2 and 4], and the
 * states before each sample and after the last [length + 1, half][2].
 */
export function dplr_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  lambda: usize,
  lowRank: usize,
  inputs: usize,
  outputs: usize,
  dt: usize,
  D: usize,
  x0: usize,
  gradY: usize,
  gradState: usize,
  gradU: usize,
  gradLambda: usize,
  gradP: usize,
  gradB: usize,
  gradC: usize,
  gradDt: usize,
  gradD: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  feature: i32,
  half: i32,
  rank: i32,
  isPerStep: i32,
): void {
  const wide = 2 * half;
  const inverses = scratch + <usize> half * MODE_BYTES;
  const backs = inverses + <usize> half * 2 * QUAD;
  const sums = backs + <usize> half * BACK_BYTES;
  const ofSteps = sums + <usize> half * SUMS_BYTES;
  const stepSums = at(ofSteps, STEP_SUMS);
  const walked = at(stepSums, 2 * STEP_SUMS);
  const row = <usize> half * 2 * QUAD;
  for (let task = begin; task < end; task++) {
    const from = task * FEATURES;
    const lanes = least(FEATURES, feature - from);
    memory.fill(backs, 0, walked - backs);
    systemInto(scratch, lambda, lowRank, inputs, outputs, from, lanes, half, rank);
    const fixed = loadQuad(at(dt, from), isPerStep ? 0 : lanes);
    if (!isPerStep) prepare(scratch, inverses, half, fixed);
    const skip = loadQuad(given(D, from), D == 0 ? 0 : lanes);
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + from) * wide;
      complexInto(scratch + X, given(x0, carried), lanes, half, wide, MODE_BYTES);
      keep(walked, scratch, half);
      if (!isPerStep) meet(scratch, half, rank);
      for (let k = 0; k < length; k++) {
        const sample = (b * length + k) * feature + from;
        if (isPerStep) {
          prepare(scratch, inverses, half, loadQuad(at(dt, sample), lanes));
          meet(scratch, half, rank);
        }
        advance(scratch, half, rank, loadQuad(at(u, sample), lanes));
        keep(walked + <usize> (k + 1) * row, scratch, half);
      }
      complexInto(backs + FLOW, at(gradState, carried), lanes, half, wide, BACK_BYTES);
      for (let k = length - 1; k >= 0; k--) {
        const sample = (b * length + k) * feature + from;
        const step = isPerStep ? loadQuad(at(dt, sample), lanes) : fixed;
        if (isPerStep) prepare(scratch, inverses, half, step);
        const input = loadQuad(at(u, sample), lanes);
        const gradient = loadQuad(at(gradY, sample), lanes);
        const before = walked + <usize> k * row;
        meetOutput(scratch, backs, before + row, half, gradient);
        const ofInput = back(scratch, backs, before, before + row, half, rank, input, step);
        storeQuad(at(gradU, sample), f32x4.add(ofInput, f32x4.mul(skip, gradient)), lanes);
        if (isPerStep) storeQuad(at(gradDt, sample), ofStep, lanes);
        else addTo(ofSteps, ofStep);
        addTo(ofSteps + QUAD, f32x4.mul(gradient, input));
        if (k % RUN == 0) moveAll(sums, backs, half, stepSums, ofSteps);
      }
      if (gradX0 != 0) {
        complexFrom(at(gradX0, carried), backs + FLOW, lanes, half, wide, BACK_BYTES);
      }
    }
    settle(backs, sums, half);
    const first = from * wide;
    const factor = from * rank * wide;
    complexFrom(at(gradLambda, first), backs + OF_LAMBDA, lanes, half, wide, BACK_BYTES);
    complexFrom(at(gradB, first), backs + OF_B, lanes, half, wide, BACK_BYTES);
    complexFrom(at(gradC, first), backs + OF_C, lanes, half, wide, BACK_BYTES);
    complexFrom(at(gradP, factor), backs + OF_P, lanes, half, rank * wide, BACK_BYTES);
    if (rank > 1) {
      const to = at(gradP, factor + wide);
      complexFrom(to, backs + OF_P_2, lanes, half, rank * wide, BACK_BYTES);
    }
    if (!isPerStep) storeQuad(at(gradDt, from), sumsAt(stepSums), lanes);
    if (gradD != 0) storeQuad(at(gradD, from), sumsAt(stepSums + 2 * QUAD), lanes);
  }
}
