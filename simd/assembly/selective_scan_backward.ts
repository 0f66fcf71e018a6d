// The way back through the selective scan: each state of each vector of features is walked forward
// to find its values again, then backward with the gradient's flow. A task is up to 16 features of
// one group, over the whole batch, whose sums it adds in f64; sums over features that several tasks
// share (gradients of B and C) go to `shares`, one row a task, and are added by `column_sums`.
import { silu, siluSlope, softplus, softplusSlope } from "./activation";
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
  storeQuad,
  sumsAt,
  sumsIntoRows,
  sumsOf,
  TILE,
  TILE_BYTES,
  zero,
} from "./lanes";
import { exp } from "./math";

// Areas of the scratch of the task at hand. Planes are [length][16].
let steps: usize = 0;
let scaled: usize = 0;
let gradients: usize = 0;
let ofInput: usize = 0;
let ofStep: usize = 0;
let reached: usize = 0;
let decays: usize = 0;
/** States before each step, and after the last: [length + 1][16]. */
let walked: usize = 0;
/** What each step's features give to B and C: [length][4]. */
let shareB: usize = 0;
let shareC: usize = 0;

function place(scratch: usize, length: i32): usize {
  const plane = <usize> length * TILE_BYTES;
  steps = scratch;
  scaled = steps + plane;
  gradients = scaled + plane;
  ofInput = gradients + plane;
  ofStep = ofInput + plane;
  reached = ofStep + plane;
  decays = reached + plane;
  walked = decays + plane;
  shareB = walked + plane + TILE_BYTES;
  shareC = shareB + (<usize> length << 4);
  return shareC + (<usize> length << 4);
}

/** Walks one state of four features forward; leaves its values, decays and C·x. */
function walkForward(
  rate: v128,
  start: v128,
  q: i32,
  length: i32,
  B: usize,
  strideB: usize,
  C: usize,
  strideC: usize,
): void {
  let x = start;
  let offset = <usize> q << 2;
  for (let k = 0; k < length; k++) {
    v128.store(walked + offset, x);
    const decay = exp(f32x4.mul(v128.load(steps + offset), rate));
    v128.store(decays + offset, decay);
    // A stride of 0 is one vector for all steps, else each step has one number.
    const inB = strideB == 0 ? v128.load(B) : v128.load32_splat(B);
    const outC = strideC == 0 ? v128.load(C) : v128.load32_splat(C);
    x = f32x4.add(f32x4.mul(decay, x), f32x4.mul(v128.load(scaled + offset), inB));
    const sum = v128.load(reached + offset);
    v128.store(reached + offset, f32x4.add(sum, f32x4.mul(outC, x)));
    B += strideB;
    C += strideC;
    offset += TILE_BYTES;
  }
  v128.store(walked + offset, x);
}

/**
 * Walks it backward; `B` and `C` stand behind the last step. Leaves what each step's input and size
 * receive, and the shares or sums of A, B and C. Returns the gradient of the state before.
 */
function walkBackward(
  rate: v128,
  end: v128,
  q: i32,
  length: i32,
  B: usize,
  strideB: usize,
  C: usize,
  strideC: usize,
  sumA: usize,
  sumB: usize,
  sumC: usize,
): v128 {
  let flow = end;
  let k = length;
  let offset = (<usize> length * TILE_BYTES) + (<usize> q << 2);
  let share = <usize> length << 4;
  while (k > 0) {
    const stop = k > RUN ? k - RUN : 0;
    let ofA = zero();
    let ofB = zero();
    let ofC = zero();
    for (; k > stop; k--) {
      const after = v128.load(walked + offset);
      offset -= TILE_BYTES;
      share -= 16;
      B -= strideB;
      C -= strideC;
      const inB = strideB == 0 ? v128.load(B) : v128.load32_splat(B);
      const outC = strideC == 0 ? v128.load(C) : v128.load32_splat(C);
      const gradient = v128.load(gradients + offset);
      const arrived = f32x4.add(flow, f32x4.mul(gradient, outC));
      flow = f32x4.mul(v128.load(decays + offset), arrived);
      const ofPower = f32x4.mul(flow, v128.load(walked + offset));
      const input = v128.load(ofInput + offset);
      v128.store(ofInput + offset, f32x4.add(input, f32x4.mul(inB, arrived)));
      const step = v128.load(ofStep + offset);
      v128.store(ofStep + offset, f32x4.add(step, f32x4.mul(rate, ofPower)));
      ofA = f32x4.add(ofA, f32x4.mul(v128.load(steps + offset), ofPower));
      const toB = f32x4.mul(v128.load(scaled + offset), arrived);
      const toC = f32x4.mul(gradient, after);
      if (strideB == 0) ofB = f32x4.add(ofB, toB);
      else v128.store(shareB + share, q == 0 ? toB : f32x4.add(v128.load(shareB + share), toB));
      if (strideC == 0) ofC = f32x4.add(ofC, toC);
      else v128.store(shareC + share, q == 0 ? toC : f32x4.add(v128.load(shareC + share), toC));
    }
    addToSums(sumA, ofA);
    if (strideB == 0) addToSums(sumB, ofB);
    if (strideC == 0) addToSums(sumC, ofC);
  }
  return flow;
}

/** Adds the features of each step's share and writes them `stride` floats apart. */
function writeShares(to: usize, share: usize, length: i32, stride: i32): void {
  for (let k = 0; k < length; k++) {
    store<f32>(at(to, k * stride), across(v128.load(share + (<usize> k << 4))));
  }
}

/** Equations and shapes: src/ops/selective_scan.ts, real states; scratch as `place` takes it. */
export function selective_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  delta: usize,
  A: usize,
  B: usize,
  C: usize,
  D: usize,
  z: usize,
  deltaBias: usize,
  x0: usize,
  gradY: usize,
  gradState: usize,
  gradU: usize,
  gradDelta: usize,
  gradA: usize,
  gradB: usize,
  gradC: usize,
  gradD: usize,
  gradZ: usize,
  gradDeltaBias: usize,
  gradX0: usize,
  sharesB: usize,
  sharesC: usize,
  batch: i32,
  length: i32,
  feature: i32,
  states: i32,
  groups: i32,
  groupB: i32,
  groupC: i32,
  isSoftplus: i32,
): void {
  const perGroup = feature / groups;
  const tiles = (perGroup + TILE - 1) / TILE;
  const bank = states * TILE;
  const rates = place(scratch, length);
  const fixedB = at(rates, bank);
  const fixedC = at(rates, 2 * bank);
  const starts = at(rates, 3 * bank);
  const flows = at(rates, 4 * bank);
  const columns = at(rates, 5 * bank);
  const sumsA = at(rates, 6 * bank);
  const sumsB = at(rates, 8 * bank);
  const sumsC = at(rates, 10 * bank);
  const sumsD = at(rates, 12 * bank);
  const sumsBias = at(sumsD, 2 * TILE);
  for (let task = begin; task < end; task++) {
    const group = task / tiles;
    const first = group * perGroup + (task % tiles) * TILE;
    const width = least(TILE, perGroup - (task % tiles) * TILE);
    const bankAt = first * states;
    clear(sumsA, 6 * bank + 4 * TILE);
    columnsInto(rates, at(A, bankAt), width, states, states, 1);
    if (groupB == 0) columnsInto(fixedB, at(B, bankAt), width, states, states, 1);
    if (groupC == 0) columnsInto(fixedC, at(C, bankAt), width, states, states, 1);
    const rowB = groupB * states;
    const rowC = groupC * states;
    const strideB = <usize> rowB << 2;
    const strideC = <usize> rowC << 2;
    const groupOfB = group * groupB / groups;
    const groupOfC = group * groupC / groups;
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + first) * states;
      const row = b * length;
      for (let k = 0; k < length; k++) {
        for (let q = 0; q < width; q += 4) {
          const lanes = width - q;
          const index = (row + k) * feature + first + q;
          const offset = at(0, k * TILE + q);
          let dt = loadQuad(at(delta, index), lanes);
          if (deltaBias != 0) dt = f32x4.add(dt, loadQuad(at(deltaBias, first + q), lanes));
          if (isSoftplus) dt = softplus(dt);
          const input = loadQuad(at(u, index), lanes);
          let gradient = loadQuad(at(gradY, index), lanes);
          if (z != 0) gradient = f32x4.mul(gradient, silu(loadQuad(at(z, index), lanes)));
          v128.store(steps + offset, dt);
          v128.store(scaled + offset, f32x4.mul(dt, input));
          v128.store(gradients + offset, gradient);
          v128.store(ofInput + offset, zero());
          v128.store(ofStep + offset, zero());
          const skip = D == 0 ? zero() : f32x4.mul(loadQuad(at(D, first + q), lanes), input);
          v128.store(reached + offset, skip);
        }
      }
      columnsInto(starts, given(x0, carried), width, states, states, 1);
      columnsInto(flows, at(gradState, carried), width, states, states, 1);
      for (let n = 0; n < states; n++) {
        const atB = at(B, row * rowB + groupOfB * states + n);
        const atC = at(C, row * rowC + groupOfC * states + n);
        for (let q = 0; q < width; q += 4) {
          const i = n * TILE + q;
          const rate = v128.load(at(rates, i));
          const fromB = groupB == 0 ? at(fixedB, i) : atB;
          const fromC = groupC == 0 ? at(fixedC, i) : atC;
          const x = v128.load(at(starts, i));
          walkForward(rate, x, q, length, fromB, strideB, fromC, strideC);
          const flow = walkBackward(
            rate,
            v128.load(at(flows, i)),
            q,
            length,
            fromB + <usize> length * strideB,
            strideB,
            fromC + <usize> length * strideC,
            strideC,
            sumsOf(sumsA, i),
            sumsOf(sumsB, i),
            sumsOf(sumsC, i),
          );
          v128.store(at(flows, i), flow);
        }
        if (groupB != 0) {
          const own = (group % (groups / groupB)) * tiles + task % tiles;
          const to = ((own * batch * length + row) * groupB + groupOfB) * states + n;
          writeShares(at(sharesB, to), shareB, length, rowB);
        }
        if (groupC != 0) {
          const own = (group % (groups / groupC)) * tiles + task % tiles;
          const to = ((own * batch * length + row) * groupC + groupOfC) * states + n;
          writeShares(at(sharesC, to), shareC, length, rowC);
        }
      }
      if (gradX0 != 0) rowsInto(at(gradX0, carried), flows, width, states, states, 1);
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const skip = D == 0 ? zero() : loadQuad(at(D, first + q), lanes);
        let k = 0;
        while (k < length) {
          const stop = least(k + RUN, length);
          let ofD = zero();
          let ofBias = zero();
          for (; k < stop; k++) {
            const index = (row + k) * feature + first + q;
            const offset = at(0, k * TILE + q);
            const input = loadQuad(at(u, index), lanes);
            const gradient = v128.load(gradients + offset);
            const toInput = v128.load(ofInput + offset);
            let toStep = f32x4.add(v128.load(ofStep + offset), f32x4.mul(input, toInput));
            if (isSoftplus) {
              let raw = loadQuad(at(delta, index), lanes);
              if (deltaBias != 0) raw = f32x4.add(raw, loadQuad(at(deltaBias, first + q), lanes));
              toStep = f32x4.mul(softplusSlope(raw), toStep);
            }
            const direct = f32x4.mul(v128.load(steps + offset), toInput);
            storeQuad(at(gradU, index), f32x4.add(direct, f32x4.mul(skip, gradient)), lanes);
            storeQuad(at(gradDelta, index), toStep, lanes);
            if (gradZ != 0) {
              const slope = siluSlope(loadQuad(at(z, index), lanes));
              const arrived = f32x4.mul(loadQuad(at(gradY, index), lanes), slope);
              storeQuad(at(gradZ, index), f32x4.mul(arrived, v128.load(reached + offset)), lanes);
            }
            ofD = f32x4.add(ofD, f32x4.mul(gradient, input));
            ofBias = f32x4.add(ofBias, toStep);
          }
          addToSums(sumsOf(sumsD, q), ofD);
          addToSums(sumsOf(sumsBias, q), ofBias);
        }
      }
    }
    sumsIntoRows(at(gradA, bankAt), sumsA, columns, width, states, states, 1);
    if (groupB == 0) sumsIntoRows(at(gradB, bankAt), sumsB, columns, width, states, states, 1);
    if (groupC == 0) sumsIntoRows(at(gradC, bankAt), sumsC, columns, width, states, states, 1);
    for (let q = 0; q < width; q += 4) {
      const lanes = width - q;
      if (gradD != 0) storeQuad(at(gradD, first + q), sumsAt(sumsOf(sumsD, q)), lanes);
      if (gradDeltaBias == 0) continue;
      storeQuad(at(gradDeltaBias, first + q), sumsAt(sumsOf(sumsBias, q)), lanes);
    }
  }
}
