// The way back through one dense system that all features share. A task is one row of the batch:
// from its last sample to its first, four features take each row of A together.
import { across, at, clear, given, loadQuad, RUN, storeQuad, zero } from "./lanes";
import { addOuter, moveToSums, sumsInto } from "./outer";
import { advanceFeatures } from "./shared_scan";

/** Rows [count, columns] into rows that are `padded` apart. */
function spread(to: usize, from: usize, count: i32, columns: i32, padded: i32): void {
  for (let r = 0; r < count; r++) {
    memory.copy(at(to, r * padded), at(from, r * columns), <usize> columns << 2);
  }
}

/** flow = carry + what the sample's states receive; returns Σ B·flow. */
function meetStates(flow: usize, carry: usize, received: usize, B: usize, states: i32): f32 {
  let sum = zero();
  for (let n = 0; n < states; n += 4) {
    const lanes = states - n;
    const value = f32x4.add(v128.load(at(carry, n)), loadQuad(at(received, n), lanes));
    v128.store(at(flow, n), value);
    sum = f32x4.add(sum, f32x4.mul(loadQuad(at(B, n), lanes), value));
  }
  return across(sum);
}

/** Rows that are `padded` apart into rows without gaps. */
function gather(to: usize, from: usize, count: i32, columns: i32, padded: i32): void {
  for (let r = 0; r < count; r++) {
    for (let c = 0; c < columns; c += 4) {
      storeQuad(at(to, r * columns + c), v128.load(at(from, r * padded + c)), columns - c);
    }
  }
}

/**
 * Equations and shapes: src/ops/shared_scan.ts. With p = states filled up to whole vectors and f =
 * features filled up to four, `scratch` holds sums of A [states, p] and B [p] in f64, those of some
 * samples in f32, four zeros, A [states, p], the flows and what they leave, [f, p] each. A system
 * that samples share leaves the sums of each row, gradA [batch, states, states].
 */
export function shared_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  A: usize,
  B: usize,
  x0: usize,
  all: usize,
  gradStates: usize,
  gradState: usize,
  gradU: usize,
  gradA: usize,
  gradB: usize,
  gradX0: usize,
  length: i32,
  feature: i32,
  states: i32,
  isPerStep: i32,
): void {
  const padded = (states + 3) / 4 * 4;
  const features = (feature + 3) / 4 * 4;
  const row = <usize> padded << 2;
  const ofB = states * padded;
  const count = ofB + padded;
  const sums = at(scratch, 2 * count);
  const none = at(sums, count);
  const matrix = at(none, 4);
  const flows = at(matrix, states * padded);
  const carry = at(flows, features * padded);
  for (let b = begin; b < end; b++) {
    memory.fill(scratch, 0, at(carry, features * padded) - scratch);
    spread(carry, at(gradState, b * feature * states), feature, states, padded);
    for (let k = length - 1; k >= 0; k--) {
      const sample = b * length + k;
      const system = isPerStep ? sample * states : 0;
      if (isPerStep || k == length - 1) {
        spread(matrix, at(A, system * states), states, states, padded);
      }
      for (let d = 0; d < feature; d++) {
        const received = at(gradStates, (sample * feature + d) * states);
        const ofInput = meetStates(
          at(flows, d * padded),
          at(carry, d * padded),
          received,
          at(B, system),
          states,
        );
        store<f32>(at(gradU, sample * feature + d), ofInput);
      }
      for (let i = 0; i < padded; i += 4) {
        for (let d = 0; d < feature; d += 4) {
          const from = at(flows, d * padded);
          const to = at(carry, d * padded + i);
          advanceFeatures(at(matrix, i), row, states, zero(), none, from, to, row);
        }
      }
      const input = at(u, sample * feature);
      addOuter(at(sums, ofB), input, 1, 1, flows, padded, states, padded, feature);
      const first = given(x0, b * feature * states);
      const before = k > 0 ? at(all, (sample - 1) * feature * states) : first;
      if (before != 0) {
        addOuter(sums, flows, padded, states, before, states, states, padded, feature);
      }
      if (isPerStep) {
        gather(at(gradA, system * states), sums, states, states, padded);
        gather(at(gradB, system), at(sums, ofB), 1, states, padded);
        clear(sums, count);
      } else if (k % RUN == 0) moveToSums(scratch, sums, count);
    }
    if (!isPerStep) {
      sumsInto(at(gradA, b * states * states), scratch, states, states, padded);
      sumsInto(at(gradB, b * states), at(scratch, 2 * ofB), 1, states, padded);
    }
    if (gradX0 != 0) gather(at(gradX0, b * feature * states), carry, feature, states, padded);
  }
}
