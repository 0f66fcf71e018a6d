// Causal depthwise convolution. Vectors run over features; a task is one row of the batch and up to
// 16 features.
import { silu } from "./activation";
import { at, columnsInto, given, least, loadQuad, rowsInto, storeQuad, TILE, zero } from "./lanes";

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
