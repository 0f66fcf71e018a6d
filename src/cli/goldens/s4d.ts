import { activation as activationOp, fftConv, runOp, vandermonde } from "../../ops/mod.ts";
import { dssKernel, s4d, s4dConvolve, s4dDiscrete, s4dKernel } from "../../layers/mod.ts";
import type { LayerParams, LayerState, S4dConfig } from "../../layers/mod.ts";
import { asDtype, floatArray, type Tensor, tensorOf, zeros } from "../../tensor/tensor.ts";
import { activationNamed } from "./activation_name.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, tensorOfCase, textOf, valuesOf } from "./golden_file.ts";
import { channelGradients, type Form, gradientsOf, hasGradients } from "./gradients.ts";
import { listedGradients, lossWeight } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { cast, everySecond, fartherOf, fileTensor, fileTensorIf, rounded } from "./tensors.ts";
import { stack, swapTime, take, timeOf, valuesF64 } from "./tensors.ts";

/** Kernels, steps, carried states, and layers in scan and in convolution form. */
export const s4dGroup: GroupRunner = {
  group: "s4d",
  onGpu: true,
  run(golden, on) {
    if (golden.tensors.has("log_A_real")) return minimalLayer(golden, on);
    const { disc } = golden.scalars;
    if (disc !== "zoh" && disc !== "bilinear" && disc !== "dss") {
      return { unsupported: `discretization "${disc}"` };
    }
    return golden.tensors.has("u") ? layer(golden, on) : kernel(golden, on);
  },
};

type Params = LayerParams<S4dConfig>;

/** One set of parameters for each output channel, which share all but C and D. */
function channelsOf(golden: GoldenCase, activation: S4dConfig["activation"]): Params[] {
  const lambda = valuesOf(golden, "A");
  const [feature = 0, half = 0] = tensorOfCase(golden, "A").shape;
  const C = tensorOfCase(golden, "C");
  const D = fileTensorIf(golden, "D")?.data ?? new Float64Array(C.shape[0]! * feature);
  const config: S4dConfig = {
    feature,
    state: 2 * half,
    start: "lin",
    discretization: textOf(golden, "disc") === "bilinear" ? "bilinear" : "zoh",
    dtMin: 1,
    dtMax: 1,
    activation,
    mix: false,
  };
  const modes = [feature, half];
  const shared = {
    logDt: tensorOf([feature], valuesOf(golden, "dt").map(Math.log)),
    logDecay: tensorOf(modes, everySecond(lambda, 0).map((re) => Math.log(-re))),
    frequency: tensorOf(modes, everySecond(lambda, 1)),
    B: fileTensor(golden, "B"),
  };
  return Array.from({ length: C.shape[0] ?? 0 }, (_, channel) => ({
    config,
    tensors: {
      ...shared,
      C: tensorOf(
        [feature, half, 2],
        C.values.slice(channel * 2 * feature * half, (channel + 1) * 2 * feature * half),
      ),
      D: tensorOf(
        [feature],
        Float64Array.from(
          D.subarray(channel * feature, (channel + 1) * feature),
        ),
      ),
    },
  }));
}

async function kernel(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const channels = channelsOf(golden, "identity");
  const length = tensorOfCase(golden, "K").shape.at(-1) ?? 0;
  const kernelOf = golden.scalars["disc"] === "dss" ? dssKernel : s4dKernel;
  const kernels: Tensor[] = [];
  for (const params of channels) {
    kernels.push(await take(on, kernelOf(on.device, params, length, on.dtype)));
  }
  const values: Record<string, Float64Array> = { K: valuesF64(stack(kernels, 0)) };
  const [first] = channels;
  if (first !== undefined && golden.scalars["disc"] !== "dss") {
    const { Abar, Bbar } = s4dDiscrete(first);
    values["dA"] = rounded(Abar, on.dtype);
    values["dB"] = rounded(Bbar, on.dtype);
  }
  if (golden.tensors.has("K_state")) values["K_state"] = await responses(golden, on, channels);
  if (golden.tensors.has("u_step")) Object.assign(values, await steps(golden, on, channels));
  return { values };
}

/** What a state alone gives over time, 2·Re Σ C·Abar^(l+1)·x.     [batch, channel, head, time] */
async function responses(golden: GoldenCase, on: GoldenDevice, channels: readonly Params[]) {
  const { values: x0, shape } = tensorOfCase(golden, "state0");
  const [batch = 0, feature = 0, half = 0] = shape;
  const length = tensorOfCase(golden, "K_state").shape.at(-1) ?? 0;
  const parts: Tensor[] = [];
  for (const params of channels) {
    const { Abar } = s4dDiscrete(params);
    const C = params.tensors["C"]!.data;
    const logAbar = new Float64Array(x0.length);
    const weight = new Float64Array(x0.length);
    for (let i = 0; i < x0.length; i += 2) {
      const m = i % Abar.length;
      const re = C[m]! * Abar[m]! - C[m + 1]! * Abar[m + 1]!;
      const im = C[m]! * Abar[m + 1]! + C[m + 1]! * Abar[m]!;
      weight[i] = re * x0[i]! - im * x0[i + 1]!;
      weight[i + 1] = re * x0[i + 1]! + im * x0[i]!;
      logAbar[i] = Math.log(Math.hypot(Abar[m]!, Abar[m + 1]!));
      logAbar[i + 1] = Math.atan2(Abar[m + 1]!, Abar[m]!);
    }
    const bank = [batch * feature, half, 2];
    const response = runOp(on.device, vandermonde, {
      logAbar: cast(tensorOf(bank, logAbar), on.dtype),
      C: cast(tensorOf(bank, weight), on.dtype),
    }, { length }).kernel;
    const host = await take(on, response);
    parts.push(tensorOf([batch, feature, length], host.data));
  }
  return valuesF64(stack(parts, 1));
}

/** The recurrent form sample by sample, and the parallel form over the same samples. */
async function steps(golden: GoldenCase, on: GoldenDevice, channels: readonly Params[]) {
  const u = cast(swapTime(fileTensor(golden, "u_step")), on.dtype);
  const start = cast(fileTensor(golden, "state0"), on.dtype);
  const outputs: Tensor[] = [];
  const values: Record<string, Float64Array> = {};
  for (const params of channels) {
    const parallel = s4d.forward(on.device, params, u, { state: { x: start } });
    const whole = await take(on, parallel.state["x"]!);
    values["state_forward"] = valuesF64(whole);
    await take(on, parallel.y);
    const { y, x } = await recur(params, on, u, start);
    outputs.push(swapTime(y));
    values["state_step"] = valuesF64(x);
  }
  values["y_step"] = valuesF64(stack(outputs, 1));
  return values;
}

/** Steps on the CPU; on a GPU, forward over one sample at a time from the carried state. */
async function recur(params: Params, on: GoldenDevice, u: Tensor, start: Tensor) {
  const [batch = 0, length = 0, feature = 0] = u.shape;
  const rows: Tensor[] = [];
  let state: LayerState = { x: tensorOf(start.shape, start.data.slice()) };
  for (let k = 0; k < length; k++) {
    const sample = timeOf(u, k);
    if (on.device.kind === "cpu") {
      rows.push(tensorOf([batch, feature], s4d.step(params, sample.data, state)));
    } else {
      const next = s4d.forward(on.device, params, sample, { state });
      const y = await take(on, next.y);
      rows.push(tensorOf([batch, feature], y.data));
      state = { x: await take(on, next.state["x"]!) };
    }
  }
  return { y: stack(rows, 1), x: state["x"]! };
}

/** Both forms of a layer; the comparison sees whichever is farther off. */
async function bothForms(params: Params, on: GoldenDevice, u: Tensor, expected: Float64Array) {
  const scanned = s4d.forward(on.device, params, u);
  const byScan = await take(on, scanned.y);
  await take(on, scanned.state["x"]!);
  const byConvolution = await take(on, s4dConvolve(on.device, params, u));
  const values = fartherOf(expected, valuesF64(byScan), valuesF64(byConvolution));
  return tensorOf(byScan.shape, values);
}

/** The output's features are (channel, head), channel outermost. */
async function layer(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const activation = activationNamed(golden.scalars["act"]);
  if (activation === undefined) {
    return { unsupported: `activation "${golden.scalars["act"]}"` };
  }
  const u = cast(fileTensor(golden, "u"), on.dtype);
  const reference = fileTensor(golden, "y");
  const channels = channelsOf(golden, activation);
  if (golden.scalars["disc"] === "dss") return await dssLayer(channels, on, u);
  const [batch = 0, length = 0, feature = 0] = u.shape;
  const y = zeros(reference.shape, "f64");
  const width = channels.length * feature;
  for (const [channel, params] of channels.entries()) {
    const part = floatArray("f64", batch * length * feature) as Float64Array;
    for (let i = 0; i < part.length; i++) {
      const at = Math.floor(i / feature) * width + channel * feature + (i % feature);
      part[i] = reference.data[at]!;
    }
    const out = await bothForms(params, on, u, part);
    for (let i = 0; i < part.length; i++) {
      const at = Math.floor(i / feature) * width + channel * feature + (i % feature);
      y.data[at] = out.data[i]!;
    }
  }
  const gradients = hasGradients(golden) ? await layerGradients(golden, on, channels, u) : {};
  return { values: { y: valuesF64(y), ...gradients } };
}

/** The layer in DSS form, whose kernel is made for one length: the convolution, forward only. */
async function dssLayer(
  channels: readonly Params[],
  on: GoldenDevice,
  u: Tensor,
): Promise<Computed> {
  const outputs: Tensor[] = [];
  for (const { config, tensors } of channels) {
    const kernel = dssKernel(on.device, { config, tensors }, u.shape[1]!, on.dtype);
    const { y } = runOp(on.device, fftConv, { u, kernel, D: cast(tensors["D"]!, on.dtype) }, {});
    on.device.free(kernel);
    const active = runOp(on.device, activationOp, { x: y }, { kind: config.activation });
    on.device.free(y);
    outputs.push(await take(on, active.y));
  }
  // [batch, time, channel, head]
  return { values: { y: valuesF64(stack(outputs, 2)) } };
}

const scanned: Form<S4dConfig> = (device, params, u) => {
  const { y, state } = s4d.forward(device, params, u);
  device.free(state["x"]!);
  return y;
};

/** Gradients by the file's names: A_real is log(−Re A), A_imag is −Im A, inv_dt is log dt. */
async function layerGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  channels: readonly Params[],
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const { shared, own } = await channelGradients(golden, on, channels, u, scanned);
  return {
    grad_u: valuesF64(shared("u")),
    grad_C: own("C"),
    ...(golden.tensors.has("D") && { grad_D: own("D") }),
    grad_B: valuesF64(shared("B")),
    grad_A_real: valuesF64(shared("logDecay")),
    grad_A_imag: valuesF64(shared("frequency")).map((value) => -value),
    grad_inv_dt: valuesF64(shared("logDt")),
  };
}

/** The pedagogical block: B is one, the positive half is stored, and features are mixed by GLU. */
async function minimalLayer(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const logDecay = fileTensor(golden, "log_A_real");
  const [feature = 0, half = 0] = logDecay.shape;
  const ones = Float64Array.from({ length: 2 * feature * half }, (_, i) => 1 - (i % 2));
  const params: Params = {
    config: {
      feature,
      state: 2 * half,
      start: "lin",
      discretization: "zoh",
      dtMin: 1,
      dtMax: 1,
      activation: "gelu",
      mix: true,
    },
    tensors: {
      logDt: fileTensor(golden, "log_dt"),
      logDecay,
      frequency: fileTensor(golden, "A_imag"),
      B: tensorOf([feature, half, 2], ones),
      C: fileTensor(golden, "C"),
      D: fileTensor(golden, "D"),
      mixWeight: fileTensor(golden, "W_out"),
      mixBias: fileTensor(golden, "b_out"),
    },
  };
  const u = asDtype(swapTime(fileTensor(golden, "u")), on.dtype);
  const kernelTensor = await take(on, s4dKernel(on.device, params, u.shape[1]!, on.dtype));
  const expected = swapTime(fileTensor(golden, "y"));
  const y = await bothForms(params, on, u, valuesF64(expected));
  return {
    values: {
      K: valuesF64(kernelTensor),
      y: valuesF64(swapTime(y)),
      ...(hasGradients(golden) ? await minimalGradients(golden, on, params, u) : {}),
    },
  };
}

/** The file's names of the block's parameters. */
const MINIMAL_NAMES: Readonly<Record<string, string>> = {
  logDt: "log_dt",
  logDecay: "log_A_real",
  frequency: "A_imag",
  C: "C",
  D: "D",
  mixWeight: "W_out",
  mixBias: "b_out",
};

/** Gradients of the pedagogical block, whose B is fixed. */
async function minimalGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  { config, tensors }: Params,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = Object.entries(tensors).map(([name, tensor]) => [
      name,
      variable(MINIMAL_NAMES[name] ?? name, tensor),
    ]);
    const params = { config, tensors: Object.fromEntries(watched) };
    const { y, state } = s4d.forward(device, params, variable("u", u));
    device.free(state["x"]!);
    return [[y, swapTime(lossWeight(golden, on))]];
  });
  return {
    ...listedGradients(golden, gradient),
    ...(golden.tensors.has("grad_u") && { grad_u: valuesF64(swapTime(gradient("u"))) }),
  };
}
