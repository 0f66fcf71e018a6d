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

/** The three passes for a chunk of so many steps. */
export function generalPlan(
  { sizes, shapes, softplus }: Call,
  limits: GpuLimits,
  chunk: number,
): LaunchPlan {
  const { batch, length, feature, state, parts } = sizes;
  const chunks = Math.max(1, Math.ceil(length / chunk));
  let stateGroups = 1;
  while (stateGroups < STATE_GROUPS_MAX && stateGroups * STATES_PER_THREAD < state) {
    stateGroups *= 2;
  }
  const tileFeatures = tileFeaturesOf(sizes, stateGroups);
  const bytes = 4 * TILE * (tileFeatures * (2 + stateGroups) + 2 * state * parts);
  if (bytes > limits.workgroupBytesMax) {
    throw new InvalidValueError(
      "A.state",
      state,
      `at most what ${limits.workgroupBytesMax} B hold`,
    );
  }
  const has = (shape: Shape | undefined) => shape ? 1 : 0;
  const constants = {
    STATES: state,
    PARTS: parts,
    COMPLEX: parts - 1,
    STATE_GROUPS: stateGroups,
    STATES_PER_THREAD: Math.max(1, Math.ceil(state / stateGroups)),
    FEATURES: tileFeatures,
    TILE,
    CARRY_GROUP,
    CHUNKED: chunks > 1 ? 1 : 0,
    SOFTPLUS: softplus ? 1 : 0,
    FIXED_B: sizes.groupB === 0 ? 1 : 0,
    FIXED_C: sizes.groupC === 0 ? 1 : 0,
    HAS_D: has(shapes.D),
    HAS_Z: has(shapes.z),
    HAS_BIAS: has(shapes.deltaBias),
    HAS_X0: has(shapes.x0),
  };
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
  const tiles = groupsFor(feature, tileFeatures);
  const passes: Pass[] = [];
  if (chunks > 1) {
    passes.push({
      entry: "reduce_chunks",
      constants,
      dims,
      bindings: ["u", "delta", "A", "B", ...named("deltaBias"), "ends", "spans"],
      workgroups: [tiles, chunks - 1, batch],
    }, {
      entry: "carry_chunks",
      constants,
      dims,
      bindings: ["A", ...named("x0"), "ends", "spans"],
      workgroups: [groupsFor(feature * state, CARRY_GROUP), batch, 1],
    });
  }
  passes.push({
    entry: "apply_chunks",
    constants,
    dims,
    bindings: [
      ...["u", "delta", "A", "B", "C", ...named("D"), ...named("z"), ...named("deltaBias")],
      ...[...named("x0"), ...(chunks > 1 ? ["ends"] : []), "y", "state"],
    ],
    workgroups: [tiles, chunks, batch],
  });
  const ends = batch * (chunks - 1) * feature * state * parts;
  const scratch = chunks === 1 ? {} : { ends, spans: batch * (chunks - 1) * feature };
  return { scratch, passes };
}
