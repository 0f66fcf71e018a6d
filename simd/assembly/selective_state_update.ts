// One sample of the selective recurrence for many streams, four features at a time. A task is up to
// 16 rows of the batch; the features of a group are a multiple of four.
import { silu, softplus } from "./activation";
import { at, least, splat, zero } from "./lanes";
import { LOG2E } from "./math";
import { advanceFour, statesAt } from "./state_lanes";

/** Rows of a task: `TASK_ROWS` in src/ops/selective_state_update.ts. */
const TASK_ROWS: i32 = 16;

/** Equations and shapes: src/ops/selective_state_update.ts. */
export function selective_state_update(
  begin: i32,
  end: i32,
  _scratch: usize,
  u: usize,
  delta: usize,
  A: usize,
  B: usize,
  C: usize,
  D: usize,
  z: usize,
  deltaBias: usize,
  slots: usize,
  y: usize,
  next: usize,
  batch: i32,
  capacity: i32,
  feature: i32,
  states: i32,
  groups: i32,
  isSoftplus: i32,
): void {
  const perGroup = feature / groups;
  const last = least(end * TASK_ROWS, batch);
  for (let b = begin * TASK_ROWS; b < last; b++) {
    const slot = slots == 0 ? <f32> b : load<f32>(at(slots, b));
    if (!(slot >= 0 && slot < <f32> capacity)) {
      memory.fill(at(y, b * feature), 0, <usize> feature << 2);
      continue;
    }
    for (let d = 0; d < feature; d += 4) {
      const index = b * feature + d;
      const input = v128.load(at(u, index));
      let dt = v128.load(at(delta, index));
      if (deltaBias != 0) dt = f32x4.add(dt, v128.load(at(deltaBias, d)));
      if (isSoftplus) dt = softplus(dt);
      const selected = (b * groups + d / perGroup) * states;
      const read = advanceFour(
        statesAt(next, <i32> slot, feature, states, d),
        at(A, 4 * d),
        <usize> feature << 4,
        states >> 2,
        f32x4.mul(dt, splat(LOG2E)),
        f32x4.mul(dt, input),
        at(B, selected),
        at(C, selected),
      );
      const skip = D == 0 ? zero() : f32x4.mul(v128.load(at(D, d)), input);
      let sum = f32x4.add(skip, read);
      if (z != 0) sum = f32x4.mul(sum, silu(v128.load(at(z, index))));
      v128.store(at(y, index), sum);
    }
  }
}
