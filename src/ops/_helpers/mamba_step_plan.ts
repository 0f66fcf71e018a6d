/** How a GPU runs `mamba_step`: the tile of streams, and the one pass. */
import { InvalidValueError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import { DTYPE_BYTES } from "../../tensor/tensor.ts";
import type { LaunchPlan } from "../op.ts";
import { mambaOffsets, type MambaSizes, rankVectors, selectedOf, VECTOR } from "./mamba_weights.ts";
import { groupsFor, spreadGroups } from "./plan.ts";

/** What a workgroup takes. */
export interface MambaTiles {
  /** Streams of a workgroup. */
  readonly streams: number;
  /** Invocations that share an inner feature, each for its part of the streams. */
  readonly split: number;
  /** Streams whose states an invocation loads at once. */
  readonly chunk: number;
  /** Ranges of the inner features that the projections from them are summed over. */
  readonly slices: number;
}

const INVOCATIONS_MAX = 256;
const STREAMS_MAX = 8;
const SLICES_MAX = 4;
const UNROLL_MAX = 16;

/** Bytes of workgroup memory. */
function bytesOf(sizes: MambaSizes, { streams, slices }: MambaTiles): number {
  const { feature, inner } = sizes;
  const selected = selectedOf(sizes);
  const sums = slices * Math.max(selected, feature);
  return DTYPE_BYTES.f32 * streams * (VECTOR + 1 + feature + inner + selected + sums);
}

/** The largest power of two up to `most` that divides a count. */
function powerDividing(count: number, most: number): number {
  let power = 1;
  while (2 * power <= most && count % (2 * power) === 0) power *= 2;
  return power;
}

/** The tile for a block of these sizes, or undefined where a device's limits allow none. */
export function mambaTiles(sizes: MambaSizes, limits: GpuLimits): MambaTiles | undefined {
  const { feature, inner } = sizes;
  const invocations = Math.min(INVOCATIONS_MAX, limits.invocationsMax);
  if (inner > invocations) return undefined;
  const columns = Math.max(selectedOf(sizes), feature);
  let slices = powerDividing(inner / VECTOR, SLICES_MAX);
  while (slices > 1 && slices * columns > 2 * invocations) slices /= 2;
  for (let streams = STREAMS_MAX; streams >= 1; streams /= 2) {
    const split = Math.min(streams, 2 * inner <= invocations ? 2 : 1);
    const tiles = { streams, split, slices, chunk: Math.min(4, streams / split) };
    if (bytesOf(sizes, tiles) <= limits.workgroupBytesMax) return tiles;
  }
  return undefined;
}

/** Sizes of a run. */
export interface MambaStepRun {
  readonly batch: number;
  /** Rows of the tables of states. */
  readonly rows: number;
  /** Fields of a row of `rows`. */
  readonly fields: number;
}

/**
 * The launch plan of `mamba_step`.
 *
 * @throws {InvalidValueError} a device with these limits cannot hold the inner features
 */
export function mambaStepPlan(
  { batch, rows, fields }: MambaStepRun,
  params: MambaSizes & { readonly norm: boolean; readonly eps: number },
  limits: GpuLimits,
): LaunchPlan {
  const tiles = mambaTiles(params, limits);
  if (tiles === undefined) {
    throw new InvalidValueError("inner", params.inner, `at most ${limits.invocationsMax}`);
  }
  const at = mambaOffsets(params);
  const constants = {
    STREAMS: tiles.streams,
    SPLIT: tiles.split,
    CHUNK: tiles.chunk,
    SLICES: tiles.slices,
    UNROLL: powerDividing(params.feature / VECTOR, UNROLL_MAX),
    FEATURE: params.feature,
    INNER: params.inner,
    STATES: params.state,
    PAST: params.width - 1,
    RANKS: rankVectors(params),
    SELECTED: selectedOf(params),
    NORM: params.norm ? 1 : 0,
    BIAS: params.bias ? 1 : 0,
    HALF: 0,
    IN_AT: at.inProj,
    CONV_AT: at.taps,
    LANE_AT: at.lane,
    DT_AT: at.dtProj,
    A_AT: at.A,
    X_AT: at.xProj,
    OUT_AT: at.outProj,
    BIAS_AT: at.bias,
    OUT_BIAS_AT: at.outBias,
  };
  return {
    scratch: {},
    passes: [{
      entry: "step",
      constants,
      dims: { batch, rows, fields, eps: params.eps },
      bindings: ["x", "rows", "weights", "state=nextState", "window=nextWindow", "out"],
      workgroups: spreadGroups(groupsFor(batch, tiles.streams), limits),
    }],
  };
}
