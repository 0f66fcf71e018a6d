/** Passes of `shaders/rms_norm.wgsl`. */
import type { GpuLimits } from "../../device/device.ts";
import type { LaunchPlan } from "../op.ts";
import { groupsFor, ROW_GROUP, spreadGroups } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import { rowLanes, rowTurns } from "./row_lanes.ts";

/** What is normalised. */
export interface RmsCall {
  readonly rows: number;
  readonly feature: number;
  /** Features normalised together. */
  readonly groupSize: number;
  readonly eps: number;
  /** Whether the gate, where `z` is given, comes after the norm. */
  readonly normBeforeGate: boolean;
}

/** Names of the tensors; of what is absent there is none. */
export interface RmsNames {
  readonly x: string;
  readonly weight?: string | undefined;
  readonly z?: string | undefined;
}

/** What the passes of a call share; `lanes` where its groups of features are held in registers. */
function passOf(call: RmsCall, { weight, z }: RmsNames, limits: GpuLimits) {
  const { rows, feature, groupSize: size, eps, normBeforeGate } = call;
  const groups = rows * (size > 0 ? feature / size : 0);
  const lanes = rowLanes(size, limits);
  const unit = lanes ? 4 : 1;
  const constants = {
    ...(lanes ?? { GROUP: ROW_GROUP }),
    VECTOR: unit,
    HAS_WEIGHT: weight === undefined ? 0 : 1,
    GATE_FIRST: z !== undefined && !normBeforeGate ? 1 : 0,
    GATE_LAST: z !== undefined && normBeforeGate ? 1 : 0,
  };
  const dims = { groups, size: size / unit, feature: feature / unit, turns: 1, eps };
  return { groups, lanes, constants, dims };
}

/** `variable=tensor` for each of the names that there is. */
function bound(names: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(names).flatMap(([variable, name]) =>
    name === undefined ? [] : [`${variable}=${name}`]
  );
}

/** The pass from x, weight and z to `out`. */
export function normalizePlan(
  call: RmsCall,
  names: RmsNames & { readonly out: string },
  limits: GpuLimits,
): LaunchPlan {
  const { groups, lanes, constants, dims } = passOf(call, names, limits);
  const { x, weight, z, out } = names;
  const workgroups = lanes ? groupsFor(groups, lanes.GROUP / lanes.LANES) : groups;
  return {
    scratch: {},
    passes: [{
      shader: "rms_norm",
      entry: lanes ? "normalize_rows" : "normalize",
      constants,
      dims,
      bindings: bound({ x, weight, z, out }),
      workgroups: spreadGroups(workgroups, limits),
    }],
  };
}

/**
 * The passes from the gradient of `out` to those of x, of the weight (shares of it in scratch that
 * are then summed) and of z.
 */
export function normalizeBackwardPlan(
  call: RmsCall,
  names: RmsNames & {
    readonly gradOut: string;
    readonly gradX: string;
    readonly gradWeight?: string | undefined;
    readonly gradZ?: string | undefined;
  },
  limits: GpuLimits,
): LaunchPlan {
  const { rows, feature: columns, groupSize } = call;
  const { groups, lanes, constants, dims } = passOf(call, names, limits);
  const { x, weight, z, gradOut, gradX, gradWeight, gradZ } = names;
  // The shares of the weight are those of whole rows.
  const held = lanes && (weight === undefined || groupSize === columns) ? lanes : undefined;
  const shares = weight === undefined ? undefined : held ? "weightShares" : "scaled";
  const { turns, groups: workgroups } = held ? rowTurns(groups, held) : { turns: 1, groups };
  const shareRows = held ? workgroups : rows;
  const swept = { ...constants, GROUP: ROW_GROUP, VECTOR: 1 };
  const own: LaunchPlan = {
    scratch: shares === undefined ? {} : { [shares]: shareRows * columns },
    passes: [{
      shader: "rms_norm",
      entry: held ? "normalize_rows_backward" : "normalize_backward",
      constants: held ? constants : swept,
      dims: held ? { ...dims, turns } : { ...dims, size: groupSize, feature: columns },
      bindings: [
        ...bound({ x, weight, z, gradOut, gradX, gradZ }),
        ...(shares === undefined ? [] : [shares]),
      ],
      workgroups: spreadGroups(workgroups, limits),
    }],
  };
  if (shares === undefined || gradWeight === undefined) return own;
  return joinPlans(
    own,
    columnSums({ target: gradWeight, left: shares, rows: shareRows, columns }),
  );
}
