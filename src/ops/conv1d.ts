/**
 * Causal depthwise convolution over time with a carried state.
 *
 *   y[k] = act(Σ_j weight[j]·u[k − (width−1) + j] + bias)
 *
 * The last tap multiplies the current sample. `x0` holds the width−1 inputs before the first
 * one, oldest first, 0 where left out; the output `state` goes on from there. The convolution of
 * Mamba's block (arXiv 2312.00752, section 3.4) and Dao-AILab's causal-conv1d; a Mamba step keeps
 * `width` inputs, of which the newest width−1 are this state.
 *
 * Tolerance: a sum of `width` products; 5e-6 leaves room for SiLU's exp.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectAxis, expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { silu, siluSlope } from "./_helpers/activation.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { flag, SIMD_TILE, singlePass, tiledTasks } from "./_helpers/simd.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** Parameters of {@linkcode conv1d}. */
export interface Conv1dParams {
  readonly activation: "identity" | "silu";
}

/** Longest window; longer convolutions belong to `fft_conv`. */
export const CONV1D_WIDTH_MAX = 64;

type Shapes = Named<"u" | "weight", "bias" | "x0", Shape>;

function outputShapes(shapes: Shapes): { y: Shape; state: Shape } {
  expectRank("u", 3, shapes.u);
  const [batch, , feature] = shapes.u as [number, number, number];
  expectRank("weight", 2, shapes.weight);
  expectAxis("weight.feature", feature, shapes.weight[0]);
  const width = shapes.weight[1]!;
  if (width < 1 || width > CONV1D_WIDTH_MAX) {
    throw new InvalidValueError("weight.width", width, `1 to ${CONV1D_WIDTH_MAX}`);
  }
  if (shapes.bias) expectShape("bias", ["feature"], [feature], shapes.bias);
  const state = [batch, feature, width - 1];
  if (shapes.x0) expectShape("x0", ["batch", "feature", "width-1"], state, shapes.x0);
  return { y: shapes.u, state };
}

/**
 * The twin.
 *
 *   u       input                        [batch, length, feature]
 *   weight  taps, the newest last        [feature, width]
 *   bias                                 [feature]
 *   x0      inputs before, oldest first  [batch, feature, width−1]
 *   y       output                       [batch, length, feature]
 *   state   the last width−1 inputs      [batch, feature, width−1]
 */
function cpu(
  inputs: Named<"u" | "weight", "bias" | "x0", FloatArray>,
  outputs: { readonly y: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
  params: Conv1dParams,
): void {
  const { u, weight, bias, x0 } = inputs;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const width = shapes.weight[1]!;
  const past = width - 1;
  const window = new Float64Array(past + length);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * past;
      for (let j = 0; j < past; j++) window[j] = x0 ? x0[carried + j]! : 0;
      for (let k = 0; k < length; k++) window[past + k] = u[(b * length + k) * feature + d]!;
      const shift = bias ? bias[d]! : 0;
      for (let k = 0; k < length; k++) {
        let sum = shift;
        for (let j = 0; j < width; j++) sum += weight[d * width + j]! * window[k + j]!;
        outputs.y[(b * length + k) * feature + d] = params.activation === "silu" ? silu(sum) : sum;
      }
      for (let j = 0; j < past; j++) outputs.state[carried + j] = window[length + j]!;
    }
  }
}

/**
 * Outputs that an invocation makes from one window in registers: few, so that many windows are
 * under way, and more where a window is so wide that loading it would take longer than that. On an
 * H100 4, 8 and 16 outputs of 4 taps take 0.096, 0.097 and 0.099 ms, and 0.166, 0.180 and 0.176 ms
 * on the way back (batch 8, 2,048 samples of 2,048 features).
 */
const RUN = 4;
const RUN_WIDE = 16;
const WIDTH_WIDE = 8;
/** Invocations of a workgroup. */
const GROUP = 128;
/** Steps whose gradients an invocation finds, and whose shares of the taps' gradients it adds. */
const PART = 64;

function runOf(shapes: Shapes): number {
  return shapes.weight[1]! > WIDTH_WIDE ? RUN_WIDE : RUN;
}

function constantsOf(shapes: Shapes, params: Conv1dParams) {
  return {
    WIDTH: shapes.weight[1]!,
    SILU: params.activation === "silu" ? 1 : 0,
    HAS_BIAS: shapes.bias ? 1 : 0,
    HAS_X0: shapes.x0 ? 1 : 0,
    GROUP,
    RUN: runOf(shapes),
    PART,
  };
}

function launch(shapes: Shapes, params: Conv1dParams, limits: GpuLimits): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const given = [...(shapes.bias ? ["bias"] : []), ...(shapes.x0 ? ["x0"] : [])];
  // A row without samples has a state to carry all the same.
  const runs = Math.max(1, Math.ceil(length / runOf(shapes)));
  return {
    scratch: {},
    passes: [{
      entry: "convolve",
      constants: constantsOf(shapes, params),
      dims: { batch, length, feature, runs },
      bindings: ["u", "weight", ...given, "y", "state"],
      workgroups: spreadGroups(groupsFor(batch * runs * feature, GROUP), limits),
    }],
  };
}

/** About 0.5 ns a tap, and an exponential. */
function simdPlan(shapes: Shapes, params: Conv1dParams): SimdPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const width = shapes.weight[1]!;
  const sizes = [length, feature, width, flag(params.activation === "silu")];
  return singlePass({
    entry: "conv1d",
    args: ["u", "weight", "bias", "x0", "y", "state", ...sizes],
    tasks: tiledTasks(batch, feature),
    threadFloats: 2 * width * SIMD_TILE,
  }, (4 + width) * 5e-7 * sizeOf(shapes.u));
}

/**
 * With slope = gradY·act'(before the activation) and the window of carried and new inputs w[..],
 *
 *   gradW[i]   = Σ_j weight[j]·slope[i − j], and from the carried state where w[i] is in it
 *   gradWeight = Σ slope[k]·w[k + j]        gradBias = Σ slope      (over batch and time)
 *
 * gradX0 is the first width − 1 entries of gradW, gradU the others.
 */
const backward: Backward<Conv1dParams, "u" | "weight", "bias" | "x0", "y" | "state"> = {
  needs: ["u", "weight", "bias", "x0"],
  cpu(given, { gradU, gradWeight, gradBias, gradX0 }, shapes, params) {
    const { u, weight, bias, x0, gradY, gradState } = given;
    const [batch, length, feature] = shapes.u as [number, number, number];
    const width = shapes.weight[1]!;
    const past = width - 1;
    const window = new Float64Array(past + length);
    const gradWindow = new Float64Array(past + length);
    const taps = new Float64Array(feature * width);
    const shifts = new Float64Array(feature);
    for (let b = 0; b < batch; b++) {
      for (let d = 0; d < feature; d++) {
        const carried = (b * feature + d) * past;
        for (let j = 0; j < past; j++) window[j] = x0 ? x0[carried + j]! : 0;
        for (let k = 0; k < length; k++) window[past + k] = u![(b * length + k) * feature + d]!;
        gradWindow.fill(0);
        for (let j = 0; j < past; j++) gradWindow[length + j] = gradState![carried + j]!;
        for (let k = 0; k < length; k++) {
          let slope = gradY![(b * length + k) * feature + d]!;
          if (params.activation === "silu") {
            let sum = bias ? bias[d]! : 0;
            for (let j = 0; j < width; j++) sum += weight![d * width + j]! * window[k + j]!;
            slope *= siluSlope(sum);
          }
          shifts[d]! += slope;
          for (let j = 0; j < width; j++) {
            taps[d * width + j]! += slope * window[k + j]!;
            gradWindow[k + j]! += slope * weight![d * width + j]!;
          }
        }
        for (let j = 0; j < past && gradX0; j++) gradX0[carried + j] = gradWindow[j]!;
        for (let k = 0; k < length; k++) {
          gradU![(b * length + k) * feature + d] = gradWindow[past + k]!;
        }
      }
    }
    gradWeight!.set(taps);
    gradBias?.set(shifts);
  },
  launch(shapes, params, limits) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const width = shapes.weight[1]!;
    // None where there are no samples: the sum of no parts is 0, a part would stay unwritten.
    const runs = Math.ceil(length / PART);
    const given = [...(shapes.bias ? ["bias"] : []), ...(shapes.x0 ? ["x0"] : [])];
    const values = ["u", "weight", ...given, "gradY", "gradState"];
    const pass = (entry: string, target: readonly string[], count: number): Pass => ({
      entry,
      constants: constantsOf(shapes, params),
      dims: { batch, length, feature, runs },
      bindings: [...values, ...target],
      workgroups: spreadGroups(groupsFor(count, GROUP), limits),
    });
    const passes = [pass("back_to_all", ["gradU", "sums"], batch * runs * feature)];
    if (shapes.x0) passes.push(pass("back_to_state", ["gradX0"], batch * feature * (width - 1)));
    const rows = batch * runs;
    const stride = feature * (width + 1);
    const sum = (target: string, offset: number, columns: number) =>
      columnSums({ target, left: "sums", rows, columns, stride, offset });
    return joinPlans(
      { scratch: { sums: rows * stride }, passes },
      sum("gradWeight", 0, feature * width),
      ...(shapes.bias ? [sum("gradBias", feature * width, feature)] : []),
    );
  },
  simd(shapes, { activation }) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const width = shapes.weight[1]!;
    const tensors = ["u", "weight", "bias", "x0", "gradY", "gradState"];
    const gradients = ["gradU", "gradWeight", "gradBias", "gradX0"];
    const sizes = [batch, length, feature, width, flag(activation === "silu")];
    return singlePass({
      entry: "conv1d_backward",
      args: [...tensors, ...gradients, ...sizes],
      tasks: tiledTasks(1, feature),
      threadFloats: (2 * (length + width - 1) + 4 * width + 2) * SIMD_TILE,
    }, (6 + 3 * width) * 5e-7 * sizeOf(shapes.u));
  },
  tolerance: 1e-5,
};

function windowed(
  name: string,
  [batch, length, feature, width]: readonly [number, number, number, number],
  activation: Conv1dParams["activation"],
  quick = false,
): OpCase<Conv1dParams, "u" | "weight", "bias" | "x0"> {
  return {
    name,
    quick,
    params: { activation },
    inputs: (random) => ({
      u: normal(random, [batch, length, feature]),
      weight: normal(random, [feature, width]),
      bias: normal(random, [feature]),
      x0: normal(random, [batch, feature, width - 1]),
    }),
  };
}

const cases: readonly OpCase<Conv1dParams, "u" | "weight", "bias" | "x0">[] = [
  windowed("one sample", [2, 1, 3, 4], "silu"),
  windowed("shorter than the window", [2, 2, 3, 4], "identity"),
  windowed("as long as the state", [2, 3, 3, 4], "identity"),
  windowed("as long as the window", [2, 4, 3, 4], "silu"),
  windowed("longer, odd sizes", [3, 41, 7, 5], "silu", true),
  windowed("a wide window, past a part", [2, 83, 3, 19], "silu"),
  windowed("one tap, no state", [1, 9, 3, 1], "identity"),
  {
    name: "nothing optional",
    params: { activation: "identity" },
    inputs: (random) => ({ u: normal(random, [1, 70, 2]), weight: normal(random, [2, 3]) }),
  },
  {
    name: "zeros and denormals",
    params: { activation: "silu" },
    inputs: (random) => ({
      u: denormal(random, [1, 5, 2]),
      weight: constant([2, 3], 1),
      bias: constant([2], 0),
    }),
  },
];

/** Causal depthwise convolution; equation and shapes at the head of this file. */
export const conv1d = defineOp<Conv1dParams, "u" | "weight", "bias" | "x0", "y" | "state">({
  name: "conv1d",
  inputs: ["u", "weight"],
  optional: ["bias", "x0"],
  outputs: ["y", "state"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.u) * shapes.weight[1]!,
  sized: (work) =>
    windowed(`${work} taps`, [1, Math.max(1, Math.round(work / 256)), 64, 4], "silu"),
  cases,
  tolerance: 5e-6,
  backward,
});
