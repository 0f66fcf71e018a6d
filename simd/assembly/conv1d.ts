// Causal depthwise convolution. Vectors run over features; a task is one row of the batch and up to
// 16 features.
import { silu, siluSlope } from "./activation";
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
  storeQuad,
  sumsAt,
  sumsIntoRows,
  sumsOf,
  TILE,
  zero,
} from "./lanes";

/** The input at a time, which before 0 lies in the carried window. */
// @ts-ignore: decorator
@inline
export function inputAt(
  u: usize,
  window: usize,
  k: i32,
  past: i32,
  q: i32,
  base: i32,
  feature: i32,
  lanes: i32,
): v128 {
  return k < 0
    ? v128.load(at(window, (k + past) * TILE + q))
    : loadQuad(at(u, base + k * feature), lanes);
}

/** Equations and shapes: src/ops/conv1d.ts. `scratch` holds [2·taps][16] floats. */
export function conv1d(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  weight: usize,
  bias: usize,
  x0: usize,
  y: usize,
  state: usize,
  length: i32,
  feature: i32,
  taps: i32,
  isSilu: i32,
): void {
  const tiles = (feature + TILE - 1) / TILE;
  const past = taps - 1;
  const window = at(scratch, taps * TILE);
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    const carried = (b * feature + first) * past;
    columnsInto(scratch, at(weight, first * taps), width, taps, taps, 1);
    columnsInto(window, given(x0, carried), width, past, past, 1);
    const base = b * length * feature + first;
    for (let k = 0; k < length; k++) {
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        let sum = bias == 0 ? zero() : loadQuad(at(bias, first + q), lanes);
        for (let j = 0; j < taps; j++) {
          const input = inputAt(u, window, k - past + j, past, q, base + q, feature, lanes);
          sum = f32x4.add(sum, f32x4.mul(v128.load(at(scratch, j * TILE + q)), input));
        }
        storeQuad(at(y, base + k * feature + q), isSilu ? silu(sum) : sum, lanes);
      }
    }
    // The newest inputs, oldest first: in their order, since the window moves down.
    for (let j = 0; j < past; j++) {
      const k = length - past + j;
      for (let q = 0; q < width; q += 4) {
        const input = inputAt(u, window, k, past, q, base + q, feature, width - q);
        v128.store(at(window, j * TILE + q), input);
      }
    }
    rowsInto(at(state, carried), window, width, past, past, 1);
  }
}

/**
 * The way back. A task is up to 16 features over the whole batch, whose sums it adds in f64.
 * `scratch` holds [2·(length + taps − 1) + 4·taps + 2][16] floats.
 */
export function conv1d_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  weight: usize,
  bias: usize,
  x0: usize,
  gradY: usize,
  gradState: usize,
  gradU: usize,
  gradWeight: usize,
  gradBias: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  feature: i32,
  taps: i32,
  isSilu: i32,
): void {
  const past = taps - 1;
  const window = scratch;
  const gradients = at(window, (length + past) * TILE);
  const weights = at(gradients, (length + past) * TILE);
  const columns = at(weights, taps * TILE);
  const sums = at(columns, taps * TILE);
  const sumsBias = at(sums, 2 * taps * TILE);
  for (let task = begin; task < end; task++) {
    const first = task * TILE;
    const width = least(TILE, feature - first);
    clear(sums, 2 * (taps + 1) * TILE);
    columnsInto(weights, at(weight, first * taps), width, taps, taps, 1);
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + first) * past;
      const base = b * length * feature + first;
      clear(gradients, length * TILE);
      columnsInto(window, given(x0, carried), width, past, past, 1);
      // The state is the end of the window of carried and given inputs.
      columnsInto(at(gradients, length * TILE), at(gradState, carried), width, past, past, 1);
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        for (let k = 0; k < length; k++) {
          const input = loadQuad(at(u, base + k * feature + q), lanes);
          v128.store(at(window, (past + k) * TILE + q), input);
        }
        const start = bias == 0 ? zero() : loadQuad(at(bias, first + q), lanes);
        let k = 0;
        while (k < length) {
          const stop = least(k + RUN, length);
          let ofBias = zero();
          for (let j = 0; j < taps; j++) v128.store(at(columns, j * TILE + q), zero());
          for (; k < stop; k++) {
            let slope = loadQuad(at(gradY, base + k * feature + q), lanes);
            if (isSilu) {
              let sum = start;
              for (let j = 0; j < taps; j++) {
                const input = v128.load(at(window, (k + j) * TILE + q));
                sum = f32x4.add(sum, f32x4.mul(v128.load(at(weights, j * TILE + q)), input));
              }
              slope = f32x4.mul(slope, siluSlope(sum));
            }
            ofBias = f32x4.add(ofBias, slope);
            for (let j = 0; j < taps; j++) {
              const tap = j * TILE + q;
              const input = v128.load(at(window, (k + j) * TILE + q));
              const sum = v128.load(at(columns, tap));
              v128.store(at(columns, tap), f32x4.add(sum, f32x4.mul(slope, input)));
              const to = at(gradients, (k + j) * TILE + q);
              const back = f32x4.mul(slope, v128.load(at(weights, tap)));
              v128.store(to, f32x4.add(v128.load(to), back));
            }
          }
          addToSums(sumsOf(sumsBias, q), ofBias);
          for (let j = 0; j < taps; j++) {
            const tap = j * TILE + q;
            addToSums(sumsOf(sums, tap), v128.load(at(columns, tap)));
          }
        }
        for (k = 0; k < length; k++) {
          const received = v128.load(at(gradients, (past + k) * TILE + q));
          storeQuad(at(gradU, base + k * feature + q), received, lanes);
        }
      }
      if (gradX0 != 0) rowsInto(at(gradX0, carried), gradients, width, past, past, 1);
    }
    sumsIntoRows(at(gradWeight, first * taps), sums, columns, width, taps, taps, 1);
    for (let q = 0; q < width && gradBias != 0; q += 4) {
      storeQuad(at(gradBias, first + q), sumsAt(sumsOf(sumsBias, q)), width - q);
    }
  }
}
