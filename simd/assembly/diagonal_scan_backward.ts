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
import { loadParts, storePairs } from "./linear_scan";
import {
  addToSums,
  at,
  clear,
  least,
  loadQuad,
  RUN,
  storeQuad,
  sumsAt,
  sumsOf,
  TILE,
  zero,
} from "./lanes";

/** Equations and shapes: src/ops/diagonal_scan.ts; scratch holds [4][16] floats. */
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
    clear(scratch, 4 * TILE);
    for (let b = 0; b < batch; b++) {
      for (let q = 0; q < width; q += 4) {
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
