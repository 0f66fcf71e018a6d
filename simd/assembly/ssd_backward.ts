// The way back through the recurrence of Mamba-2: each state of 16 features is walked forward,
// then backward with the gradient's flow. A task is one head of one row. What heads of a group
// share (gradients of B and C) and what rows share (A and D) goes to `shares`, one row a task of
// theirs, and is added by `column_sums`.
import {
  across,
  addToSums,
  at,
  clear,
  columnsInto,
  given,
  least,
  loadQuad,
  rowsInto,
  RUN,
  splat,
  storeQuad,
  TILE,
  TILE_BYTES,
  zero,
} from "./lanes";
import { exp } from "./math";

// Planes of the task at hand, [length][16]: gradients, weighted inputs, what each input receives,
// and states before each step and after the last.
let gradients: usize = 0;
let scaled: usize = 0;
let received: usize = 0;
let walked: usize = 0;
// [length][4], to be added across: shares of B and C, gradients of the decay's logarithm and of
// the input's weight.
let shareB: usize = 0;
let shareC: usize = 0;
let ofLog: usize = 0;
let ofWeight: usize = 0;
/** [length]. */
let decays: usize = 0;

function place(scratch: usize, length: i32): usize {
  const plane = <usize> length * TILE_BYTES;
  const lanes = <usize> length << 4;
  gradients = scratch;
  scaled = gradients + plane;
  received = scaled + plane;
  walked = received + plane;
  shareB = walked + plane + TILE_BYTES;
  shareC = shareB + lanes;
  ofLog = shareC + lanes;
  ofWeight = ofLog + lanes;
  decays = ofWeight + lanes;
  return decays + (<usize> ((length + 3) / 4) << 4);
}

// Parts of `walkTile` for the vector that lies `q` bytes into a row of the planes.
// @ts-ignore: decorator
@inline
function forward(x: v128, row: usize, B: v128, decay: v128, q: usize): v128 {
  v128.store(walked + row + q, x);
  return f32x4.add(f32x4.mul(decay, x), f32x4.mul(v128.load(scaled + row + q), B));
}

// @ts-ignore: decorator
@inline
function arrived(flow: v128, row: usize, C: v128, q: usize): v128 {
  return f32x4.add(flow, f32x4.mul(v128.load(gradients + row + q), C));
}

// @ts-ignore: decorator
@inline
function receive(arrived: v128, row: usize, B: v128, q: usize): void {
  const to = received + row + q;
  v128.store(to, f32x4.add(v128.load(to), f32x4.mul(arrived, B)));
}

/**
 * One state of a tile of features, there and back; B and C have a number a step, `stride` apart.
 * States and flows are a row of memory each. A step waits for the step before, and the four vectors
 * of a tile wait together; sums take them in their order.
 */
function walkTile(
  starts: usize,
  flows: usize,
  length: i32,
  rowB: usize,
  rowC: usize,
  stride: usize,
): void {
  let x0 = v128.load(starts);
  let x1 = v128.load(starts, 16);
  let x2 = v128.load(starts, 32);
  let x3 = v128.load(starts, 48);
  let row: usize = 0;
  let atB = rowB;
  for (let k = 0; k < length; k++) {
    const B = v128.load32_splat(atB);
    const decay = v128.load32_splat(at(decays, k));
    x0 = forward(x0, row, B, decay, 0);
    x1 = forward(x1, row, B, decay, 16);
    x2 = forward(x2, row, B, decay, 32);
    x3 = forward(x3, row, B, decay, 48);
    atB += stride;
    row += TILE_BYTES;
  }
  let f0 = v128.load(flows);
  let f1 = v128.load(flows, 16);
  let f2 = v128.load(flows, 32);
  let f3 = v128.load(flows, 48);
  let atC = rowC + <usize> length * stride;
  for (let k = length - 1; k >= 0; k--) {
    row -= TILE_BYTES;
    atB -= stride;
    atC -= stride;
    const share = <usize> k << 4;
    const B = v128.load32_splat(atB);
    const C = v128.load32_splat(atC);
    const decay = v128.load32_splat(at(decays, k));
    const g = gradients + row;
    let toC = f32x4.mul(v128.load(g), x0);
    toC = f32x4.add(toC, f32x4.mul(v128.load(g, 16), x1));
    toC = f32x4.add(toC, f32x4.mul(v128.load(g, 32), x2));
    toC = f32x4.add(toC, f32x4.mul(v128.load(g, 48), x3));
    v128.store(shareC + share, toC);
    f0 = arrived(f0, row, C, 0);
    f1 = arrived(f1, row, C, 16);
    f2 = arrived(f2, row, C, 32);
    f3 = arrived(f3, row, C, 48);
    receive(f0, row, B, 0);
    receive(f1, row, B, 16);
    receive(f2, row, B, 32);
    receive(f3, row, B, 48);
    const input = scaled + row;
    let toB = f32x4.mul(v128.load(input), f0);
    toB = f32x4.add(toB, f32x4.mul(v128.load(input, 16), f1));
    toB = f32x4.add(toB, f32x4.mul(v128.load(input, 32), f2));
    toB = f32x4.add(toB, f32x4.mul(v128.load(input, 48), f3));
    v128.store(shareB + share, toB);
    f0 = f32x4.mul(decay, f0);
    f1 = f32x4.mul(decay, f1);
    f2 = f32x4.mul(decay, f2);
    f3 = f32x4.mul(decay, f3);
    const before = walked + row;
    x0 = v128.load(before);
    x1 = v128.load(before, 16);
    x2 = v128.load(before, 32);
    x3 = v128.load(before, 48);
    let toLog = f32x4.add(v128.load(ofLog + share), f32x4.mul(f0, x0));
    toLog = f32x4.add(toLog, f32x4.mul(f1, x1));
    toLog = f32x4.add(toLog, f32x4.mul(f2, x2));
    v128.store(ofLog + share, f32x4.add(toLog, f32x4.mul(f3, x3)));
  }
  v128.store(flows, f0);
  v128.store(flows, f1, 16);
  v128.store(flows, f2, 32);
  v128.store(flows, f3, 48);
}

/** Adds the features of each step's share to what earlier tiles of the head left. */
function writeShares(to: usize, share: usize, length: i32, stride: i32, isFirst: bool): void {
  for (let k = 0; k < length; k++) {
    const slot = at(to, k * stride);
    const sum = across(v128.load(share + (<usize> k << 4)));
    store<f32>(slot, isFirst ? sum : load<f32>(slot) + sum);
  }
}

/** Equations and shapes: src/ops/ssd.ts; scratch as `place` takes it, two banks and a sum. */
export function ssd_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  delta: usize,
  B: usize,
  C: usize,
  A: usize,
  D: usize,
  x0: usize,
  gradY: usize,
  gradState: usize,
  gradU: usize,
  gradDelta: usize,
  gradX0: usize,
  sharesB: usize,
  sharesC: usize,
  sharesA: usize,
  sharesD: usize,
  batch: i32,
  length: i32,
  head: i32,
  feature: i32,
  group: i32,
  states: i32,
): void {
  const starts = place(scratch, length);
  const flows = at(starts, states * TILE);
  const sumsD = at(flows, states * TILE);
  const perGroup = head / group;
  const rowOfGroups = group * states;
  const stride = <usize> rowOfGroups << 2;
  for (let task = begin; task < end; task++) {
    const b = task / head;
    const h = task % head;
    const row = b * length;
    const bank = row * rowOfGroups + (h / perGroup) * states;
    const sharesAt = (h % perGroup) * batch * length * rowOfGroups + bank;
    const rate: f32 = A == 0 ? 1 : load<f32>(at(A, h));
    for (let k = 0; k < length; k++) {
      const step: f32 = load<f32>(at(delta, (row + k) * head + h));
      store<f32>(at(decays, k), f32x4.extract_lane(exp(splat(step * rate)), 0));
    }
    clear(ofLog, 8 * length);
    clear(sumsD, 8);
    for (let first = 0; first < feature; first += TILE) {
      const width = least(TILE, feature - first);
      const carried = ((b * head + h) * feature + first) * states;
      for (let k = 0; k < length; k++) {
        const weight: f32 = A == 0 ? 1 : load<f32>(at(delta, (row + k) * head + h));
        // Zeros beyond the width.
        for (let q = 0; q < TILE; q += 4) {
          const lanes = width - q;
          const index = ((row + k) * head + h) * feature + first + q;
          const offset = at(0, k * TILE + q);
          const input = loadQuad(at(u, index), lanes);
          v128.store(gradients + offset, loadQuad(at(gradY, index), lanes));
          v128.store(scaled + offset, f32x4.mul(splat(weight), input));
          v128.store(received + offset, zero());
        }
      }
      columnsInto(starts, given(x0, carried), width, states, states, 1);
      columnsInto(flows, at(gradState, carried), width, states, states, 1);
      for (let n = 0; n < states; n++) {
        const rowB = at(B, bank + n);
        const rowC = at(C, bank + n);
        walkTile(at(starts, n * TILE), at(flows, n * TILE), length, rowB, rowC, stride);
        writeShares(at(sharesB, sharesAt + n), shareB, length, rowOfGroups, first == 0);
        writeShares(at(sharesC, sharesAt + n), shareC, length, rowOfGroups, first == 0);
      }
      if (gradX0 != 0) rowsInto(at(gradX0, carried), flows, width, states, states, 1);
      const skip = D == 0 ? zero() : v128.load32_splat(at(D, h));
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        let k = 0;
        while (k < length) {
          const stop = least(k + RUN, length);
          let ofD = zero();
          for (; k < stop; k++) {
            const index = ((row + k) * head + h) * feature + first + q;
            const offset = at(0, k * TILE + q);
            const weight: f32 = A == 0 ? 1 : load<f32>(at(delta, (row + k) * head + h));
            const input = loadQuad(at(u, index), lanes);
            const gradient = v128.load(gradients + offset);
            const toInput = v128.load(received + offset);
            const direct = f32x4.mul(splat(weight), toInput);
            storeQuad(at(gradU, index), f32x4.add(direct, f32x4.mul(skip, gradient)), lanes);
            const slot = ofWeight + (<usize> k << 4);
            v128.store(slot, f32x4.add(v128.load(slot), f32x4.mul(input, toInput)));
            ofD = f32x4.add(ofD, f32x4.mul(gradient, input));
          }
          addToSums(sumsD, ofD);
        }
      }
    }
    let ofA: f64 = 0;
    for (let k = 0; k < length; k++) {
      const index = (row + k) * head + h;
      const log = across(v128.load(ofLog + (<usize> k << 4)));
      const weight = across(v128.load(ofWeight + (<usize> k << 4)));
      ofA += <f64> load<f32>(at(delta, index)) * <f64> log;
      store<f32>(at(gradDelta, index), A == 0 ? log : rate * log + weight);
    }
    store<f32>(at(sharesA, task), <f32> ofA);
    const low = f64x2.add(v128.load(sumsD), v128.load(sumsD, 16));
    const ofD = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
    store<f32>(at(sharesD, task), <f32> ofD);
  }
}
