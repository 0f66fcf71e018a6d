/** How a GPU runs `mamba_step`: the tile of streams, and the one pass. */
import { InvalidValueError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import { DTYPE_BYTES } from "../../tensor/tensor.ts";
import type { LaunchPlan, Pass } from "../op.ts";
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

/** A size of batch from which on, and how a workgroup is then made. */
interface Regime {
  readonly batchMin: number;
  readonly invocations: number;
  /** Streams of an invocation, and those of which it loads the states at once. */
  readonly held: number;
  readonly chunk: number;
}

/**
 * Measured on an H100 with 128 inner features, microseconds of one block by streams:
 *
 *   invocations, held, chunk      64   1,024   4,096   16,384   131,072
 *   256, 2, 2                   10.3    14.3    45.6    157.7     1,149
 *   128, 4, 2                   13.5    16.1    41.2    148.4       930
 *   128, 4, 4                   13.5    16.6    42.9    148.2       924
 *   256, 4, 4                   14.0    16.3    43.1    150.8     1,010
 *   128, 8, 2                      -    20.4       -    170.9     1,029
 *
 * Few streams want many invocations each, since a workgroup's latency is what a step takes; many
 * streams want small workgroups, of which several fit on a processor, one loading states while
 * another multiplies. Both are slower with more streams a workgroup, though weights are then read
 * less often.
 */
const REGIMES: readonly [Regime, ...Regime[]] = [
  { batchMin: 0, invocations: 256, held: 2, chunk: 2 },
  { batchMin: 1536, invocations: 128, held: 4, chunk: 2 },
  { batchMin: 16_384, invocations: 128, held: 4, chunk: 4 },
];

/** The most that one workgroup has; every device takes as many. */
const INVOCATIONS_MAX = 256;
/** Sums of an invocation in a projection, named one by one in the shader's text. */
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

function largestPower(most: number): number {
  return 2 ** Math.max(0, Math.floor(Math.log2(most)));
}

/** The tile for a batch of a block of these sizes; undefined where a device's limits allow none. */
export function mambaTiles(
  sizes: MambaSizes,
  limits: GpuLimits,
  batch: number,
): MambaTiles | undefined {
  const { feature, inner } = sizes;
  const most = Math.min(INVOCATIONS_MAX, limits.invocationsMax);
  if (inner > most) return undefined;
  const regime = REGIMES.findLast(({ batchMin }) => batch >= batchMin) ?? REGIMES[0];
  const fitting = largestPower(Math.min(most, regime.invocations) / inner);
  const split = Math.min(fitting, STREAMS_MAX / regime.held);
  const columns = Math.max(selectedOf(sizes), feature);
  const ranges = Math.min(SLICES_MAX, largestPower(inner * split / columns));
  const slices = powerDividing(inner / VECTOR, ranges);
  for (let held = regime.held; held >= 1; held /= 2) {
    const tiles = { streams: held * split, split, slices, chunk: Math.min(held, regime.chunk) };
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
 * The one pass of `mamba_step`.
 *
 * @param isHalf  states are words of two binary16 numbers
 * @param forced  another tile than the one for the size of the run: for tests
 * @throws {InvalidValueError} a device with these limits cannot hold the inner features
 */
function stepPass(
  { batch, rows, fields }: MambaStepRun,
  params: MambaSizes & { readonly norm: boolean; readonly eps: number },
  limits: GpuLimits,
  { isHalf, forced }: { readonly isHalf: boolean; readonly forced?: MambaTiles | undefined },
): Pass & { readonly shader: string } {
  const tiles = forced ?? mambaTiles(params, limits, batch);
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
    REACH: params.inner / VECTOR / tiles.slices,
    COLUMNS: Math.max(selectedOf(params), params.feature),
    NORM: params.norm ? 1 : 0,
    BIAS: params.bias ? 1 : 0,
    HALF: isHalf ? 1 : 0,
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
    shader: "mamba_step",
    entry: "step",
    constants,
    dims: { batch, rows, fields, eps: params.eps },
    bindings: [
      ...["x", "rows", "weights", isHalf ? "state=words" : "state=nextState"],
      ...["window=nextWindow", "out"],
    ],
    workgroups: spreadGroups(groupsFor(batch, tiles.streams), limits),
  };
}

/**
 * The launch plan of `mamba_step`.
 *
 * @param forced  another tile than the one for the size of the run: for tests
 * @throws {InvalidValueError} a device with these limits cannot hold the inner features
 */
export function mambaStepPlan(
  run: MambaStepRun,
  params: MambaSizes & { readonly norm: boolean; readonly eps: number },
  limits: GpuLimits,
  forced?: MambaTiles,
): LaunchPlan {
  return { scratch: {}, passes: [stepPass(run, params, limits, { isHalf: false, forced })] };
}

/**
 * The pass that advances packed states: `words` of two binary16 numbers each.
 *
 * @throws {InvalidValueError} a device with these limits cannot hold the inner features
 */
export function mambaHalfPass(
  run: MambaStepRun,
  params: MambaSizes & { readonly norm: boolean; readonly eps: number },
  limits: GpuLimits,
): Pass & { readonly shader: string } {
  return stepPass(run, params, limits, { isHalf: true });
}
