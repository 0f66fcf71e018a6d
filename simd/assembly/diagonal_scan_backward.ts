// The way back through the diagonal scan: the gradient's flow runs against the
// scan, past the states that the op gave out. A task is up to 16 states over the whole batch, whose
// sums it adds in f64.
import {
  abarI,
  abarR,
  backToMode,
  discretize,
  exponential,
  factorI,
  factorR,
  LOGS,
  LTI,
  lambdaI,
  lambdaR,
  slopes,
  stepSize,
} from "./discretize";
import { imaginariesOf, loadParts, realsOf, storePairs } from "./diagonal_scan";
import {
  addToSums,
  at,
  clear,
  given,
  least,
  loadQuad,
  RUN,
  storeQuad,
  sumsAt,
  sumsOf,
  TILE,
  zero,
} from "./lanes";

/** States of {@link flowBack}: one line of memory, interleaved as they are there. */
const LINE: i32 = 8;

/** (re, im) -> (im, −re), of two complex numbers: conj(a)·f is re(a)·f + im(a)·turned(f). */
// @ts-ignore: decorator
@inline
function turned(f: v128): v128 {
  const swapped = v128.shuffle<f32>(f, f, 1, 0, 3, 2);
  return v128.xor(swapped, i64x2.splat(<i64> 0x8000000000000000));
}

/** conj(x)·f of two complex numbers. */
// @ts-ignore: decorator
@inline
function conjugateTimes(x: v128, f: v128, turnedF: v128): v128 {
  const re = f32x4.mul(v128.shuffle<f32>(x, x, 0, 0, 2, 2), f);
  return f32x4.add(re, f32x4.mul(v128.shuffle<f32>(x, x, 1, 1, 3, 3), turnedF));
}

// @ts-ignore: decorator
@inline
function addPairs(sums: usize, sumsI: usize, low: v128, high: v128): void {
  addToSums(sums, realsOf(low, high));
  addToSums(sumsI, imaginariesOf(low, high));
}

/**
 * The flow of {@link LINE} states of one row with discrete A, from `gradState` back to what is
 * returned to `gradX0`. Addresses are those of the row's first of these states at the last step of
 * the way, `stride` leads to the step before. `before` is the state that was carried in.
 */
function flowBack(
  A: usize,
  x: usize,
  before: usize,
  gradX: usize,
  gradState: usize,
  gradV: usize,
  gradX0: usize,
  sums: usize,
  sumsI: usize,
  length: i32,
  stride: isize,
): void {
  const a0 = v128.load(A);
  const a1 = v128.load(A, 16);
  const a2 = v128.load(A, 32);
  const a3 = v128.load(A, 48);
  let f0 = v128.load(gradState);
  let f1 = v128.load(gradState, 16);
  let f2 = v128.load(gradState, 32);
  let f3 = v128.load(gradState, 48);
  let step = length;
  while (step > 0) {
    const stop = step > RUN ? step - RUN : 0;
    let of0 = zero();
    let of1 = zero();
    let of2 = zero();
    let of3 = zero();
    for (; step > stop; step--) {
      x += stride;
      const from = step > 1 ? x : before;
      f0 = f32x4.add(f0, v128.load(gradX));
      f1 = f32x4.add(f1, v128.load(gradX, 16));
      f2 = f32x4.add(f2, v128.load(gradX, 32));
      f3 = f32x4.add(f3, v128.load(gradX, 48));
      v128.store(gradV, f0);
      v128.store(gradV, f1, 16);
      v128.store(gradV, f2, 32);
      v128.store(gradV, f3, 48);
      const t0 = turned(f0);
      const t1 = turned(f1);
      const t2 = turned(f2);
      const t3 = turned(f3);
      of0 = f32x4.add(of0, conjugateTimes(v128.load(from), f0, t0));
      of1 = f32x4.add(of1, conjugateTimes(v128.load(from, 16), f1, t1));
      of2 = f32x4.add(of2, conjugateTimes(v128.load(from, 32), f2, t2));
      of3 = f32x4.add(of3, conjugateTimes(v128.load(from, 48), f3, t3));
      f0 = conjugateTimes(a0, f0, t0);
      f1 = conjugateTimes(a1, f1, t1);
      f2 = conjugateTimes(a2, f2, t2);
      f3 = conjugateTimes(a3, f3, t3);
      gradX += stride;
      gradV += stride;
    }
    addPairs(sums, sumsI, of0, of1);
    addPairs(sums + 32, sumsI + 32, of2, of3);
  }
  if (gradX0 == 0) return;
  v128.store(gradX0, f0);
  v128.store(gradX0, f1, 16);
  v128.store(gradX0, f2, 32);
  v128.store(gradX0, f3, 48);
}

/** Equations and shapes: src/ops/diagonal_scan.ts; scratch holds [4][16] floats, and 16 zeros. */
export function diagonal_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  v: usize,
  A: usize,
  dt: usize,
  x0: usize,
  x: usize,
  gradX: usize,
  gradState: usize,
  gradV: usize,
  gradA: usize,
  gradDt: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  states: i32,
  rule: i32,
  isReverse: i32,
): void {
  const sumsI = sumsOf(scratch, TILE);
  for (let task = begin; task < end; task++) {
    const first = task * TILE;
    const width = least(TILE, states - first);
    clear(scratch, 5 * TILE);
    const zeros = at(scratch, 4 * TILE);
    // Whole lines where A is discrete; what is left goes by four states.
    const lined = rule == LTI ? width - width % LINE : 0;
    for (let b = 0; b < batch; b++) {
      for (let q = 0; q < lined; q += LINE) {
        const place = first + q;
        const carried = 2 * (b * states + place);
        const last = 2 * ((b * length + (isReverse ? 0 : length - 1)) * states + place);
        flowBack(
          at(A, 2 * place),
          at(x, last),
          x0 == 0 ? zeros : at(x0, carried),
          at(gradX, last),
          at(gradState, carried),
          at(gradV, last),
          given(gradX0, carried),
          sumsOf(scratch, q),
          sumsOf(sumsI, q),
          length,
          isReverse ? <isize> states << 3 : -(<isize> states << 3),
        );
      }
      for (let q = lined; q < width; q += 4) {
        const lanes = width - q;
        const place = first + q;
        const carried = 2 * (b * states + place);
        const mode = at(A, rule == LOGS ? 0 : 2 * place);
        const ar = loadParts(mode, 0, lanes);
        const ai = loadParts(mode, 1, lanes);
        let flowR = loadParts(at(gradState, carried), 0, lanes);
        let flowI = loadParts(at(gradState, carried), 1, lanes);
        let step = length;
        while (step > 0) {
          const stop = step > RUN ? step - RUN : 0;
          let ofR = zero();
          let ofI = zero();
          for (; step > stop; step--) {
            const k = isReverse ? length - step : step - 1;
            const index = 2 * ((b * length + k) * states + place);
            flowR = f32x4.add(flowR, loadParts(at(gradX, index), 0, lanes));
            flowI = f32x4.add(flowI, loadParts(at(gradX, index), 1, lanes));
            let xr = zero();
            let xi = zero();
            if (step > 1 || x0 != 0) {
              const back = isReverse ? index + 2 * states : index - 2 * states;
              const before = step > 1 ? at(x, back) : at(x0, carried);
              xr = loadParts(before, 0, lanes);
              xi = loadParts(before, 1, lanes);
            }
            const toAbarR = f32x4.add(f32x4.mul(xr, flowR), f32x4.mul(xi, flowI));
            const toAbarI = f32x4.sub(f32x4.mul(xr, flowI), f32x4.mul(xi, flowR));
            let decayR = ar;
            let decayI = ai;
            if (rule == LTI) {
              storePairs(at(gradV, index), flowR, flowI, lanes);
              ofR = f32x4.add(ofR, toAbarR);
              ofI = f32x4.add(ofI, toAbarI);
            } else if (rule == LOGS) {
              const logs = at(A, index);
              exponential(loadParts(logs, 0, lanes), loadParts(logs, 1, lanes));
              decayR = abarR;
              decayI = abarI;
              storePairs(at(gradV, index), flowR, flowI, lanes);
              storePairs(
                at(gradA, index),
                f32x4.add(f32x4.mul(abarR, toAbarR), f32x4.mul(abarI, toAbarI)),
                f32x4.sub(f32x4.mul(abarR, toAbarI), f32x4.mul(abarI, toAbarR)),
                lanes,
              );
            } else {
              const size = loadQuad(at(dt, index >> 1), lanes);
              discretize(ar, ai, size, rule);
              decayR = abarR;
              decayI = abarI;
              slopes(ar, ai, size, abarR, abarI, rule);
              const vr = loadParts(at(v, index), 0, lanes);
              const vi = loadParts(at(v, index), 1, lanes);
              const toFactorR = f32x4.add(f32x4.mul(vr, flowR), f32x4.mul(vi, flowI));
              const toFactorI = f32x4.sub(f32x4.mul(vr, flowI), f32x4.mul(vi, flowR));
              storePairs(
                at(gradV, index),
                f32x4.add(f32x4.mul(factorR, flowR), f32x4.mul(factorI, flowI)),
                f32x4.sub(f32x4.mul(factorR, flowI), f32x4.mul(factorI, flowR)),
                lanes,
              );
              backToMode(ar, ai, size, toAbarR, toAbarI, toFactorR, toFactorI);
              ofR = f32x4.add(ofR, lambdaR);
              ofI = f32x4.add(ofI, lambdaI);
              storeQuad(at(gradDt, index >> 1), stepSize, lanes);
            }
            const turned = f32x4.add(f32x4.mul(decayR, flowR), f32x4.mul(decayI, flowI));
            flowI = f32x4.sub(f32x4.mul(decayR, flowI), f32x4.mul(decayI, flowR));
            flowR = turned;
          }
          addToSums(sumsOf(scratch, q), ofR);
          addToSums(sumsOf(sumsI, q), ofI);
        }
        if (gradX0 != 0) storePairs(at(gradX0, carried), flowR, flowI, lanes);
      }
    }
    for (let q = 0; q < width && rule != LOGS; q += 4) {
      const to = at(gradA, 2 * (first + q));
      storePairs(to, sumsAt(sumsOf(scratch, q)), sumsAt(sumsOf(sumsI, q)), width - q);
    }
  }
}
