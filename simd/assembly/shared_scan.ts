// Scan of one dense system that all features share. Vectors run over states; four features take each
// column of A together. A task is one row of the batch and up to 16 features.
import { at, given, least, TILE } from "./lanes";

/** Aᵀ [states, padded] from A [states, states], zeros beyond; so that its columns are vectors. */
function transposedInto(to: usize, from: usize, states: i32, padded: i32): void {
  for (let j = 0; j < states; j++) {
    for (let i = 0; i < padded; i++) {
      const value: f32 = i < states ? load<f32>(at(from, i * states + j)) : 0;
      store<f32>(at(to, j * padded + i), value);
    }
  }
}

/** Four states of four features: B·u + A·x. */
// @ts-ignore: decorator
@inline
export function advanceFeatures(
  column: usize,
  stride: usize,
  states: i32,
  drive: v128,
  u: usize,
  x: usize,
  next: usize,
  row: usize,
): void {
  let s0 = f32x4.mul(drive, v128.load32_splat(u));
  let s1 = f32x4.mul(drive, v128.load32_splat(u, 4));
  let s2 = f32x4.mul(drive, v128.load32_splat(u, 8));
  let s3 = f32x4.mul(drive, v128.load32_splat(u, 12));
  let x1 = x + row;
  let x2 = x1 + row;
  let x3 = x2 + row;
  for (let j = 0; j < states; j++) {
    const a = v128.load(column);
    s0 = f32x4.add(s0, f32x4.mul(a, v128.load32_splat(x)));
    s1 = f32x4.add(s1, f32x4.mul(a, v128.load32_splat(x1)));
    s2 = f32x4.add(s2, f32x4.mul(a, v128.load32_splat(x2)));
    s3 = f32x4.add(s3, f32x4.mul(a, v128.load32_splat(x3)));
    column += stride;
    x += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  v128.store(next, s0);
  v128.store(next + row, s1);
  v128.store(next + 2 * row, s2);
  v128.store(next + 3 * row, s3);
}

/**
 * Equations and shapes: src/ops/shared_scan.ts. With p = states filled up to whole vectors,
 * `scratch` holds Aᵀ [states, p], B [p], inputs [16] and the states twice, [16, p].
 */
export function shared_scan(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  A: usize,
  B: usize,
  x0: usize,
  all: usize,
  state: usize,
  length: i32,
  feature: i32,
  states: i32,
  isPerStep: i32,
): void {
  const tiles = (feature + TILE - 1) / TILE;
  const padded = (states + 3) / 4 * 4;
  const row = <usize> padded << 2;
  const drives = at(scratch, states * padded);
  const inputs = at(drives, padded);
  const planes = at(inputs, TILE);
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    const carried = (b * feature + first) * states;
    let x = planes;
    let next = at(x, TILE * padded);
    memory.fill(drives, 0, at(next, TILE * padded) - drives);
    for (let d = 0; x0 != 0 && d < width; d++) {
      memory.copy(at(x, d * padded), given(x0, carried + d * states), <usize> states << 2);
    }
    for (let k = 0; k < length; k++) {
      const sample = b * length + k;
      const system = isPerStep ? sample * states : 0;
      if (isPerStep || k == 0) {
        transposedInto(scratch, at(A, system * states), states, padded);
        memory.copy(drives, at(B, system), <usize> states << 2);
      }
      memory.copy(inputs, at(u, sample * feature + first), <usize> width << 2);
      for (let i = 0; i < padded; i += 4) {
        const drive = v128.load(at(drives, i));
        for (let d = 0; d < width; d += 4) {
          advanceFeatures(
            at(scratch, i),
            row,
            states,
            drive,
            at(inputs, d),
            at(x, d * padded),
            at(next, d * padded + i),
            row,
          );
        }
      }
      const to = at(all, (sample * feature + first) * states);
      for (let d = 0; d < width; d++) {
        memory.copy(at(to, d * states), at(next, d * padded), <usize> states << 2);
      }
      const spare = x;
      x = next;
      next = spare;
    }
    for (let d = 0; d < width; d++) {
      memory.copy(at(state, carried + d * states), at(x, d * padded), <usize> states << 2);
    }
  }
}
