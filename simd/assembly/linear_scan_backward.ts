// The way back through the linear scan: each state of four features is walked forward, then
// backward with the gradient's flow. A task is up to 16 features over the
// whole batch, whose sums it adds in f64.
import {
  abarI,
  abarR,
  backToMode,
  discretize,
  factorI,
  factorR,
  lambdaI,
  lambdaR,
  LTI,
  slopes,
  stepSize,
} from "./discretize";
import {
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
  sumsAt,
  sumsIntoRows,
  sumsOf,
  TILE,
  TILE_BYTES,
  zero,
} from "./lanes";

// Planes of the task at hand, [length][16]: inputs, gradients times scale, what each input
// receives; and the states before each step and after the last, [length + 1][16].
let inputs: usize = 0;
let gradients: usize = 0;
let received: usize = 0;
let walkedR: usize = 0;
let walkedI: usize = 0;
// With a step size a sample, [length][16] too: sizes, what they receive, Abar and factor of a state.
let sizes: usize = 0;
let toSizes: usize = 0;
let decaysR: usize = 0;
let decaysI: usize = 0;
let factorsR: usize = 0;
let factorsI: usize = 0;

function place(scratch: usize, length: i32, rule: i32): usize {
  const plane = <usize> length * TILE_BYTES;
  inputs = scratch;
  gradients = inputs + plane;
  received = gradients + plane;
  walkedR = received + plane;
  walkedI = walkedR + plane + TILE_BYTES;
  sizes = walkedI + plane + TILE_BYTES;
  if (rule == LTI) return sizes;
  toSizes = sizes + plane;
  decaysR = toSizes + plane;
  decaysI = decaysR + plane;
  factorsR = decaysI + plane;
  factorsI = factorsR + plane;
  return factorsI + plane;
}

/**
 * One state of four features, there and back. `from` is its place in the bank of six planes of
 * parts of A, B and C, in that of the start and in that of the flow; the sums have the bank's order.
 */
function walk(bank: usize, plane: usize, sums: usize, q: i32, length: i32): void {
  const ar = v128.load(bank);
  const ai = v128.load(bank + plane);
  const br = v128.load(bank + 2 * plane);
  const bi = v128.load(bank + 3 * plane);
  const cr = v128.load(bank + 4 * plane);
  const ci = v128.load(bank + 5 * plane);
  let xr = v128.load(bank + 6 * plane);
  let xi = v128.load(bank + 7 * plane);
  let offset = <usize> q << 2;
  for (let k = 0; k < length; k++) {
    v128.store(walkedR + offset, xr);
    v128.store(walkedI + offset, xi);
    const input = v128.load(inputs + offset);
    const turnedR = f32x4.sub(f32x4.mul(ar, xr), f32x4.mul(ai, xi));
    const turnedI = f32x4.add(f32x4.mul(ar, xi), f32x4.mul(ai, xr));
    xr = f32x4.add(turnedR, f32x4.mul(br, input));
    xi = f32x4.add(turnedI, f32x4.mul(bi, input));
    offset += TILE_BYTES;
  }
  let flowR = v128.load(bank + 8 * plane);
  let flowI = v128.load(bank + 9 * plane);
  let k = length;
  while (k > 0) {
    const stop = k > RUN ? k - RUN : 0;
    let ofAr = zero();
    let ofAi = zero();
    let ofBr = zero();
    let ofBi = zero();
    let ofCr = zero();
    let ofCi = zero();
    for (; k > stop; k--) {
      offset -= TILE_BYTES;
      const gradient = v128.load(gradients + offset);
      const input = v128.load(inputs + offset);
      flowR = f32x4.add(flowR, f32x4.mul(gradient, cr));
      flowI = f32x4.sub(flowI, f32x4.mul(gradient, ci));
      ofCr = f32x4.add(ofCr, f32x4.mul(gradient, xr));
      ofCi = f32x4.sub(ofCi, f32x4.mul(gradient, xi));
      xr = v128.load(walkedR + offset);
      xi = v128.load(walkedI + offset);
      const toInput = f32x4.add(f32x4.mul(br, flowR), f32x4.mul(bi, flowI));
      v128.store(received + offset, f32x4.add(v128.load(received + offset), toInput));
      ofBr = f32x4.add(ofBr, f32x4.mul(flowR, input));
      ofBi = f32x4.add(ofBi, f32x4.mul(flowI, input));
      ofAr = f32x4.add(ofAr, f32x4.add(f32x4.mul(xr, flowR), f32x4.mul(xi, flowI)));
      ofAi = f32x4.add(ofAi, f32x4.sub(f32x4.mul(xr, flowI), f32x4.mul(xi, flowR)));
      const backR = f32x4.add(f32x4.mul(ar, flowR), f32x4.mul(ai, flowI));
      flowI = f32x4.sub(f32x4.mul(ar, flowI), f32x4.mul(ai, flowR));
      flowR = backR;
    }
    const step = 2 * plane;
    addToSums(sums, ofAr);
    addToSums(sums + step, ofAi);
    addToSums(sums + 2 * step, ofBr);
    addToSums(sums + 3 * step, ofBi);
    addToSums(sums + 4 * step, ofCr);
    addToSums(sums + 5 * step, ofCi);
  }
  v128.store(bank + 8 * plane, flowR);
  v128.store(bank + 9 * plane, flowI);
}

/** The same with a step size a sample: Abar and factor are kept from the way there. */
function walkSteps(
  bank: usize,
  plane: usize,
  sums: usize,
  q: i32,
  length: i32,
  rule: i32,
): void {
  const re = v128.load(bank);
  const im = v128.load(bank + plane);
  const br = v128.load(bank + 2 * plane);
  const bi = v128.load(bank + 3 * plane);
  const cr = v128.load(bank + 4 * plane);
  const ci = v128.load(bank + 5 * plane);
  let xr = v128.load(bank + 6 * plane);
  let xi = v128.load(bank + 7 * plane);
  let offset = <usize> q << 2;
  for (let k = 0; k < length; k++) {
    discretize(re, im, v128.load(sizes + offset), rule);
    v128.store(walkedR + offset, xr);
    v128.store(walkedI + offset, xi);
    v128.store(decaysR + offset, abarR);
    v128.store(decaysI + offset, abarI);
    v128.store(factorsR + offset, factorR);
    v128.store(factorsI + offset, factorI);
    const input = v128.load(inputs + offset);
    const barR = f32x4.sub(f32x4.mul(factorR, br), f32x4.mul(factorI, bi));
    const barI = f32x4.add(f32x4.mul(factorR, bi), f32x4.mul(factorI, br));
    const turnedR = f32x4.sub(f32x4.mul(abarR, xr), f32x4.mul(abarI, xi));
    const turnedI = f32x4.add(f32x4.mul(abarR, xi), f32x4.mul(abarI, xr));
    xr = f32x4.add(turnedR, f32x4.mul(barR, input));
    xi = f32x4.add(turnedI, f32x4.mul(barI, input));
    offset += TILE_BYTES;
  }
  let flowR = v128.load(bank + 8 * plane);
  let flowI = v128.load(bank + 9 * plane);
  let k = length;
  while (k > 0) {
    const stop = k > RUN ? k - RUN : 0;
    let ofAr = zero();
    let ofAi = zero();
    let ofBr = zero();
    let ofBi = zero();
    let ofCr = zero();
    let ofCi = zero();
    for (; k > stop; k--) {
      offset -= TILE_BYTES;
      const gradient = v128.load(gradients + offset);
      const input = v128.load(inputs + offset);
      const ar = v128.load(decaysR + offset);
      const ai = v128.load(decaysI + offset);
      const fr = v128.load(factorsR + offset);
      const fi = v128.load(factorsI + offset);
      const size = v128.load(sizes + offset);
      flowR = f32x4.add(flowR, f32x4.mul(gradient, cr));
      flowI = f32x4.sub(flowI, f32x4.mul(gradient, ci));
      ofCr = f32x4.add(ofCr, f32x4.mul(gradient, xr));
      ofCi = f32x4.sub(ofCi, f32x4.mul(gradient, xi));
      xr = v128.load(walkedR + offset);
      xi = v128.load(walkedI + offset);
      const toAbarR = f32x4.add(f32x4.mul(xr, flowR), f32x4.mul(xi, flowI));
      const toAbarI = f32x4.sub(f32x4.mul(xr, flowI), f32x4.mul(xi, flowR));
      // conj(factor)·flow is what B·u receives.
      const backR = f32x4.add(f32x4.mul(fr, flowR), f32x4.mul(fi, flowI));
      const backI = f32x4.sub(f32x4.mul(fr, flowI), f32x4.mul(fi, flowR));
      const toInput = f32x4.add(f32x4.mul(br, backR), f32x4.mul(bi, backI));
      v128.store(received + offset, f32x4.add(v128.load(received + offset), toInput));
      ofBr = f32x4.add(ofBr, f32x4.mul(backR, input));
      ofBi = f32x4.add(ofBi, f32x4.mul(backI, input));
      const pulledR = f32x4.mul(flowR, input);
      const pulledI = f32x4.mul(flowI, input);
      const toFactorR = f32x4.add(f32x4.mul(br, pulledR), f32x4.mul(bi, pulledI));
      const toFactorI = f32x4.sub(f32x4.mul(br, pulledI), f32x4.mul(bi, pulledR));
      slopes(re, im, size, ar, ai, rule);
      backToMode(re, im, size, toAbarR, toAbarI, toFactorR, toFactorI);
      ofAr = f32x4.add(ofAr, lambdaR);
      ofAi = f32x4.add(ofAi, lambdaI);
      v128.store(toSizes + offset, f32x4.add(v128.load(toSizes + offset), stepSize));
      const turned = f32x4.add(f32x4.mul(ar, flowR), f32x4.mul(ai, flowI));
      flowI = f32x4.sub(f32x4.mul(ar, flowI), f32x4.mul(ai, flowR));
      flowR = turned;
    }
    const step = 2 * plane;
    addToSums(sums, ofAr);
    addToSums(sums + step, ofAi);
    addToSums(sums + 2 * step, ofBr);
    addToSums(sums + 3 * step, ofBi);
    addToSums(sums + 4 * step, ofCr);
    addToSums(sums + 5 * step, ofCi);
  }
  v128.store(bank + 8 * plane, flowR);
  v128.store(bank + 9 * plane, flowI);
}

/** Equations and shapes: src/ops/linear_scan.ts; rules as there. */
export function linear_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  A: usize,
  B: usize,
  C: usize,
  D: usize,
  dt: usize,
  x0: usize,
  gradY: usize,
  gradState: usize,
  gradU: usize,
  gradA: usize,
  gradB: usize,
  gradC: usize,
  gradD: usize,
  gradDt: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  feature: i32,
  states: i32,
  rule: i32,
  scale: f32,
): void {
  const count = states * TILE;
  const wide = 2 * states;
  const bank = place(scratch, length, rule);
  const plane = <usize> count << 2;
  const columns = bank + 10 * plane;
  const sums = bank + 11 * plane;
  const sumsD = at(sums, 12 * count);
  for (let task = begin; task < end; task++) {
    const first = task * TILE;
    const width = least(TILE, feature - first);
    const from = first * wide;
    clear(sums, 12 * count + 2 * TILE);
    for (let part = 0; part < 2; part++) {
      const own = bank + <usize> part * plane;
      columnsInto(own, at(A, from + part), width, states, wide, 2);
      columnsInto(own + 2 * plane, at(B, from + part), width, states, wide, 2);
      columnsInto(own + 4 * plane, at(C, from + part), width, states, wide, 2);
    }
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + first) * wide;
      for (let part = 0; part < 2; part++) {
        const own = bank + <usize> part * plane;
        columnsInto(own + 6 * plane, given(x0, carried + part), width, states, wide, 2);
        columnsInto(own + 8 * plane, at(gradState, carried + part), width, states, wide, 2);
      }
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const skip = D == 0 ? zero() : loadQuad(at(D, first + q), lanes);
        let k = 0;
        while (k < length) {
          const stop = least(k + RUN, length);
          let ofD = zero();
          for (; k < stop; k++) {
            const index = (b * length + k) * feature + first + q;
            const offset = at(0, k * TILE + q);
            const input = loadQuad(at(u, index), lanes);
            const gradient = loadQuad(at(gradY, index), lanes);
            v128.store(inputs + offset, input);
            v128.store(gradients + offset, f32x4.mul(splat(scale), gradient));
            v128.store(received + offset, f32x4.mul(skip, gradient));
            ofD = f32x4.add(ofD, f32x4.mul(gradient, input));
            if (rule == LTI) continue;
            v128.store(sizes + offset, loadQuad(at(dt, index), lanes));
            v128.store(toSizes + offset, zero());
          }
          addToSums(sumsOf(sumsD, q), ofD);
        }
        for (let n = 0; n < states; n++) {
          const i = n * TILE + q;
          if (rule == LTI) walk(at(bank, i), plane, sumsOf(sums, i), q, length);
          else walkSteps(at(bank, i), plane, sumsOf(sums, i), q, length, rule);
        }
        for (k = 0; k < length; k++) {
          const index = (b * length + k) * feature + first + q;
          const offset = at(0, k * TILE + q);
          storeQuad(at(gradU, index), v128.load(received + offset), lanes);
          if (rule != LTI) storeQuad(at(gradDt, index), v128.load(toSizes + offset), lanes);
        }
      }
      if (gradX0 == 0) continue;
      rowsInto(at(gradX0, carried), bank + 8 * plane, width, states, wide, 2);
      rowsInto(at(gradX0, carried + 1), bank + 9 * plane, width, states, wide, 2);
    }
    for (let part = 0; part < 2; part++) {
      const own = at(sums, 2 * part * count);
      const step = 4 * plane;
      sumsIntoRows(at(gradA, from + part), own, columns, width, states, wide, 2);
      sumsIntoRows(at(gradB, from + part), own + step, columns, width, states, wide, 2);
      sumsIntoRows(at(gradC, from + part), own + 2 * step, columns, width, states, wide, 2);
    }
    for (let q = 0; q < width && gradD != 0; q += 4) {
      storeQuad(at(gradD, first + q), sumsAt(sumsOf(sumsD, q)), width - q);
    }
  }
}
