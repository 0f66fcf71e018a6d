/** SIMD plans of `selective_scan` with real states, there and back. */
import type { SimdPlan } from "../../device/device.ts";
import { gradientName } from "../op.ts";
import type { Sizes } from "./selective_scan_backward.ts";
import { flag, SIMD_TILE, singlePass, sumColumns, tiledTasks } from "./simd.ts";

const INPUTS = ["u", "delta", "A", "B", "C", "D", "z", "deltaBias", "x0"] as const;

/** Groups that tasks must not straddle; undefined where those of B and C do not nest. */
function groupsOf({ groupB, groupC }: Sizes): number | undefined {
  const groups = Math.max(1, groupB, groupC);
  return groups % Math.max(1, groupB) === 0 && groups % Math.max(1, groupC) === 0
    ? groups
    : undefined;
}

/** The scan: about 1.8 ns a state's step. */
export function selectiveSimd(sizes: Sizes, isSoftplus: boolean): SimdPlan | undefined {
  const { batch, length, feature, state, groupB, groupC } = sizes;
  const groups = groupsOf(sizes);
  if (groups === undefined) return undefined;
  const numbers = [length, feature, state, groups, groupB, groupC, flag(isSoftplus)];
  return singlePass({
    entry: "selective_scan",
    args: [...INPUTS, "y", "state", ...numbers],
    tasks: tiledTasks(batch * groups, feature / groups),
    threadFloats: 4 * state * SIMD_TILE,
  }, 1.8e-6 * batch * length * feature * state);
}

/**
 * The way back, about 5 ns a state's step. Gradients of B and C that features share are shares of
 * the tasks of those features, then sums of the shares.
 */
export function selectiveSimdBackward(sizes: Sizes, isSoftplus: boolean): SimdPlan | undefined {
  const { batch, length, feature, state, groupB, groupC } = sizes;
  const groups = groupsOf(sizes);
  if (groups === undefined) return undefined;
  const tiles = tiledTasks(1, feature / groups);
  const shared = [
    { left: "sharesB", target: "gradB", group: groupB },
    { left: "sharesC", target: "gradC", group: groupC },
  ].filter(({ group }) => group > 0).map(({ left, target, group }) => ({
    left,
    target,
    rows: groups / group * tiles,
    columns: batch * length * group * state,
  }));
  const tensors = [...INPUTS, "gradY", "gradState", ...INPUTS.map(gradientName)];
  const numbers = [batch, length, feature, state, groups, groupB, groupC, flag(isSoftplus)];
  return {
    scratch: Object.fromEntries(shared.map(({ left, rows, columns }) => [left, rows * columns])),
    passes: [{
      entry: "selective_scan_backward",
      args: [...tensors, "sharesB", "sharesC", ...numbers],
      tasks: groups * tiles,
      // Eight planes of steps, two of shares, banks of six, sums of three in f64.
      threadFloats: (8 * length + 1 + 12 * state + 4) * SIMD_TILE + 8 * length,
    }, ...shared.map(sumColumns)],
    coreMs: 5e-6 * batch * length * feature * state,
  };
}
