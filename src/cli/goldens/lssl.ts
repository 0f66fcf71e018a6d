import { lssl, type LsslConfig, lsslConvolve, lsslDiscrete } from "../../layers/mod.ts";
import { lsslKernel, lsslKrylov } from "../../layers/mod.ts";
import type { LayerParams } from "../../layers/mod.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, valuesOf } from "./golden_file.ts";
import { type Form, gradientsOf, hasGradients, lossWeight } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { stepThrough } from "./layer_steps.ts";
import { cast, fartherOf, fileTensor, fileTensorIf, rounded, stack } from "./tensors.ts";
import { take, valuesF64 } from "./tensors.ts";

/** Discrete systems, Krylov matrix and kernel, the recurrence with its states, whole layers. */
export const lsslGroup: GroupRunner = {
  group: "lssl",
  onGpu: true,
  async run(golden, on) {
    const params = paramsOf(golden);
    if (params === undefined) {
      const named = golden.scalars["activation"];
      return { unsupported: `activation "${named}", or a bias without the output linear` };
    }
    return await computed(golden, params, on);
  },
};

function paramsOf(golden: GoldenCase): LayerParams<LsslConfig> | undefined {
  const of = (name: string) => fileTensor(golden, name);
  const C = of("C");
  const [feature = 0, channel = 0, state = 0] = C.shape;
  const named = String(golden.scalars["activation"] ?? "none");
  const kind = /gelu/.test(named)
    ? /tanh/.test(named) ? "gelu_tanh" : "gelu"
    : (["identity", "relu", "tanh", "sigmoid", "silu"] as const).find((name) => name === named) ??
      (named === "none" ? "identity" : undefined);
  if (kind === undefined) return undefined;
  const bias = fileTensorIf(golden, "E");
  const mixWeight = fileTensorIf(golden, "W_out");
  const mixBias = fileTensorIf(golden, "b_out");
  // Without the output linear, a bias before the activation has no place in the layer.
  if (mixWeight === undefined && (bias !== undefined || mixBias !== undefined)) return undefined;
  const zeros = (shape: readonly number[]) =>
    tensorOf(shape, new Float64Array(shape.reduce((a, b) => a * b, 1)));
  const mix = mixWeight && {
    bias: bias ?? zeros([feature, channel]),
    mixWeight,
    mixBias: mixBias ?? zeros([feature]),
  };
  return {
    config: {
      feature,
      state,
      channel,
      measure: "legs",
      discretization: "gbt",
      alpha: numberOf(golden, "alpha", 0.5),
      dtMin: 1,
      dtMax: 1,
      activation: kind,
      mix: mix !== undefined,
    },
    tensors: {
      A: of("A"),
      B: of("B"),
      logDt: tensorOf([feature], valuesOf(golden, "dt").map(Math.log)),
      C,
      D: fileTensorIf(golden, "D") ?? zeros([feature, channel]),
      ...mix,
    },
  };
}

async function computed(
  golden: GoldenCase,
  params: LayerParams<LsslConfig>,
  on: GoldenDevice,
): Promise<Computed> {
  const { device, dtype } = on;
  const u = cast(fileTensor(golden, "u"), dtype);
  const [batch = 0, length = 0] = u.shape;
  const { A, B } = lsslDiscrete(params);
  const whole = lssl.forward(device, params, u);
  await take(on, whole.state["x"]!);
  const start = lssl.initialState(params.config, batch, dtype);
  const steps = await stepThrough(lssl, params, on, u, start);
  const reference = valuesOf(golden, "y");
  const forms: Tensor[] = [await take(on, whole.y), steps.y];
  forms.push(await take(on, lsslConvolve(device, params, u)));
  return {
    values: {
      ...(hasGradients(golden) ? await gradients(golden, params, on, u) : {}),
      dA: rounded(A.data as Float64Array, dtype),
      dB: rounded(B.data as Float64Array, dtype),
      krylov: valuesF64(await take(on, lsslKrylov(device, params, length, dtype))),
      K: valuesF64(await take(on, lsslKernel(device, params, length, dtype))),
      x_recurrent: valuesF64(stack(steps.states.map((state) => state["x"]!), 0)),
      y: forms.map(valuesF64).reduce((a, b) => fartherOf(reference, a, b)),
    },
  };
}

const scanned: Form<LsslConfig> = (device, params, u) => {
  const { y, state } = lssl.forward(device, params, u);
  device.free(state["x"]!);
  return y;
};

/** The file's names of the parameters. */
const NAMES: Readonly<Record<string, string>> = {
  A: "A",
  B: "B",
  C: "C",
  D: "D",
  bias: "E",
  mixWeight: "W_out",
  mixBias: "b_out",
};

/** Gradients of one form by the file's names. */
async function formGradients(
  golden: GoldenCase,
  { config, tensors }: LayerParams<LsslConfig>,
  on: GoldenDevice,
  u: Tensor,
  form: Form<LsslConfig>,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, variable(name, tensor)]),
    );
    const y = form(device, { config, tensors: watched }, variable("u", u));
    return [[y, lossWeight(golden, on)]];
  });
  const steps = valuesOf(golden, "dt");
  const values: Record<string, Float64Array> = {
    grad_u: valuesF64(gradient("u")),
    // Of the step itself, not of its logarithm.
    grad_dt: valuesF64(gradient("logDt")).map((value, d) => value / steps[d]!),
  };
  for (const [name, own] of Object.entries(NAMES)) {
    if (name in tensors) values[`grad_${own}`] = valuesF64(gradient(name));
  }
  return values;
}

/** Of the scan and the convolution, element by element the one farther off. */
async function gradients(
  golden: GoldenCase,
  params: LayerParams<LsslConfig>,
  on: GoldenDevice,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const byScan = await formGradients(golden, params, on, u, scanned);
  const byConvolution = await formGradients(golden, params, on, u, lsslConvolve);
  const both = Object.entries(byScan)
    .filter(([name]) => golden.tensors.has(name))
    .map(([name, values]) => [
      name,
      fartherOf(valuesOf(golden, name), values, byConvolution[name]!),
    ]);
  return Object.fromEntries(both);
}
