import { s4, type S4Config, s4Convolve, s4Kernel, s4TruncatedOutput } from "../../layers/mod.ts";
import type { LayerParams, LayerState } from "../../layers/mod.ts";
import { activation, dplrKernel, fftConv, poles, runOp, stepSizes } from "../../ops/mod.ts";
import { DPLR_RANK_MAX } from "../../ops/dplr_scan.ts";
import { dplrExplicitInto } from "../../ssm/dplr.ts";
import { floatArray, type Tensor, tensorOf, transpose } from "../../tensor/tensor.ts";
import { activationNamed } from "./activation_name.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, tensorOfCase, valuesOf } from "./golden_file.ts";
import { channelGradients, type Form, hasGradients } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { stepThrough } from "./layer_steps.ts";
import { cast, everySecond, fartherOf, fileTensor, fileTensorIf, stack } from "./tensors.ts";
import { swapTime, take, valuesF64 } from "./tensors.ts";

/** Kernels by Cauchy sums and by recurrence, carried states, and whole layers in both forms. */
export const s4Group: GroupRunner = {
  group: "s4",
  onGpu: true,
  run(golden, on) {
    const [rank = 0] = tensorOfCase(golden, "P").shape;
    if (rank > DPLR_RANK_MAX) return { unsupported: `a low-rank term of rank ${rank}` };
    if (golden.tensors.has("u")) return layer(golden, on);
    if (golden.tensors.has("K")) return kernel(golden, on);
    return { unsupported: golden.description };
  },
};

type Params = LayerParams<S4Config>;

/** One set of parameters for each output channel, which share all but C and D. */
function channelsOf(golden: GoldenCase, activation: S4Config["activation"]): Params[] {
  const lambda = valuesOf(golden, "A");
  const [feature = 0, half = 0] = tensorOfCase(golden, "A").shape;
  const P = fileTensor(golden, "P");
  const rank = P.shape[0] ?? 0;
  const C = fileTensor(golden, "C");
  const D = fileTensorIf(golden, "D");
  const part = (values: Tensor, channel: number, width: number) =>
    Float64Array.from(values.data.subarray(channel * width, (channel + 1) * width));
  const modes = [feature, half];
  const shared = {
    logDt: tensorOf([feature], valuesOf(golden, "dt").map(Math.log)),
    logDecay: tensorOf(modes, everySecond(lambda, 0).map((re) => Math.log(-re))),
    frequency: tensorOf(modes, everySecond(lambda, 1)),
    P: transpose(P, [1, 0, 2, 3]),
    B: fileTensor(golden, "B"),
  };
  const config: S4Config = {
    feature,
    state: 2 * half,
    measure: rank === 1 ? "legs" : "legt",
    rank,
    dtMin: 1,
    dtMax: 1,
    activation,
    mix: false,
  };
  return Array.from({ length: C.shape[0] ?? 0 }, (_, channel) => ({
    config,
    tensors: {
      ...shared,
      C: tensorOf([feature, half, 2], part(C, channel, 2 * feature * half)),
      D: tensorOf([feature], D ? part(D, channel, feature) : new Float64Array(feature)),
    },
  }));
}

/** The first taps of each feature.                                      [feature, length] */
function firstTaps(taps: Tensor, length: number): Tensor {
  const [feature = 0, count = 0] = taps.shape;
  const out = new Float64Array(feature * length);
  for (let d = 0; d < feature; d++) {
    out.set(taps.data.subarray(d * count, d * count + length), d * length);
  }
  return tensorOf([feature, length], out);
}

async function kernel(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const channels = channelsOf(golden, "identity");
  const length = tensorOfCase(golden, "K").shape.at(-1) ?? 0;
  const feature = channels[0]?.config.feature ?? 0;
  const byCauchy: Tensor[] = [];
  const byRecurrence: Tensor[] = [];
  for (const params of channels) {
    const taps = await take(on, s4Kernel(on.device, params, length, on.dtype));
    byCauchy.push(firstTaps(taps, length));
    const impulse = floatArray(on.dtype, length * feature).fill(1, 0, feature);
    const u = tensorOf([1, length, feature], impulse);
    const response = s4.forward(on.device, params, u);
    await take(on, response.state["x"]!);
    const y = swapTime(await take(on, response.y));
    byRecurrence.push(tensorOf([feature, length], y.data));
  }
  const values: Record<string, Float64Array> = {
    K: valuesF64(stack(byCauchy, 0)),
    K_dense: valuesF64(stack(byRecurrence, 0)),
  };
  if (golden.tensors.has("K_state")) values["K_state"] = await responses(golden, on, channels);
  if (golden.tensors.has("u_step")) Object.assign(values, await steps(golden, on, channels));
  return { values };
}

/**
 * What a state alone gives over time: the kernel with the input that makes the state after a zero
 * step, Bbar = Abar·x, so B = (I + dt/2·A)·x/dt.                 [batch, channel, head, time]
 */
async function responses(golden: GoldenCase, on: GoldenDevice, channels: readonly Params[]) {
  const start = fileTensor(golden, "state0");
  const [batch = 0, feature = 0, half = 0] = start.shape;
  const length = tensorOfCase(golden, "K_state").shape.at(-1) ?? 0;
  const parts: Tensor[] = [];
  for (const params of channels) {
    const { tensors, config } = params;
    const rows: Tensor[] = [];
    for (let b = 0; b < batch; b++) {
      const B = new Float64Array(2 * feature * half);
      for (let d = 0; d < feature; d++) {
        const dt = Math.exp(tensors["logDt"]!.data[d]!);
        const width = 2 * half;
        const x = Float64Array.from(start.data.subarray((b * feature + d) * width).slice(0, width));
        const lambda = Float64Array.from({ length: width }, (_, i) => {
          const m = d * half + (i >> 1);
          return i % 2 ? tensors["frequency"]!.data[m]! : -Math.exp(tensors["logDecay"]!.data[m]!);
        });
        const P = tensors["P"]!.data.subarray(
          d * config.rank * width,
          (d + 1) * config.rank * width,
        );
        dplrExplicitInto(x, { lambda, P, B: x, half, rank: config.rank }, dt);
        B.set(x.map((value) => value / dt), d * width);
      }
      const driven = { config, tensors: { ...tensors, B: tensorOf([feature, half, 2], B) } };
      const taps = await take(on, s4Kernel(on.device, driven, length, on.dtype));
      rows.push(firstTaps(taps, length));
    }
    parts.push(stack(rows, 0));
  }
  return valuesF64(stack(parts, 1));
}

/** The recurrent form sample by sample, and the parallel form over the same samples. */
async function steps(golden: GoldenCase, on: GoldenDevice, channels: readonly Params[]) {
  const u = cast(swapTime(fileTensor(golden, "u_step")), on.dtype);
  const start: LayerState = { x: cast(fileTensor(golden, "state0"), on.dtype) };
  const outputs: Tensor[] = [];
  const values: Record<string, Float64Array> = {};
  for (const params of channels) {
    const whole = s4.forward(on.device, params, u, { state: start });
    values["state_forward"] = valuesF64(await take(on, whole.state["x"]!));
    await take(on, whole.y);
    const { y, states } = await stepThrough(s4, params, on, u, start);
    outputs.push(swapTime(y));
    values["state_step"] = valuesF64(states.at(-1)!["x"]!);
  }
  values["y_step"] = valuesF64(stack(outputs, 1));
  return values;
}

/** Both forms of a layer; the output's features are (channel, head), channel outermost. */
async function layer(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const kind = activationNamed(golden.scalars["act"]);
  if (kind === undefined) return { unsupported: `activation "${golden.scalars["act"]}"` };
  const u = cast(fileTensor(golden, "u"), on.dtype);
  const scanned: Tensor[] = [];
  const convolved: Tensor[] = [];
  const channels = channelsOf(golden, kind);
  for (const params of channels) {
    const result = s4.forward(on.device, params, u);
    await take(on, result.state["x"]!);
    scanned.push(await take(on, result.y));
    convolved.push(await take(on, s4Convolve(on.device, params, u)));
  }
  // [batch, time, channel, head]
  const joined = (parts: readonly Tensor[]) => valuesF64(stack(parts, 2));
  const y = fartherOf(valuesOf(golden, "y"), joined(scanned), joined(convolved));
  const gradients = hasGradients(golden) ? await s4Gradients(golden, on, channels, u) : {};
  return { values: { y, ...gradients } };
}

const scanned: Form<S4Config> = (device, params, u) => {
  const { y, state } = s4.forward(device, params, u);
  device.free(state["x"]!);
  return y;
};

/** The convolution with C being Ctilde, the published code's parameter, for the case's length. */
const truncated: Form<S4Config> = (device, { config, tensors }, u) => {
  const { logDecay, frequency, logDt, P, B, C, D } = tensors;
  const { lambda } = runOp(device, poles, { logDecay: logDecay!, frequency: frequency! }, {});
  const { dt } = runOp(device, stepSizes, { logDt: logDt! }, {});
  const system = { lambda, P: P!, B: B!, C: C!, dt };
  const { kernel } = runOp(device, dplrKernel, system, { length: u.shape[1]! });
  const { y } = runOp(device, fftConv, { u, kernel, D: D! }, {});
  const output = runOp(device, activation, { x: y }, { kind: config.activation }).y;
  for (const tensor of [lambda, dt, kernel, y]) device.free(tensor);
  return output;
};

/**
 * Gradients of one form by the file's names without their prefix: A_real is log(−Re A), A_imag is
 * −Im A, inv_dt is log dt, and P has its rank first.
 */
async function formGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  channels: readonly Params[],
  u: Tensor,
  form: Form<S4Config>,
): Promise<Record<string, Float64Array>> {
  const { shared, own } = await channelGradients(golden, on, channels, u, form);
  return {
    u: valuesF64(shared("u")),
    C: own("C"),
    D: own("D"),
    B: valuesF64(shared("B")),
    P: valuesF64(transpose(shared("P"), [1, 0, 2, 3])),
    A_real: valuesF64(shared("logDecay")),
    A_imag: valuesF64(shared("frequency")).map((value) => -value),
    inv_dt: valuesF64(shared("logDt")),
  };
}

/**
 * Gradients of a layer by the file's names: `grad_…` with Ctilde held fixed, `gradC_…` with C held
 * fixed, of which the comparison sees the scan or the convolution, whichever is farther off.
 */
async function s4Gradients(
  golden: GoldenCase,
  on: GoldenDevice,
  channels: readonly Params[],
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const stored = channels.map(({ config, tensors }) => {
    const C = s4TruncatedOutput({ config, tensors }, u.shape[1]!);
    return { config, tensors: { ...tensors, C } };
  });
  const byTilde = await formGradients(golden, on, stored, u, truncated);
  const byScan = await formGradients(golden, on, channels, u, scanned);
  const byConvolution = await formGradients(golden, on, channels, u, s4Convolve);
  const values: Record<string, Float64Array> = {};
  for (const name of Object.keys(byScan)) {
    values[name === "C" ? "grad_C_tilde" : `grad_${name}`] = byTilde[name]!;
    const both = `gradC_${name}`;
    if (!golden.tensors.has(both)) continue;
    values[both] = fartherOf(valuesOf(golden, both), byScan[name]!, byConvolution[name]!);
  }
  return values;
}
