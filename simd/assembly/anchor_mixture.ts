// Quantiles around a mixture of candidate forecasts. A task is a row; vectors run over its anchors,
// then over its levels.
import { softplus } from "./activation";
import { exp } from "./math";
import { across, at, loadQuad, splat, storeQuad, zero } from "./lanes";

/** As in src/ops/anchor_mixture.ts. */
const SPREAD_MAX: f32 = 5;
const RAW_SHIFT: f32 = 0.5;

/** The largest lane. */
// @ts-ignore: decorator
@inline
function largest(v: v128): v128 {
  const pairs = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.pmax(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2));
}

/** Σ w·anchor over the anchors that are there, 0 where none is. */
// @ts-ignore: decorator
@inline
function baseOf(z: usize, anchors: usize, valid: usize, anchor: i32): f32 {
  const absent = splat(-f32.MAX_VALUE);
  let most = absent;
  for (let i = 0; i < anchor; i += 4) {
    const lanes = anchor - i;
    const isThere = f32x4.gt(loadQuad(at(valid, i), lanes), splat(0.5));
    most = f32x4.pmax(most, v128.bitselect(loadQuad(at(z, i), lanes), absent, isThere));
  }
  most = largest(most);
  let total = zero();
  let sum = zero();
  for (let i = 0; i < anchor; i += 4) {
    const lanes = anchor - i;
    const isThere = f32x4.gt(loadQuad(at(valid, i), lanes), splat(0.5));
    const logit = v128.bitselect(loadQuad(at(z, i), lanes), most, isThere);
    const weight = v128.and(exp(f32x4.sub(logit, most)), isThere);
    // An anchor that is not there may be anything, also no number.
    const candidate = v128.and(loadQuad(at(anchors, i), lanes), isThere);
    total = f32x4.add(total, weight);
    sum = f32x4.add(sum, f32x4.mul(weight, candidate));
  }
  const weights = across(total);
  return weights > 0 ? across(sum) / weights : 0;
}

/** Equations and shapes: src/ops/anchor_mixture.ts. `scratch` holds the offsets of a row's levels. */
export function anchor_mixture(
  begin: i32,
  end: i32,
  scratch: usize,
  z: usize,
  anchors: usize,
  valid: usize,
  scale: usize,
  q: usize,
  anchor: i32,
  level: i32,
): void {
  const middle = level >> 1;
  for (let row = begin; row < end; row++) {
    const columns = at(z, row * (anchor + 1 + level));
    const from = row * anchor;
    const base = baseOf(columns, at(anchors, from), at(valid, from), anchor);
    const spread = v128.load32_splat(at(columns, anchor));
    const held = f32x4.pmin(f32x4.pmax(spread, splat(-SPREAD_MAX)), splat(SPREAD_MAX));
    const gain = load<f32>(at(scale, row)) * f32x4.extract_lane(exp(held), 0);
    const raw = at(columns, anchor + 1);
    for (let k = 0; k < level; k += 4) {
      const lanes = level - k;
      const apart = softplus(f32x4.sub(loadQuad(at(raw, k), lanes), splat(RAW_SHIFT)));
      storeQuad(at(scratch, k), apart, lanes);
    }
    const to = at(q, row * level);
    const start = load<f32>(at(raw, middle));
    store<f32>(at(to, middle), base + gain * start);
    let offset = start;
    for (let k = middle + 1; k < level; k++) {
      offset += load<f32>(at(scratch, k));
      store<f32>(at(to, k), base + gain * offset);
    }
    offset = start;
    for (let k = middle - 1; k >= 0; k--) {
      offset -= load<f32>(at(scratch, k));
      store<f32>(at(to, k), base + gain * offset);
    }
  }
}
