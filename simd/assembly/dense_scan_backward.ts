// The way back through dense systems. A task is one feature over the whole batch: each row is
// walked forward, then back with the gradient's flow, and sums of outer products are taken over
// some samples at a time.
import { productInto } from "./dense_scan";
import { across, at, clear, given, loadQuad, RUN, splat, storeQuad, zero } from "./lanes";
import { addOuter, moveToSums, sumsInto, turnedTimes } from "./outer";

/** flow += Σ_m gradY[m]·C[m]; returns Σ_m gradY[m]·D[m]. */
function meetOutputs(
  flow: usize,
  gradients: usize,
  C: usize,
  D: usize,
  channel: i32,
  states: i32,
): f32 {
  let ofInput: f32 = 0;
  for (let m = 0; m < channel; m++) {
    const gradient = load<f32>(at(gradients, m));
    const factor = splat(gradient);
    const row = at(C, m * states);
    for (let n = 0; n < states; n += 4) {
      const place = at(flow, n);
      const product = f32x4.mul(factor, loadQuad(at(row, n), states - n));
      v128.store(place, f32x4.add(v128.load(place), product));
    }
    if (D != 0) ofInput += gradient * load<f32>(at(D, m));
  }
  return ofInput;
}

/** Σ B·flow. */
function against(B: usize, flow: usize, states: i32): f32 {
  let sum = zero();
  for (let n = 0; n < states; n += 4) {
    sum = f32x4.add(sum, f32x4.mul(loadQuad(at(B, n), states - n), v128.load(at(flow, n))));
  }
  return across(sum);
}

/** to = factor·row, as rows of a gradient that has no sums. */
function storeScaled(to: usize, factor: f32, row: usize, states: i32): void {
  const factors = splat(factor);
  for (let n = 0; n < states; n += 4) {
    storeQuad(at(to, n), f32x4.mul(factors, v128.load(at(row, n))), states - n);
  }
}

/**
 * Equations and shapes: src/ops/dense_scan.ts. With p = states filled up to whole vectors, `scratch`
 * holds sums of A [states, p], B [p], C [channel, p] in f64, D [channel] in f64, the sums of some
 * samples in f32, the flows of as many and one more [65, p], and the states [length + 1, p].
 */
export function dense_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  A: usize,
  B: usize,
  C: usize,
  D: usize,
  x0: usize,
  gradY: usize,
  gradState: usize,
  gradU: usize,
  gradA: usize,
  gradB: usize,
  gradC: usize,
  gradD: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  feature: i32,
  states: i32,
  channel: i32,
  isPerStep: i32,
): void {
  const padded = (states + 3) / 4 * 4;
  const ofB = states * padded;
  const ofC = ofB + padded;
  const count = ofC + channel * padded;
  const sumsD = at(scratch, 2 * count);
  const sums = at(sumsD, 2 * ((channel + 1) / 2 * 2));
  const flows = at(sums, count);
  const walked = at(flows, (RUN + 1) * padded);
  for (let d = begin; d < end; d++) {
    clear(scratch, <i32> ((flows - scratch) >> 2));
    clear(walked, (length + 1) * padded);
    const outputs = at(C, d * channel * states);
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + d) * states;
      const base = b * length * feature + d;
      if (x0 != 0) memory.copy(walked, at(x0, carried), <usize> states << 2);
      else clear(walked, padded);
      for (let k = 0; k < length; k++) {
        const sample = base + k * feature;
        const system = isPerStep ? sample : d;
        const before = at(walked, k * padded);
        const input = load<f32>(at(u, sample));
        const M = at(A, system * states * states);
        productInto(at(before, padded), M, states, states, before, at(B, system * states), input);
      }
      // Flows of a run lie behind each other, the one that comes in at their end.
      let incoming = at(flows, RUN * padded);
      clear(flows, (RUN + 1) * padded);
      memory.copy(incoming, at(gradState, carried), <usize> states << 2);
      for (let stop = length; stop > 0; stop -= RUN) {
        const from = stop > RUN ? stop - RUN : 0;
        const steps = stop - from;
        for (let k = stop - 1; k >= from; k--) {
          const sample = base + k * feature;
          const system = isPerStep ? sample : d;
          const flow = at(flows, (k - from) * padded);
          memory.copy(flow, incoming, <usize> padded << 2);
          const gradients = at(gradY, sample * channel);
          const skip = given(D, d * channel);
          const ofOutputs = meetOutputs(flow, gradients, outputs, skip, channel, states);
          store<f32>(
            at(gradU, sample),
            ofOutputs + against(at(B, system * states), flow, states),
          );
          const M = at(A, system * states * states);
          incoming = at(flows, RUN * padded);
          turnedTimes(incoming, M, states, states, flow);
          const input = load<f32>(at(u, sample));
          if (isPerStep) {
            const before = at(walked, k * padded);
            for (let i = 0; i < states; i++) {
              const to = at(gradA, (sample * states + i) * states);
              storeScaled(to, load<f32>(at(flow, i)), before, states);
            }
            storeScaled(at(gradB, sample * states), input, flow, states);
          }
          for (let m = 0; gradD != 0 && m < channel; m++) {
            const place = sumsD + (<usize> m << 3);
            const share = <f64> load<f32>(at(gradients, m)) * <f64> input;
            store<f64>(place, load<f64>(place) + share);
          }
        }
        const first = base + from * feature;
        const after = at(walked, (from + 1) * padded);
        const stride = feature * channel;
        const left = at(gradY, first * channel);
        addOuter(at(sums, ofC), left, stride, channel, after, padded, states, padded, steps);
        if (!isPerStep) {
          const before = at(walked, from * padded);
          addOuter(sums, flows, padded, states, before, padded, states, padded, steps);
          addOuter(at(sums, ofB), at(u, first), feature, 1, flows, padded, states, padded, steps);
        }
        moveToSums(scratch, sums, count);
      }
      if (gradX0 != 0) memory.copy(at(gradX0, carried), incoming, <usize> states << 2);
    }
    if (!isPerStep) {
      sumsInto(at(gradA, d * states * states), scratch, states, states, padded);
      sumsInto(at(gradB, d * states), at(scratch, 2 * ofB), 1, states, padded);
    }
    sumsInto(at(gradC, d * channel * states), at(scratch, 2 * ofC), channel, states, padded);
    for (let m = 0; gradD != 0 && m < channel; m++) {
      store<f32>(at(gradD, d * channel + m), <f32> load<f64>(sumsD + (<usize> m << 3)));
    }
  }
}
