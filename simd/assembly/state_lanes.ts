// One step of the selective recurrence on states that lie as lanes (src/ops/_helpers/lanes.ts): a
// vector holds four states of a feature, neighbouring vectors belong to neighbouring features.
import { at, QUAD, zero } from "./lanes";
import { decayOf } from "./math";

/** The sums of four vectors' lanes, as one vector. */
// @ts-ignore: decorator
@inline
export function sumsOfFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 1, 4, 5), v128.shuffle<f32>(c, d, 2, 3, 6, 7));
  const even = v128.shuffle<f32>(ab, cd, 0, 2, 4, 6);
  return f32x4.add(even, v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}

// @ts-ignore: decorator
@inline
function lane0(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
function lane1(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 1, 1, 1, 1);
}

// @ts-ignore: decorator
@inline
function lane2(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 2, 2, 2, 2);
}

// @ts-ignore: decorator
@inline
function lane3(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 3, 3, 3, 3);
}

/** 2^(dt·rate)·state + input·B of one vector, stored; returns what it adds to C·state. */
// @ts-ignore: decorator
@inline
function advanceAt(place: usize, rate: usize, dt: v128, input: v128, B: v128): v128 {
  const decay = decayOf(f32x4.mul(dt, v128.load(rate)));
  const next = f32x4.add(f32x4.mul(decay, v128.load(place)), f32x4.mul(input, B));
  v128.store(place, next);
  return next;
}

/**
 * Advances the states of four features by 2^(dt·rate)·state + input·B and returns C·state of each.
 *
 * @param states   their first vectors; the next ones follow after `stride` bytes
 * @param rates    likewise, A over ln 2
 * @param B        and C: [4·vectors]
 */
export function advanceFour(
  states: usize,
  rates: usize,
  stride: usize,
  vectors: i32,
  dt: v128,
  input: v128,
  B: usize,
  C: usize,
): v128 {
  const dt0 = lane0(dt);
  const dt1 = lane1(dt);
  const dt2 = lane2(dt);
  const dt3 = lane3(dt);
  const in0 = lane0(input);
  const in1 = lane1(input);
  const in2 = lane2(input);
  const in3 = lane3(input);
  let y0 = zero();
  let y1 = zero();
  let y2 = zero();
  let y3 = zero();
  for (let n = 0; n < vectors; n++) {
    const b = v128.load(B);
    const c = v128.load(C);
    y0 = f32x4.add(y0, f32x4.mul(c, advanceAt(states, rates, dt0, in0, b)));
    y1 = f32x4.add(y1, f32x4.mul(c, advanceAt(states + QUAD, rates + QUAD, dt1, in1, b)));
    y2 = f32x4.add(y2, f32x4.mul(c, advanceAt(states + 2 * QUAD, rates + 2 * QUAD, dt2, in2, b)));
    y3 = f32x4.add(y3, f32x4.mul(c, advanceAt(states + 3 * QUAD, rates + 3 * QUAD, dt3, in3, b)));
    states += stride;
    rates += stride;
    B += QUAD;
    C += QUAD;
  }
  return sumsOfFour(y0, y1, y2, y3);
}

/** Address of the states of a row and of `feature` in it. */
// @ts-ignore: decorator
@inline
export function statesAt(base: usize, row: i32, features: i32, states: i32, feature: i32): usize {
  return at(base, row * features * states + 4 * feature);
}
