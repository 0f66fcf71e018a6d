// One sample of a Mamba block for many streams. Four rows of the batch go through each product
// together, so that a weight is read once for four streams; vectors run along the sums of products
// and over states, as the weights lie. A task is up to 8 rows of the batch.
import { silu, softplus } from "./activation";
import { across, at, least, QUAD, splat, zero } from "./lanes";
import { advanceFour, statesAt, sumsOfFour } from "./state_lanes";

/** Rows of a task: `TASK_ROWS` in src/ops/_helpers/mamba_step_simd.ts. */
const TASK_ROWS: i32 = 8;
/** Rows that share a pass over the weights. */
const BLOCK: i32 = 4;

/** The low halves of two sums of lanes beside each other: a0+a2, a1+a3, b0+b2, b1+b3. */
// @ts-ignore: decorator
@inline
function halves(a: v128, b: v128): v128 {
  return f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
}

/**
 * Four rows times packed weights [count/4, columns, 4]: out[r][c] = Σ_k x[r][k]·w[k][c]. Columns are
 * an even number.
 */
function multiplyFour(
  weights: usize,
  columns: i32,
  count: i32,
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  out: usize,
): void {
  const stride = <usize> columns << 4;
  const bytes = <usize> count << 2;
  const out1 = at(out, columns);
  const out2 = at(out1, columns);
  const out3 = at(out2, columns);
  for (let c = 0; c < columns; c += 2) {
    let w = weights + (<usize> c << 4);
    let a0 = zero();
    let b0 = zero();
    let a1 = zero();
    let b1 = zero();
    let a2 = zero();
    let b2 = zero();
    let a3 = zero();
    let b3 = zero();
    for (let k: usize = 0; k < bytes; k += QUAD) {
      const first = v128.load(w);
      const second = v128.load(w, 16);
      let x = v128.load(x0 + k);
      a0 = f32x4.add(a0, f32x4.mul(x, first));
      b0 = f32x4.add(b0, f32x4.mul(x, second));
      x = v128.load(x1 + k);
      a1 = f32x4.add(a1, f32x4.mul(x, first));
      b1 = f32x4.add(b1, f32x4.mul(x, second));
      x = v128.load(x2 + k);
      a2 = f32x4.add(a2, f32x4.mul(x, first));
      b2 = f32x4.add(b2, f32x4.mul(x, second));
      x = v128.load(x3 + k);
      a3 = f32x4.add(a3, f32x4.mul(x, first));
      b3 = f32x4.add(b3, f32x4.mul(x, second));
      w += stride;
    }
    const place = <usize> c << 2;
    const r0 = halves(a0, b0);
    const r1 = halves(a1, b1);
    const low = f32x4.add(
      v128.shuffle<f32>(r0, r1, 0, 2, 4, 6),
      v128.shuffle<f32>(r0, r1, 1, 3, 5, 7),
    );
    v128.store64_lane(out + place, low, 0);
    v128.store64_lane(out1 + place, low, 1);
    const r2 = halves(a2, b2);
    const r3 = halves(a3, b3);
    const high = f32x4.add(
      v128.shuffle<f32>(r2, r3, 0, 2, 4, 6),
      v128.shuffle<f32>(r2, r3, 1, 3, 5, 7),
    );
    v128.store64_lane(out2 + place, high, 0);
    v128.store64_lane(out3 + place, high, 1);
  }
}

/** Copies packed columns [⌈count/4⌉, columns, 4] into planes [count, columns]. */
function planesInto(to: usize, from: usize, count: i32, columns: i32): void {
  for (let k = 0; k < count; k++) {
    for (let c = 0; c < columns; c++) {
      store<f32>(at(to, k * columns + c), load<f32>(at(from, ((k >> 2) * columns + c) * 4 + (k & 3))));
    }
  }
}

/** 1/√(mean(x²) + eps). */
function normFactor(x: usize, feature: i32, eps: f32): f32 {
  let squares = zero();
  for (let f = 0; f < feature; f += 4) {
    const v = v128.load(at(x, f));
    squares = f32x4.add(squares, f32x4.mul(v, v));
  }
  return <f32> 1 / sqrt<f32>(across(squares) / <f32> feature + eps);
}

/** What a row of the batch says: the slot, −1 where it is padding. */
// @ts-ignore: decorator
@inline
function slotOf(rows: usize, row: i32, fields: i32, capacity: i32): i32 {
  const slot = load<f32>(at(rows, row * fields));
  return slot >= 0 && slot < <f32> capacity ? <i32> slot : -1;
}

/**
 * Equations and shapes: src/ops/mamba_step.ts. `scratch` holds the rows of a block, az [4, 2·inner],
 * v, y [4, inner], selected [4, columns], out [4, feature], and planes [width + 5, inner].
 */
export function mamba_step(
  begin: i32,
  end: i32,
  scratch: usize,
  x: usize,
  rows: usize,
  weights: usize,
  nextState: usize,
  nextWindow: usize,
  out: usize,
  batch: i32,
  fields: i32,
  capacity: i32,
  feature: i32,
  inner: i32,
  states: i32,
  width: i32,
  rank: i32,
  hasBias: i32,
  hasNorm: i32,
  eps: f32,
): void {
  const past = width - 1;
  const rankVectors = (rank + 3) >> 2;
  const selected = 4 * rankVectors + 2 * states;
  // The parts of the weights, as `mambaOffsets` places them, in vectors.
  const taps = (feature >> 2) * 2 * inner;
  const lane = taps + ((width + 3) >> 2) * inner;
  const dtProj = lane + inner;
  const rates = dtProj + rankVectors * inner;
  const xProj = rates + (states >> 2) * inner;
  const outProj = xProj + (inner >> 2) * selected;
  const bias = outProj + (inner >> 2) * feature;
  const outBias = bias + inner;

  const az = scratch;
  const v = at(az, BLOCK * 2 * inner);
  const y = at(v, BLOCK * inner);
  const chosen = at(y, BLOCK * inner);
  const added = at(chosen, BLOCK * selected);
  const tapPlanes = at(added, BLOCK * feature);
  const lanePlanes = at(tapPlanes, width * inner);
  const biasPlanes = at(lanePlanes, 3 * inner);
  planesInto(tapPlanes, at(weights, 4 * taps), width, inner);
  planesInto(lanePlanes, at(weights, 4 * lane), 3, inner);
  if (hasBias) planesInto(biasPlanes, at(weights, 4 * bias), 2, inner);

  for (let task = begin; task < end; task++) {
    let row = task * TASK_ROWS;
    const last = least(row + TASK_ROWS, batch);
    while (row < last) {
      // Up to four rows that belong to streams; padding on the way is 0.
      let count = 0;
      let r0 = 0;
      let r1 = 0;
      let r2 = 0;
      let r3 = 0;
      for (; row < last && count < BLOCK; row++) {
        if (slotOf(rows, row, fields, capacity) < 0) {
          memory.fill(at(out, row * feature), 0, <usize> feature << 2);
          continue;
        }
        // Rows that are missing repeat the first one, whose products are then computed in vain.
        if (count == 0) r0 = r1 = r2 = r3 = row;
        else if (count == 1) r1 = row;
        else if (count == 2) r2 = row;
        else r3 = row;
        count++;
      }
      if (count == 0) break;
      multiplyFour(
        weights,
        2 * inner,
        feature,
        at(x, r0 * feature),
        at(x, r1 * feature),
        at(x, r2 * feature),
        at(x, r3 * feature),
        az,
      );
      for (let i = 0; i < count; i++) {
        const b = i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3;
        const slot = slotOf(rows, b, fields, capacity);
        const oldest = <i32> load<f32>(at(rows, b * fields + 1));
        const factor = hasNorm ? splat(normFactor(at(x, b * feature), feature, eps)) : splat(1);
        const own = at(az, i * 2 * inner);
        const window = at(nextWindow, slot * past * inner);
        for (let d = 0; d < inner; d += 4) {
          let a = f32x4.mul(factor, v128.load(at(own, d)));
          let z = f32x4.mul(factor, v128.load(at(own, inner + d)));
          if (hasBias) {
            a = f32x4.add(a, v128.load(at(biasPlanes, d)));
            z = f32x4.add(z, v128.load(at(biasPlanes, inner + d)));
          }
          v128.store(at(own, inner + d), silu(z));
          let sum = f32x4.add(
            v128.load(at(lanePlanes, d)),
            f32x4.mul(v128.load(at(tapPlanes, past * inner + d)), a),
          );
          for (let j = 0; j < past; j++) {
            const place = oldest + j < past ? oldest + j : oldest + j - past;
            const input = v128.load(at(window, place * inner + d));
            sum = f32x4.add(sum, f32x4.mul(v128.load(at(tapPlanes, j * inner + d)), input));
          }
          if (past > 0) v128.store(at(window, oldest * inner + d), a);
          v128.store(at(v, i * inner + d), silu(sum));
        }
      }
      multiplyFour(
        at(weights, 4 * xProj),
        selected,
        inner,
        v,
        at(v, inner * (count > 1 ? 1 : 0)),
        at(v, inner * (count > 2 ? 2 : 0)),
        at(v, inner * (count > 3 ? 3 : 0)),
        chosen,
      );
      for (let i = 0; i < count; i++) {
        const b = i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3;
        const slot = slotOf(rows, b, fields, capacity);
        const elapsed = splat(load<f32>(at(rows, b * fields + 2)));
        const own = at(chosen, i * selected);
        const B = at(own, 4 * rankVectors);
        const C = at(B, states);
        for (let d = 0; d < inner; d += 4) {
          let s0 = zero();
          let s1 = zero();
          let s2 = zero();
          let s3 = zero();
          for (let r = 0; r < rankVectors; r++) {
            const low = v128.load(at(own, 4 * r));
            const place = at(weights, 4 * (dtProj + r * inner + d));
            s0 = f32x4.add(s0, f32x4.mul(low, v128.load(place)));
            s1 = f32x4.add(s1, f32x4.mul(low, v128.load(place, 16)));
            s2 = f32x4.add(s2, f32x4.mul(low, v128.load(place, 32)));
            s3 = f32x4.add(s3, f32x4.mul(low, v128.load(place, 48)));
          }
          const raw = f32x4.add(v128.load(at(lanePlanes, inner + d)), sumsOfFour(s0, s1, s2, s3));
          const dt = f32x4.mul(softplus(raw), elapsed);
          const input = v128.load(at(v, i * inner + d));
          const read = advanceFour(
            statesAt(nextState, slot, inner, states, d),
            at(weights, 4 * (rates + d)),
            <usize> inner << 4,
            states >> 2,
            dt,
            f32x4.mul(dt, input),
            B,
            C,
          );
          const skip = f32x4.mul(v128.load(at(lanePlanes, 2 * inner + d)), input);
          const gate = v128.load(at(az, i * 2 * inner + inner + d));
          v128.store(at(y, i * inner + d), f32x4.mul(f32x4.add(skip, read), gate));
        }
      }
      multiplyFour(
        at(weights, 4 * outProj),
        feature,
        inner,
        y,
        at(y, inner * (count > 1 ? 1 : 0)),
        at(y, inner * (count > 2 ? 2 : 0)),
        at(y, inner * (count > 3 ? 3 : 0)),
        added,
      );
      for (let i = 0; i < count; i++) {
        const b = i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3;
        for (let f = 0; f < feature; f += 4) {
          const change = v128.load(at(added, i * feature + f));
          let sum = f32x4.add(v128.load(at(x, b * feature + f)), change);
          if (hasBias) sum = f32x4.add(sum, v128.load(at(weights, 4 * outBias + f)));
          v128.store(at(out, b * feature + f), sum);
        }
      }
    }
  }
}
