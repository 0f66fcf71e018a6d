// The recurrence of Mamba-2. Vectors run over the features of a head, states are walked one by
// one; a task is one head of one row and up to 16 of its features.
import { at, columnsInto, given, least, loadQuad, rowsInto, splat, storeQuad, TILE } from "./lanes";
import { TILE_BYTES, zero } from "./lanes";
import { exp } from "./math";

/** Equations and shapes: src/ops/ssd.ts. `scratch` holds [states][16] floats. */
export function ssd(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  delta: usize,
  B: usize,
  C: usize,
  A: usize,
  D: usize,
  x0: usize,
  y: usize,
  state: usize,
  length: i32,
  head: i32,
  feature: i32,
  group: i32,
  states: i32,
): void {
  const tiles = (feature + TILE - 1) / TILE;
  for (let task = begin; task < end; task++) {
    const b = task / (tiles * head);
    const h = task / tiles % head;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    const carried = ((b * head + h) * feature + first) * states;
    columnsInto(scratch, given(x0, carried), width, states, states, 1);
    for (let k = 0; k < length; k++) {
      const row = b * length + k;
      const rate: f32 = load<f32>(at(delta, row * head + h));
      const power: f32 = A == 0 ? rate : rate * load<f32>(at(A, h));
      const weight: f32 = A == 0 ? 1 : rate;
      const decay = exp(splat(power));
      const bank = (row * group + h * group / head) * states;
      const rowB = at(B, bank);
      const rowC = at(C, bank);
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const index = (row * head + h) * feature + first + q;
        const input = loadQuad(at(u, index), lanes);
        const scaled = f32x4.mul(splat(weight), input);
        let sum = D == 0 ? zero() : f32x4.mul(v128.load32_splat(at(D, h)), input);
        let place = scratch + (<usize> q << 2);
        for (let n = 0; n < states; n++) {
          const driven = f32x4.mul(scaled, v128.load32_splat(at(rowB, n)));
          const next = f32x4.add(f32x4.mul(decay, v128.load(place)), driven);
          v128.store(place, next);
          sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(at(rowC, n)), next));
          place += TILE_BYTES;
        }
        storeQuad(at(y, index), sum, lanes);
      }
    }
    rowsInto(at(state, carried), scratch, width, states, states, 1);
  }
}
