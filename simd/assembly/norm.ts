// Normalisations over the last axis. Sums are taken in f64, as in the twins: the kernels wait for
// memory anyway. A task is a row, or a group of a row.
import { silu } from "./activation";
import { at, loadQuad, splat, storeQuad } from "./lanes";

/** Upper two lanes, where `promote` takes them. */
// @ts-ignore: decorator
@inline
function upper(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 2, 3, 2, 3);
}

// @ts-ignore: decorator
@inline
export function addTo(sums: v128, v: v128): v128 {
  const low = f64x2.promote_low_f32x4(v);
  return f64x2.add(f64x2.add(sums, low), f64x2.promote_low_f32x4(upper(v)));
}

// @ts-ignore: decorator
@inline
export function addSquaresTo(sums: v128, v: v128): v128 {
  const low = f64x2.promote_low_f32x4(v);
  const high = f64x2.promote_low_f32x4(upper(v));
  return f64x2.add(f64x2.add(sums, f64x2.mul(low, low)), f64x2.mul(high, high));
}

// @ts-ignore: decorator
@inline
export function total(sums: v128): f64 {
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

/** x − mean in the lanes that exist, 0 in the others. */
// @ts-ignore: decorator
@inline
function centred(from: usize, mean: v128, lanes: i32): v128 {
  const value = f32x4.sub(loadQuad(from, lanes), mean);
  if (lanes >= 4) return value;
  const index = i32x4(0, 1, 2, 3);
  return v128.and(value, i32x4.lt_s(index, i32x4.splat(lanes)));
}

/** Equation: src/ops/layer_norm.ts. */
export function layer_norm(
  begin: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  weight: usize,
  bias: usize,
  out: usize,
  feature: i32,
  eps: f64,
): void {
  for (let row = begin; row < end; row++) {
    const from = at(x, row * feature);
    let sums = f64x2.splat(0);
    for (let i = 0; i < feature; i += 4) sums = addTo(sums, loadQuad(at(from, i), feature - i));
    // What f32 cannot hold of the mean is taken off in a second step.
    const exact = total(sums) / <f64> feature;
    const mean = <f32> exact;
    const rest = splat(<f32> (exact - <f64> mean));
    let squares = f64x2.splat(0);
    for (let i = 0; i < feature; i += 4) {
      squares = addSquaresTo(squares, centred(at(from, i), splat(mean), feature - i));
    }
    const excess = exact - <f64> mean;
    const variance = total(squares) / <f64> feature - excess * excess;
    const inverse = splat(<f32> (1 / Math.sqrt(variance + eps)));
    for (let i = 0; i < feature; i += 4) {
      const lanes = feature - i;
      const shifted = f32x4.sub(f32x4.sub(loadQuad(at(from, i), lanes), splat(mean)), rest);
      let value = f32x4.mul(shifted, inverse);
      if (weight != 0) value = f32x4.mul(value, loadQuad(at(weight, i), lanes));
      if (bias != 0) value = f32x4.add(value, loadQuad(at(bias, i), lanes));
      storeQuad(at(out, row * feature + i), value, lanes);
    }
  }
}

/** Where the gate stands. */
const GATE_FIRST: i32 = 1;
const GATE_LAST: i32 = 2;

/** Equation: src/ops/rms_norm.ts. A task is a group of `size` features. */
export function rms_norm(
  begin: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  weight: usize,
  z: usize,
  out: usize,
  size: i32,
  feature: i32,
  gate: i32,
  eps: f64,
): void {
  for (let group = begin; group < end; group++) {
    const start = group * size;
    let squares = f64x2.splat(0);
    for (let i = 0; i < size; i += 4) {
      const lanes = size - i;
      let value = loadQuad(at(x, start + i), lanes);
      if (gate == GATE_FIRST) {
        value = f32x4.mul(value, silu(loadQuad(at(z, start + i), lanes)));
        // Kept for the second sweep, which then needs no exponential.
        storeQuad(at(out, start + i), value, lanes);
      }
      squares = addSquaresTo(squares, value);
    }
    const inverse = splat(<f32> (1 / Math.sqrt(total(squares) / <f64> size + eps)));
    const column = start % feature;
    const source = gate == GATE_FIRST ? out : x;
    for (let i = 0; i < size; i += 4) {
      const lanes = size - i;
      let value = f32x4.mul(loadQuad(at(source, start + i), lanes), inverse);
      if (weight != 0) value = f32x4.mul(value, loadQuad(at(weight, column + i), lanes));
      if (gate == GATE_LAST) value = f32x4.mul(value, silu(loadQuad(at(z, start + i), lanes)));
      storeQuad(at(out, start + i), value, lanes);
    }
  }
}
