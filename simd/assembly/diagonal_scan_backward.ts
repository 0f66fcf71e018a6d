// The way back through the diagonal scan with a fixed Abar: the gradient's flow runs against the
// scan, past the states that the op gave out. A task is up to 16 states over the whole batch, whose
// sums it adds in f64.
import { loadParts, storePairs } from "./linear_scan";
import {
  addToSums,
  at,
  clear,
  least,
  RUN,
  sumsAt,
  sumsOf,
  TILE,
  zero,
} from "./lanes";

/** Equations and shapes: src/ops/diagonal_scan.ts, variant lti; scratch holds [4][16] floats. */
export function diagonal_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  A: usize,
  x0: usize,
  x: usize,
  gradX: usize,
  gradState: usize,
  gradV: usize,
  gradA: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  states: i32,
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
        const ar = loadParts(at(A, 2 * place), 0, lanes);
        const ai = loadParts(at(A, 2 * place), 1, lanes);
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
            storePairs(at(gradV, index), flowR, flowI, lanes);
            ofR = f32x4.add(ofR, f32x4.add(f32x4.mul(xr, flowR), f32x4.mul(xi, flowI)));
            ofI = f32x4.add(ofI, f32x4.sub(f32x4.mul(xr, flowI), f32x4.mul(xi, flowR)));
            const turned = f32x4.add(f32x4.mul(ar, flowR), f32x4.mul(ai, flowI));
            flowI = f32x4.sub(f32x4.mul(ar, flowI), f32x4.mul(ai, flowR));
            flowR = turned;
          }
          addToSums(sumsOf(scratch, q), ofR);
          addToSums(sumsOf(sumsI, q), ofI);
        }
        if (gradX0 != 0) storePairs(at(gradX0, carried), flowR, flowI, lanes);
      }
    }
    for (let q = 0; q < width; q += 4) {
      const to = at(gradA, 2 * (first + q));
      storePairs(to, sumsAt(sumsOf(scratch, q)), sumsAt(sumsOf(sumsI, q)), width - q);
    }
  }
}
