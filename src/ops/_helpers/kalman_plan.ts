/** Launch plans of `kalman_filter`; phases at the head of its shader. */
import type { GpuLimits } from "../../device/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { LaunchPlan, Pass } from "../op.ts";
import { collectSlices } from "./kalman_collect.ts";
import {
  expectGpuSizes,
  isRolled,
  KALMAN_CHUNK_GROUP,
  KALMAN_GRADIENT_STATES_MAX,
  KALMAN_STATES_MAX,
  kalmanChunks,
  type KalmanRun,
  type ModelPart,
  type ModelPlace,
} from "./kalman_model.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./plan.ts";
import { joinPlans } from "./reduce.ts";

/** What a plan is made for. */
export interface KalmanLaunch {
  readonly run: KalmanRun;
  readonly places: readonly ModelPlace[];
  /** Shapes of the inputs that are given. */
  readonly shapes: { readonly [input: string]: Shape | undefined };
  readonly start: "filtered" | "predicted";
  readonly limits: GpuLimits;
}

type Places = Readonly<Record<ModelPart, ModelPlace>>;

/** Sizes of what the passes store, in numbers. */
function sizesOf({ run, places, shapes }: KalmanLaunch) {
  const { batch, length, state, observed } = run;
  const axes = Math.max(...places.map((at) => at.axes));
  const belief = state + state * state;
  return {
    hasMask: shapes["mask"] === undefined ? 0 : 1,
    /** Axes that some part of the model has: none, the batch, or the length too. */
    axes,
    modelRows: axes === 0 ? 1 : axes === 1 ? batch : batch * length,
    /** Of one slice of the model. */
    width: places.reduce((sum, { size }) => sum + size, 0),
    belief,
    // (b, η, A, U, Z), and whether the chunk must be filtered sample by sample instead.
    element: 2 * state + 3 * state * state + 1,
    flow: belief + observed + observed * observed + 1,
    flowElement: 2 * belief,
  };
}

type StoredSizes = ReturnType<typeof sizesOf>;

function constantsOf({ run, limits }: KalmanLaunch, place: Places, sizes: StoredSizes) {
  const { state, observed, noise } = run;
  const { hasMask, belief, flow } = sizes;
  const wide = state + noise;
  const columns = (1 + hasMask) * observed + wide;
  const rows = observed + state;
  return {
    STATES: state,
    OBSERVED: observed,
    NOISE: noise,
    WIDE: wide,
    HAS_MASK: hasMask,
    WIDTH: sizes.width,
    AT_C: place.C.offset,
    AT_W: place.processFactor.offset,
    AT_V: place.observationFactor.offset,
    AT_SHIFT: place.stateIntercept.offset,
    AT_OFFSET: place.observationIntercept.offset,
    BELIEF: belief,
    ELEMENT: sizes.element,
    FLOW: flow,
    FLOW_CROSS: state,
    FLOW_Y: belief,
    FLOW_S: belief + observed,
    FLOW_LOG: flow - 1,
    FLOW_ELEMENT: sizes.flowElement,
    // What is made triangular: a sample, the information of a chunk, the belief across a chunk.
    ROLLED: isRolled(run, limits),
    ROWS_0: rows,
    COLS_0: columns,
    ROWS_1: state,
    COLS_1: rows,
    ROWS_2: state,
    COLS_2: 2 * state,
    STRIDE: Math.max(columns, 2 * state),
    WORK: rows * Math.max(columns, 2 * state),
  };
}

function dimsOf({ run, start }: KalmanLaunch, place: Places, sizes: StoredSizes) {
  const { batch, length } = run;
  const { axes, modelRows, width } = sizes;
  return {
    batch,
    length,
    ...kalmanChunks(run),
    modelBatch: axes === 0 ? 0 : (modelRows / batch) * width,
    modelTime: axes === 2 ? width : 0,
    modelRows,
    modelLength: axes === 2 ? length : 1,
    axesA: place.A.axes,
    axesC: place.C.axes,
    axesW: place.processFactor.axes,
    axesV: place.observationFactor.axes,
    axesShift: place.stateIntercept.axes,
    axesOffset: place.observationIntercept.axes,
    firstMoves: start === "filtered" ? 1 : 0,
    slicePerSample: axes === 2 ? 1 : 0,
  };
}

/** What all passes of a plan share. */
function layoutOf(launch: KalmanLaunch) {
  const place = Object.fromEntries(launch.places.map((at) => [at.part, at])) as Places;
  const sizes = sizesOf(launch);
  const { axes, modelRows, width, belief, element, flow, flowElement } = sizes;
  return {
    constants: constantsOf(launch, place, sizes),
    packingConstants: {
      HAS_SHIFT: place.stateIntercept.given ? 1 : 0,
      HAS_OFFSET: place.observationIntercept.given ? 1 : 0,
    },
    dims: dimsOf(launch, place, sizes),
    chunks: kalmanChunks(launch.run).chunks,
    modelSize: modelRows * width,
    ...{ axes, width, belief, element, flow, flowElement },
  };
}

type Layout = ReturnType<typeof layoutOf>;
type PassOf = (entry: string, bindings: readonly string[], count: number) => Pass;

/** The parts of the shader: what only moves numbers, the filter, the way back. */
const PHASES: Readonly<Record<string, number>> = {
  reduce_chunks: 1,
  carry_chunks: 1,
  filter_chunks: 1,
  flow_chunks: 2,
  carry_flows: 2,
  unfold_chunks: 2,
};

function passesOf(layout: Layout, limits: GpuLimits): PassOf {
  return (entry, bindings, count) => {
    const phase = PHASES[entry] ?? 0;
    const size = phase > 0 ? KALMAN_CHUNK_GROUP : POINTWISE_GROUP;
    const own = phase === 0 ? layout.packingConstants : {};
    // Only what crosses chunks is compiled twice.
    const isChunked = entry.startsWith("carry_") && layout.chunks > 1 ? 1 : 0;
    return {
      entry,
      constants: { ...layout.constants, ...own, PHASE: phase, IS_CHUNKED: isChunked, GROUP: size },
      dims: layout.dims,
      bindings,
      workgroups: spreadGroups(groupsFor(count, size), limits),
    };
  };
}

/** The passes that put the model and the observations side by side. */
function packing({ run, places, shapes }: KalmanLaunch, layout: Layout, pass: PassOf) {
  const given = places.filter((place) => place.given).map(({ part }) => part);
  const values = run.batch * run.length * run.observed;
  const hasMask = shapes["mask"] !== undefined;
  return {
    /** What the other passes read of the observations. */
    seen: hasMask ? "seen" : "y",
    scratch: { model: layout.modelSize, ...(hasMask && { seen: 2 * values }) },
    passes: [
      pass("pack_model", [...given, "model"], layout.modelSize),
      ...(hasMask ? [pass("pack_seen", ["y", "mask", "seen"], values)] : []),
    ],
  };
}

/**
 * The plan of the filter.
 *
 * @throws {InvalidValueError} more states, noises or channels than the shader holds
 */
export function launchFilter(launch: KalmanLaunch): LaunchPlan {
  expectGpuSizes(launch.run, KALMAN_STATES_MAX);
  const { batch } = launch.run;
  const layout = layoutOf(launch);
  const { chunks } = layout;
  const pass = passesOf(layout, launch.limits);
  const { seen, ...packed } = packing(launch, layout, pass);
  const outputs = ["mean", "factor", "forecast", "forecastCov", "logLik"];
  const start = ["startMean", "startFactor"];
  const chunked = chunks > 1 ? ["model", seen] : [];
  return joinPlans(packed, {
    scratch: {
      elements: batch * chunks * layout.element,
      beliefs: batch * chunks * layout.belief,
    },
    passes: [
      ...(chunks > 1
        ? [pass("reduce_chunks", [...chunked, ...start, "elements"], batch * (chunks - 1))]
        : []),
      pass("carry_chunks", [...chunked, ...start, "elements", "beliefs"], batch),
      pass("filter_chunks", ["model", seen, "beliefs", ...outputs], batch * chunks),
    ],
  });
}

/** The plan of the filter's backward. @throws as {@linkcode launchFilter}, at fewer states */
export function launchBackward(launch: KalmanLaunch): LaunchPlan {
  const { run, shapes } = launch;
  const { batch, length, state, observed } = run;
  expectGpuSizes(run, KALMAN_GRADIENT_STATES_MAX);
  const layout = layoutOf(launch);
  const { chunks } = layout;
  const pass = passesOf(layout, launch.limits);
  const { seen, ...packed } = packing(launch, layout, pass);
  const visited = ["model", seen, "beliefs", "mean", "factor", "flows"];
  const sliceRows = layout.axes === 2 ? batch * length : batch * chunks;
  const values = batch * length * observed;
  const outputs = ["gradMean", "gradFactor", "gradForecast", "gradForecastCov", "gradLogLik"];
  const passes = [
    pass("pack_start", ["startMean", "startFactor", "beliefs"], batch * layout.belief),
    pass("pack_flows", ["factor", ...outputs, "flows"], batch * length),
    ...(chunks > 1 ? [pass("flow_chunks", [...visited, "elements"], batch * (chunks - 1))] : []),
    pass("carry_flows", ["elements", "carried"], batch),
    pass("unfold_chunks", [...visited, "carried", "slices"], batch * chunks),
    pass("unpack_y", ["flows", "gradY"], values),
    ...(shapes["mask"] ? [pass("clear_mask", ["gradMask"], values)] : []),
    pass(
      "unpack_start",
      ["startFactor", "carried", "gradStartMean", "gradStartFactor"],
      batch * state,
    ),
  ];
  const scratch = {
    beliefs: batch * layout.belief,
    flows: batch * length * layout.flow,
    elements: batch * chunks * layout.flowElement,
    carried: batch * chunks * layout.belief,
    slices: sliceRows * layout.width,
  };
  return joinPlans(packed, { scratch, passes }, ...collectSlices(launch, sliceRows, layout.width));
}
