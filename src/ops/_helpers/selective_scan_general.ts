/**
 * The passes of `selective_scan` on a GPU that take every form of it: complex A, fixed B and C,
 * states of any count, WebGPU's default limits.
 */
import { InvalidValueError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { LaunchPlan, Pass, Some } from "../op.ts";
import { groupsFor } from "./plan.ts";
import type { Sizes } from "./selective_scan_backward.ts";

type OptionalInput = "D" | "z" | "deltaBias" | "x0";

/** A call, checked. */
interface Call {
  readonly sizes: Sizes;
  readonly shapes: Some<OptionalInput, Shape>;
  readonly softplus: boolean;
}

/** Steps that a workgroup stages at once. */
const TILE = 8;
/** States of one invocation; more of them are split over invocations. */
const STATES_PER_THREAD = 8;
const STATE_GROUPS_MAX = 8;
const INVOCATIONS_MAX = 256;
const CARRY_GROUP = 64;

/** Features of a workgroup: all of one group, so that they share the staged rows of B and C. */
function tileFeaturesOf(sizes: Sizes, stateGroups: number): number {
  let tile = sizes.feature >= 32 ? 32 : 8;
  while (tile * stateGroups > INVOCATIONS_MAX) tile /= 2;
  for (const group of [sizes.groupB, sizes.groupC]) {
    while (group > 1 && (sizes.feature / group) % tile !== 0) tile /= 2;
  }
  return tile;
}

/**
 * The shape of a workgroup: features beside one another, each with its states over STATE_GROUPS
 * invocations.
 *
 * @throws {InvalidValueError} more states than the workgroup memory holds
 */
function tileOf(sizes: Sizes, limits: GpuLimits) {
  const { state, parts } = sizes;
  let stateGroups = 1;
  while (stateGroups < STATE_GROUPS_MAX && stateGroups * STATES_PER_THREAD < state) {
    stateGroups *= 2;
  }
  const features = tileFeaturesOf(sizes, stateGroups);
  const bytes = 4 * TILE * (features * (2 + stateGroups) + 2 * state * parts);
  const room = limits.workgroupBytesMax;
  if (bytes > room) throw new InvalidValueError("A.state", state, `at most what ${room} B hold`);
  return {
    STATE_GROUPS: stateGroups,
    STATES_PER_THREAD: Math.max(1, Math.ceil(state / stateGroups)),
    FEATURES: features,
    TILE,
  };
}

/** What of the call is compiled into the passes. */
function constantsOf({ sizes, shapes, softplus }: Call) {
  const { state, parts, groupB, groupC } = sizes;
  const has = (shape: Shape | undefined) => shape ? 1 : 0;
  return {
    STATES: state,
    PARTS: parts,
    COMPLEX: parts - 1,
    CARRY_GROUP,
    SOFTPLUS: softplus ? 1 : 0,
    FIXED_B: groupB === 0 ? 1 : 0,
    FIXED_C: groupC === 0 ? 1 : 0,
    HAS_D: has(shapes.D),
    HAS_Z: has(shapes.z),
    HAS_BIAS: has(shapes.deltaBias),
    HAS_X0: has(shapes.x0),
  };
}

/** The three passes for a chunk of so many steps. */
export function generalPlan(call: Call, limits: GpuLimits, chunk: number): LaunchPlan {
  const { sizes, shapes } = call;
  const { batch, length, feature, state, parts } = sizes;
  const chunks = Math.max(1, Math.ceil(length / chunk));
  const several = chunks > 1;
  const tile = tileOf(sizes, limits);
  const constants = { ...constantsOf(call), ...tile, CHUNKED: several ? 1 : 0 };
  const dims = {
    batch,
    length,
    feature,
    chunk,
    chunks,
    groupB: Math.max(1, sizes.groupB),
    groupC: Math.max(1, sizes.groupC),
  };
  const named = (name: OptionalInput) => shapes[name] ? [name] : [];
  const tiles = groupsFor(feature, tile.FEATURES);
  const apply: Pass = {
    entry: "apply_chunks",
    constants,
    dims,
    bindings: [
      ...["u", "delta", "A", "B", "C", ...named("D"), ...named("z"), ...named("deltaBias")],
      ...[...named("x0"), ...(several ? ["ends"] : []), "y", "state"],
    ],
    workgroups: [tiles, chunks, batch],
  };
  if (!several) return { scratch: {}, passes: [apply] };
  const reduce: Pass = {
    entry: "reduce_chunks",
    constants,
    dims,
    bindings: ["u", "delta", "A", "B", ...named("deltaBias"), "ends", "spans"],
    workgroups: [tiles, chunks - 1, batch],
  };
  const carry: Pass = {
    entry: "carry_chunks",
    constants,
    dims,
    bindings: ["A", ...named("x0"), "ends", "spans"],
    workgroups: [groupsFor(feature * state, CARRY_GROUP), batch, 1],
  };
  const rows = batch * (chunks - 1) * feature;
  return {
    scratch: { ends: rows * state * parts, spans: rows },
    passes: [reduce, carry, apply],
  };
}
