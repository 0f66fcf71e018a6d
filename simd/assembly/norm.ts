// Normalisations over the last axis. Sums are taken in f64, as in the twins: the kernels wait for
// memory anyway. A task is a row, or a group of a row.
import { silu, siluSlope } from "./activation";
import { at, clear, given, least, loadQuad, splat, storeQuad } from "./lanes";

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

/** shares[i] += v. */
// @ts-ignore: decorator
@inline
function addToShare(share: usize, v: v128, lanes: i32): void {
  storeQuad(share, f32x4.add(loadQuad(share, lanes), v), lanes);
}

/**
 * The way back through `layer_norm`. A task is `block` rows, which leave what they give to weight
 * and bias in a row of `weightShares` and `biasShares` each; address 0 where there is none.
 */
export function layer_norm_backward(
  begin: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  weight: usize,
  gradOut: usize,
  gradX: usize,
  weightShares: usize,
  biasShares: usize,
  rows: i32,
  block: i32,
  feature: i32,
  eps: f64,
): void {
  for (let task = begin; task < end; task++) {
    const ofWeight = given(weightShares, task * feature);
    const ofBias = given(biasShares, task * feature);
    if (ofWeight != 0) clear(ofWeight, feature);
    if (ofBias != 0) clear(ofBias, feature);
    const last = least((task + 1) * block, rows);
    for (let row = task * block; row < last; row++) {
      layerNormRow(row, x, weight, gradOut, gradX, ofWeight, ofBias, feature, eps);
    }
  }
}

function layerNormRow(
  row: i32,
  x: usize,
  weight: usize,
  gradOut: usize,
  gradX: usize,
  ofWeight: usize,
  ofBias: usize,
  feature: i32,
  eps: f64,
): void {
  const base = row * feature;
  const from = at(x, base);
  let sums = f64x2.splat(0);
  for (let i = 0; i < feature; i += 4) sums = addTo(sums, loadQuad(at(from, i), feature - i));
  const exact = total(sums) / <f64> feature;
  const mean = <f32> exact;
  const excess = exact - <f64> mean;
  let squares = f64x2.splat(0);
  for (let i = 0; i < feature; i += 4) {
    squares = addSquaresTo(squares, centred(at(from, i), splat(mean), feature - i));
  }
  const variance = total(squares) / <f64> feature - excess * excess;
  const inverse = 1 / Math.sqrt(variance + eps);
  const scale = splat(<f32> inverse);
  let along = f64x2.splat(0);
  let level = f64x2.splat(0);
  // v waits in gradX for the second sweep.
  for (let i = 0; i < feature; i += 4) {
    const lanes = feature - i;
    const shifted = f32x4.sub(loadQuad(at(from, i), lanes), splat(mean));
    const v = f32x4.mul(f32x4.sub(shifted, splat(<f32> excess)), scale);
    const gradient = loadQuad(at(gradOut, base + i), lanes);
    let g = gradient;
    if (weight != 0) g = f32x4.mul(g, loadQuad(at(weight, i), lanes));
    if (ofWeight != 0) addToShare(at(ofWeight, i), f32x4.mul(gradient, v), lanes);
    if (ofBias != 0) addToShare(at(ofBias, i), gradient, lanes);
    storeQuad(at(gradX, base + i), v, lanes);
    along = addProductsTo(along, g, v);
    level = addTo(level, g);
  }
  const ofV = splat(<f32> (total(along) / <f64> feature));
  const ofMean = splat(<f32> (total(level) / <f64> feature));
  for (let i = 0; i < feature; i += 4) {
    const lanes = feature - i;
    let g = loadQuad(at(gradOut, base + i), lanes);
    if (weight != 0) g = f32x4.mul(g, loadQuad(at(weight, i), lanes));
    const v = loadQuad(at(gradX, base + i), lanes);
    const pulled = f32x4.sub(f32x4.sub(g, ofMean), f32x4.mul(v, ofV));
    storeQuad(at(gradX, base + i), f32x4.mul(pulled, scale), lanes);
  }
}

// @ts-ignore: decorator
@inline
function addProductsTo(sums: v128, a: v128, b: v128): v128 {
  const low = f64x2.mul(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b));
  const high = f64x2.mul(f64x2.promote_low_f32x4(upper(a)), f64x2.promote_low_f32x4(upper(b)));
  return f64x2.add(f64x2.add(sums, low), high);
}

/** The way back through `rms_norm`. A task is `block` groups; shares as in `layer_norm_backward`. */
export function rms_norm_backward(
  begin: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  weight: usize,
  z: usize,
  gradOut: usize,
  gradX: usize,
  gradZ: usize,
  weightShares: usize,
  groups: i32,
  block: i32,
  size: i32,
  feature: i32,
  gate: i32,
  eps: f64,
): void {
  for (let task = begin; task < end; task++) {
    const share = given(weightShares, task * feature);
    if (share != 0) clear(share, feature);
    const last = least((task + 1) * block, groups);
    for (let group = task * block; group < last; group++) {
      rmsNormGroup(group, x, weight, z, gradOut, gradX, gradZ, share, size, feature, gate, eps);
    }
  }
}

function rmsNormGroup(
  group: i32,
  x: usize,
  weight: usize,
  z: usize,
  gradOut: usize,
  gradX: usize,
  gradZ: usize,
  share: usize,
  size: i32,
  feature: i32,
  gate: i32,
  eps: f64,
): void {
  const start = group * size;
  const column = start % feature;
  let squares = f64x2.splat(0);
  // v waits in gradX for the other sweeps.
  for (let i = 0; i < size; i += 4) {
    const lanes = size - i;
    let v = loadQuad(at(x, start + i), lanes);
    if (gate == GATE_FIRST) v = f32x4.mul(v, silu(loadQuad(at(z, start + i), lanes)));
    storeQuad(at(gradX, start + i), v, lanes);
    squares = addSquaresTo(squares, v);
  }
  const exact = 1 / Math.sqrt(total(squares) / <f64> size + eps);
  const inverse = splat(<f32> exact);
  let along = f64x2.splat(0);
  for (let i = 0; i < size; i += 4) {
    const lanes = size - i;
    const v = loadQuad(at(gradX, start + i), lanes);
    const unit = f32x4.mul(v, inverse);
    const gradient = loadQuad(at(gradOut, start + i), lanes);
    let inner = gradient;
    const scale = weight == 0 ? splat(1) : loadQuad(at(weight, column + i), lanes);
    if (gate == GATE_LAST) {
      const gateAt = loadQuad(at(z, start + i), lanes);
      inner = f32x4.mul(gradient, silu(gateAt));
      const arrived = f32x4.mul(f32x4.mul(gradient, unit), scale);
      storeQuad(at(gradZ, start + i), f32x4.mul(arrived, siluSlope(gateAt)), lanes);
    }
    if (share != 0) addToShare(at(share, column + i), f32x4.mul(inner, unit), lanes);
    along = addProductsTo(along, f32x4.mul(inner, scale), v);
  }
  const pull = splat(<f32> (exact * exact * total(along) / <f64> size));
  for (let i = 0; i < size; i += 4) {
    const lanes = size - i;
    let inner = loadQuad(at(gradOut, start + i), lanes);
    const scale = weight == 0 ? splat(1) : loadQuad(at(weight, column + i), lanes);
    if (gate == GATE_LAST) inner = f32x4.mul(inner, silu(loadQuad(at(z, start + i), lanes)));
    const v = loadQuad(at(gradX, start + i), lanes);
    const pulled = f32x4.sub(f32x4.mul(inner, scale), f32x4.mul(v, pull));
    let gradient = f32x4.mul(inverse, pulled);
    if (gate == GATE_FIRST) {
      const gateAt = loadQuad(at(z, start + i), lanes);
      const arrived = f32x4.mul(gradient, loadQuad(at(x, start + i), lanes));
      storeQuad(at(gradZ, start + i), f32x4.mul(arrived, siluSlope(gateAt)), lanes);
      gradient = f32x4.mul(gradient, silu(gateAt));
    }
    storeQuad(at(gradX, start + i), gradient, lanes);
  }
}
