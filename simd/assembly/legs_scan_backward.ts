// The way back through the LegS memory. A task is one row of the batch: the polynomials of a sample
// are made once for all features, which are taken 16 at a time.
import { across, at, columnsInto, given, least, loadQuad, rowsInto, splat } from "./lanes";
import { storeQuad, TILE, zero } from "./lanes";
import { eightInto, heldInto, NODE, polynomialsInto, recurrenceInto, wide } from "./legs_scan";

/** λᵀ·(A·x + B·u) of four features, after {@linkcode gradientsOfFour}. */
let along: v128 = f32x4.splat(0);

/** λᵀ·h of four features; planes of 16. */
function gradientsOfFour(
  lambda: usize,
  x: usize,
  input: v128,
  held: usize,
  roots: usize,
  states: i32,
): v128 {
  let towardsInput = zero();
  let flow = zero();
  let before = zero();
  for (let n = 0; n < states; n++) {
    const root = splat(<f32> load<f64>(wide(roots, n)));
    const own = v128.load(at(lambda, n * TILE));
    const value = v128.load(at(x, n * TILE));
    towardsInput = f32x4.add(towardsInput, f32x4.mul(own, v128.load32_splat(at(held, n))));
    const decay = f32x4.mul(splat(<f32> (n + 1)), value);
    const slope = f32x4.sub(f32x4.mul(root, f32x4.sub(input, before)), decay);
    flow = f32x4.add(flow, f32x4.mul(own, slope));
    before = f32x4.add(before, f32x4.mul(root, value));
  }
  along = flow;
  return towardsInput;
}

/**
 * Equations and shapes: src/ops/legs_scan.ts; `table` as in `legs_scan`. With p = states filled up
 * to whole vectors, `scratch` holds the recurrence [4][p] in f64, the step's polynomials [p, p],
 * weights of the input [p], of 16 features λ, coefficients and values at the nodes [p][16] each,
 * and of all features what flows into the sample before, [tiles][p][16].
 */
export function legs_scan_backward(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  dt: usize,
  times: usize,
  coefficients: usize,
  table: usize,
  gradCoefficients: usize,
  gradState: usize,
  gradU: usize,
  gradDt: usize,
  gradTimes: usize,
  gradX0: usize,
  batch: i32,
  length: i32,
  feature: i32,
  states: i32,
): void {
  const padded = (states + 3) / 4 * 4;
  const plane = padded * TILE;
  const basis = at(table, padded * NODE);
  const roots = wide(scratch, 2 * padded);
  const polynomials = at(scratch, 8 * padded);
  const held = at(polynomials, padded * padded);
  const lambda = at(held, padded);
  const x = at(lambda, plane);
  const values = at(x, plane);
  const carry = at(values, plane);
  recurrenceInto(scratch, padded);
  memory.fill(polynomials, 0, <usize> (padded * padded) << 2);
  for (let b = begin; b < end; b++) {
    for (let first = 0; first < feature; first += TILE) {
      const from = at(gradState, (b * feature + first) * states);
      const to = at(carry, first * padded);
      memory.fill(to, 0, <usize> plane << 2);
      columnsInto(to, from, least(TILE, feature - first), states, states, 1);
    }
    for (let k = length - 1; k >= 0; k--) {
      const time = k * batch + b;
      const now = <f64> load<f32>(at(times, time));
      const share = <f64> load<f32>(at(dt, time)) / now;
      heldInto(held, scratch, padded, states, share);
      polynomialsInto(polynomials, table, scratch, padded, states, share);
      let flow: f64 = 0;
      for (let first = 0; first < feature; first += TILE) {
        const width = least(TILE, feature - first);
        const sample = (b * length + k) * feature + first;
        const incoming = at(carry, first * padded);
        columnsInto(lambda, at(gradCoefficients, sample * states), width, states, states, 1);
        columnsInto(x, at(coefficients, sample * states), width, states, states, 1);
        for (let i = 0; i < states * TILE; i += 4) {
          const own = f32x4.add(v128.load(at(lambda, i)), v128.load(at(incoming, i)));
          v128.store(at(lambda, i), own);
        }
        for (let d = 0; d < width; d += 4) {
          const lanes = width - d;
          const input = loadQuad(at(u, sample + d), lanes);
          const own = at(lambda, d);
          const ofInput = gradientsOfFour(own, at(x, d), input, held, roots, states);
          storeQuad(at(gradU, sample + d), ofInput, lanes);
          flow += <f64> across(along);
        }
        const none = zero();
        for (let d = 0; d < width; d += 8) {
          const nodes = at(values, d);
          const own = at(lambda, d);
          const to = at(incoming, d);
          eightInto(nodes, polynomials, padded, states, 1, padded, own, 0, none, none);
          eightInto(to, basis, padded, states, 1, states, nodes, 0, none, none);
        }
      }
      const slope = share < 1 ? flow / (now * (1 - share)) : 0;
      store<f32>(at(gradDt, time), <f32> slope);
      store<f32>(at(gradTimes, time), <f32> (-share * slope));
    }
    for (let first = 0; gradX0 != 0 && first < feature; first += TILE) {
      const to = given(gradX0, (b * feature + first) * states);
      rowsInto(to, at(carry, first * padded), least(TILE, feature - first), states, states, 1);
    }
  }
}
