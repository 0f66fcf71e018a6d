import { h3, type H3Config, s4dKernel } from "../../layers/mod.ts";
import type { LayerParams, S4dConfig } from "../../layers/mod.ts";
import { runOp, shiftTaps } from "../../ops/mod.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { type GoldenCase, tensorOfCase } from "./golden_file.ts";
import { gradientsOf, hasGradients, listedGradients, lossWeight } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { prefillLength, readState, stepThrough, wideConvState } from "./layer_steps.ts";
import { cast, fileTensor, leading, take, trailing, valuesF64 } from "./tensors.ts";

/** Both kernels, the layer over a sequence, and prefill followed by steps with their states. */
export const h3Group: GroupRunner = {
  group: "h3",
  onGpu: true,
  async run(golden, on) {
    const { disc } = golden.scalars;
    if (disc !== "bilinear" && disc !== "zoh") {
      return { unsupported: `discretization "${disc}"` };
    }
    const params = paramsOf(golden, disc);
    const u = cast(fileTensor(golden, "u"), on.dtype);
    const whole = h3.forward(on.device, params, u);
    await readState(on, whole.state);
    return {
      values: {
        y: valuesF64(await take(on, whole.y)),
        ...(golden.tensors.has("K_shift") && { K_shift: await shiftKernel(golden, on) }),
        ...(golden.tensors.has("K_diag") &&
          { K_diag: valuesF64(await take(on, diagonalKernel(golden, params, on))) }),
        ...await prefilled(golden, params, on, u),
        ...(hasGradients(golden) ? await gradients(golden, params, on, u) : {}),
      },
    };
  },
};

type Params = LayerParams<H3Config>;

/** The file's names of the parameters. */
const NAMES: Readonly<Record<string, string>> = {
  qProj: "W_q",
  qBias: "b_q",
  kProj: "W_k",
  kBias: "b_k",
  vProj: "W_v",
  vBias: "b_v",
  outProj: "W_out",
  outBias: "b_out",
  shiftB: "shift_B",
  shiftC: "shift_C",
  shiftD: "shift_D",
  logDt: "log_dt",
  logDecay: "inv_A_real",
  frequency: "A_imag",
  B: "B",
  C: "C",
  D: "D",
};

function paramsOf(golden: GoldenCase, discretization: "zoh" | "bilinear"): Params {
  const [feature = 0, state = 0] = tensorOfCase(golden, "shift_B").shape;
  const [head = 1] = tensorOfCase(golden, "log_dt").shape;
  const tensors = Object.entries(NAMES).map(([name, ofFile]) => [name, fileTensor(golden, ofFile)]);
  return {
    config: { feature, state, headSize: feature / head, dtMin: 1, dtMax: 1, discretization },
    tensors: Object.fromEntries(tensors),
  };
}

/** Gradients of the input and of all parameters, by the file's names. */
async function gradients(
  golden: GoldenCase,
  { config, tensors }: Params,
  on: GoldenDevice,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, variable(NAMES[name]!, tensor)]),
    );
    const { y, state } = h3.forward(device, { config, tensors: watched }, variable("u", u));
    for (const tensor of Object.values(state)) device.free(tensor);
    return [[y, lossWeight(golden, on)]];
  });
  return listedGradients(golden, gradient);
}

/** The shift system's taps, oldest lag last and zero beyond its delay line. */
async function shiftKernel(golden: GoldenCase, on: GoldenDevice): Promise<Float64Array> {
  const [feature = 0, length = 0] = tensorOfCase(golden, "K_shift").shape;
  const of = (name: string) => cast(fileTensor(golden, name), on.dtype);
  const system = { B: of("shift_B"), C: of("shift_C") };
  const weight = await take(on, runOp(on.device, shiftTaps, system, {}).weight);
  const state = weight.shape[1]!;
  return Float64Array.from({ length: feature * length }, (_, i) => {
    const [d, l] = [Math.floor(i / length), i % length];
    return l < state ? weight.data[(d + 1) * state - 1 - l]! : 0;
  });
}

/** The diagonal systems are S4D's, one a head. */
function diagonalKernel(golden: GoldenCase, { config, tensors }: Params, on: GoldenDevice) {
  const length = tensorOfCase(golden, "K_diag").shape.at(-1)!;
  const s4dParams: LayerParams<S4dConfig> = {
    config: {
      feature: config.feature / config.headSize,
      state: config.state,
      start: "lin",
      discretization: config.discretization ?? "bilinear",
      dtMin: 1,
      dtMax: 1,
      activation: "identity",
      mix: false,
    },
    tensors,
  };
  return s4dKernel(on.device, s4dParams, length, on.dtype);
}

/** A prefix in the parallel form, the states it leaves, and the rest sample by sample. */
async function prefilled(
  golden: GoldenCase,
  params: Params,
  on: GoldenDevice,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  if (!golden.tensors.has("y_steps")) return {};
  const length = u.shape[1]!;
  const count = prefillLength(golden, "y_steps", length);
  const prefix = async (samples: number) => {
    const result = h3.forward(on.device, params, leading(u, samples));
    return { y: await take(on, result.y), state: await readState(on, result.state) };
  };
  const before = count > 1
    ? (await prefix(count - 1)).state
    : h3.initialState(params.config, u.shape[0]!, on.dtype);
  const { y, state } = await prefix(count);
  const rest = count < length
    ? (await stepThrough(h3, params, on, trailing(u, count), state)).y.data
    : new Float64Array(0);
  const [batch = 0, , feature = 0] = u.shape;
  const joined = new Float64Array(batch * length * feature);
  for (let b = 0; b < batch; b++) {
    const row = b * length * feature;
    const [head, tail] = [count * feature, (length - count) * feature];
    joined.set(y.data.subarray(b * head, (b + 1) * head), row);
    joined.set(rest.subarray(b * tail, (b + 1) * tail), row + head);
  }
  const inputs = wideConvState(before["conv"]!, state["conv"]!);
  return {
    y_steps: joined,
    shift_state_prefill: shiftState(inputs, params),
    diag_state_prefill: valuesF64(state["x"]!),
  };
}

/** The delay line's state from its last inputs: x[n] = Σ_j shiftB[n − j]·input[newest − j]. */
function shiftState(inputs: Tensor, params: Params): Float64Array {
  const [batch = 0, feature = 0, taps = 0] = inputs.shape;
  const B = params.tensors["shiftB"]!.data;
  const out = tensorOf(inputs.shape, new Float64Array(batch * feature * taps));
  for (let row = 0; row < batch * feature; row++) {
    const d = row % feature;
    for (let n = 0; n < taps; n++) {
      let sum = 0;
      for (let j = 0; j <= n; j++) {
        sum += B[d * taps + n - j]! * inputs.data[row * taps + taps - 1 - j]!;
      }
      out.data[row * taps + n] = sum;
    }
  }
  return valuesF64(out);
}
