/** Launch plan of `kalman_smoother`; phases at the head of its shader. */
import type { GpuLimits } from "../../device/device.ts";
import type { LaunchPlan, Pass } from "../op.ts";
import { isRolled, KALMAN_CHUNK_GROUP, kalmanChunks } from "./kalman_model.ts";
import type { KalmanRun, ModelPart, ModelPlace } from "./kalman_model.ts";
import { collectSlices } from "./kalman_collect.ts";
import { groupsFor, spreadGroups } from "./plan.ts";
import { joinPlans } from "./reduce.ts";

/** Distances of a model's slices between streams and between samples, in elements. */
function stridesOf({ axes, size }: ModelPlace, length: number) {
  return axes === 0 ? [0, 0] : axes === 1 ? [size, 0] : [length * size, size];
}

/** Sizes of what the passes store, in numbers: a stretch of samples, a belief about one state. */
function sizesOf(state: number) {
  return { element: state + 2 * state * state, belief: state + state * state };
}

type PlaceOf = (part: ModelPart) => ModelPlace;

function constantsOf({ state, noise }: KalmanRun, place: PlaceOf, width: number) {
  const { element, belief } = sizesOf(state);
  const columns = Math.max(2 * state, state + noise);
  return {
    GROUP: KALMAN_CHUNK_GROUP,
    STATES: state,
    NOISE: noise,
    HAS_SHIFT: place("stateIntercept").given ? 1 : 0,
    ELEMENT: element,
    BELIEF: belief,
    WIDTH: width,
    AT_W: place("processFactor").offset,
    AT_SHIFT: place("stateIntercept").offset,
    // What is made triangular: a regression, a belief.
    ROWS_0: 2 * state,
    COLS_0: columns,
    ROWS_1: state,
    COLS_1: 2 * state,
    ROWS_2: 0,
    COLS_2: 0,
    STRIDE: columns,
    WORK: 2 * state * columns,
  };
}

function dimsOf(run: KalmanRun, place: PlaceOf) {
  const { batch, length } = run;
  const [stepBatch = 0, stepTime = 0] = stridesOf(place("A"), length);
  const [noiseBatch = 0, noiseTime = 0] = stridesOf(place("processFactor"), length);
  const [shiftBatch = 0, shiftTime = 0] = stridesOf(place("stateIntercept"), length);
  return {
    batch,
    length,
    ...kalmanChunks(run),
    ...{ stepBatch, stepTime, noiseBatch, noiseTime, shiftBatch, shiftTime },
  };
}

/** Sizes that all passes of a plan share, and its passes. */
function layoutOf(
  run: KalmanRun,
  places: readonly ModelPlace[],
  limits: GpuLimits,
  isBackward: boolean,
) {
  const { batch, length, state } = run;
  const place = (part: ModelPart) => places.find((at) => at.part === part)!;
  const width = places.reduce((sum, { size }) => sum + size, 0);
  const constants = {
    ...constantsOf(run, place, width),
    IS_BACKWARD: isBackward ? 1 : 0,
    ROLLED: isRolled(run, limits),
  };
  const dims = dimsOf(run, place);
  const { chunks } = dims;
  const pass = (entry: string, bindings: readonly string[], count: number): Pass => ({
    entry,
    // Only what crosses chunks is compiled twice.
    constants: { ...constants, IS_CHUNKED: entry === "carry_flows" && chunks > 1 ? 1 : 0 },
    dims,
    bindings,
    workgroups: spreadGroups(groupsFor(count, KALMAN_CHUNK_GROUP), limits),
  });
  const { element, belief } = sizesOf(state);
  return {
    pass,
    chunks,
    width,
    model: [
      ...["A", "processFactor"],
      ...(place("stateIntercept").given ? ["stateIntercept"] : []),
    ],
    scratch: {
      elements: batch * length * element,
      spans: batch * chunks * element,
      beliefs: batch * chunks * belief,
    },
    belief,
  };
}

/** The plan of the smoother. */
export function launchSmoother(
  run: KalmanRun,
  places: readonly ModelPlace[],
  limits: GpuLimits,
): LaunchPlan {
  const { batch, length } = run;
  const { pass, chunks, model, scratch } = layoutOf(run, places, limits, false);
  return {
    scratch,
    passes: [
      pass("regress", ["mean", "factor", ...model, "elements"], batch * length),
      ...(chunks > 1
        ? [
          pass("reduce_chunks", ["elements", "spans"], batch * (chunks - 1)),
          pass("carry_chunks", ["spans", "beliefs"], batch),
        ]
        : []),
      pass(
        "smooth_chunks",
        ["elements", "beliefs", "smoothedMean", "smoothedFactor"],
        batch * chunks,
      ),
    ],
  };
}

/** The plan of the smoother's backward. */
export function launchSmootherBackward(
  run: KalmanRun,
  places: readonly ModelPlace[],
  limits: GpuLimits,
): LaunchPlan {
  const { batch, length } = run;
  const layout = layoutOf(run, places, limits, true);
  const { pass, chunks, model, width } = layout;
  const samples = batch * length;
  const scratch = {
    ...layout.scratch,
    flows: samples * layout.belief,
    slices: samples * width,
  };
  const outputs = ["factor=smoothedFactor", "gradSmoothedMean", "gradFactor=gradSmoothedFactor"];
  const passes = [
    pass("regress", ["mean", "factor", ...model, "elements"], samples),
    pass("pack_flows", [...outputs, "flows"], samples),
    ...(chunks > 1
      ? [pass("reduce_flows", ["elements", "flows", "spans"], batch * (chunks - 1))]
      : []),
    pass("carry_flows", [...(chunks > 1 ? ["spans"] : []), "beliefs"], batch),
    pass("add_flows", ["elements", "beliefs", "flows"], batch * chunks),
    pass("regress_back", ["smoothedMean", "smoothedFactor", "elements", "flows"], samples),
    pass(
      "belief_back",
      ["factor", "A", "elements", "flows", "ofMean=gradMean", "ofFactor=gradFactor"],
      samples,
    ),
    pass("model_back", ["mean", "factor", "A", "processFactor", "elements", "slices"], samples),
  ];
  return joinPlans({ scratch, passes }, ...collectSlices({ run, places, limits }, samples, width));
}
