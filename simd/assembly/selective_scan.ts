// Selective scan: vectors run over features, states are walked one by one. A task is one row of
// the batch and up to 16 features of one group, whose state stays in the first-level cache.
import { silu, softplus } from "./activation";
import {
  at,
  columnsInto,
  given,
  least,
  loadQuad,
  rowsInto,
  splat,
  storeQuad,
  TILE,
  TILE_BYTES,
  zero,
} from "./lanes";
import { LOG2E, powerOfTwo } from "./math";

/**
 * Equations and shapes: src/ops/selective_scan.ts, real states. `groupB` 0: B is fixed.
 * `scratch` holds [4][states][16] floats: x, A·log2(e), and B and C where they are fixed.
 */
export function selective_scan(
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
  y: usize,
  state: usize,
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
  const x = scratch;
  const rates = at(scratch, bank);
  const fixedB = at(scratch, 2 * bank);
  const fixedC = at(scratch, 3 * bank);
  for (let task = begin; task < end; task++) {
    const b = task / (tiles * groups);
    const group = task / tiles % groups;
    const tile = (task % tiles) * TILE;
    const first = group * perGroup + tile;
    const width = least(TILE, perGroup - tile);
    const bankAt = first * states;
    const carried = (b * feature + first) * states;
    columnsInto(x, given(x0, carried), width, states, states, 1);
    columnsInto(rates, at(A, bankAt), width, states, states, 1);
    for (let i = 0; i < bank; i += 4) {
      const rate = at(rates, i);
      v128.store(rate, f32x4.mul(v128.load(rate), splat(LOG2E)));
    }
    if (groupB == 0) columnsInto(fixedB, at(B, bankAt), width, states, states, 1);
    if (groupC == 0) columnsInto(fixedC, at(C, bankAt), width, states, states, 1);
    for (let k = 0; k < length; k++) {
      const row = b * length + k;
      const rowB = at(B, (row * groupB + group * groupB / groups) * states);
      const rowC = at(C, (row * groupC + group * groupC / groups) * states);
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const index = row * feature + first + q;
        const input = loadQuad(at(u, index), lanes);
        let dt = loadQuad(at(delta, index), lanes);
        if (deltaBias != 0) dt = f32x4.add(dt, loadQuad(at(deltaBias, first + q), lanes));
        if (isSoftplus) dt = softplus(dt);
        const scaled = f32x4.mul(dt, input);
        let sum = D == 0 ? zero() : f32x4.mul(loadQuad(at(D, first + q), lanes), input);
        let place = <usize> q << 2;
        for (let n = 0; n < states; n++) {
          const decay = powerOfTwo(f32x4.mul(dt, v128.load(rates + place)));
          const inB = groupB == 0 ? v128.load(fixedB + place) : v128.load32_splat(at(rowB, n));
          const outC = groupC == 0 ? v128.load(fixedC + place) : v128.load32_splat(at(rowC, n));
          const next = f32x4.add(
            f32x4.mul(decay, v128.load(x + place)),
            f32x4.mul(scaled, inB),
          );
          v128.store(x + place, next);
          sum = f32x4.add(sum, f32x4.mul(outC, next));
          place += TILE_BYTES;
        }
        if (z != 0) sum = f32x4.mul(sum, silu(loadQuad(at(z, index), lanes)));
        storeQuad(at(y, index), sum, lanes);
      }
    }
    rowsInto(at(state, carried), x, width, states, states, 1);
  }
}
