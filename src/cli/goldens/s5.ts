import { type ForwardOptions, type LayerParams, s5, S5_ACTIVATIONS } from "../../layers/mod.ts";
import type { S5Config } from "../../layers/mod.ts";
import { type Device, type DeviceTensor, openScope } from "../../device/mod.ts";
import { add, layerNorm, mimoSystem, type OpInput, runOp } from "../../ops/mod.ts";
import { nplr } from "../../ssm/nplr.ts";
import { reshape, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { transpose } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, valuesOf } from "./golden_file.ts";
import { constantly, gradientsOf, hasGradients, lossWeight, type Variable } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { stepThrough } from "./layer_steps.ts";
import { cast, everySecond, fartherOf, fileTensor, fileTensorIf, rounded } from "./tensors.ts";
import { take, valuesF64 } from "./tensors.ts";

/** Discretisation, HiPPO start, the system in all options, irregular samples, a whole layer. */
export const s5Group: GroupRunner = {
  group: "s5",
  onGpu: true,
  run(golden, on) {
    const has = (name: string) => golden.tensors.has(name);
    if (has("Lambda_bar")) return discretized(golden, on);
    if (has("absP")) return hippoStart(golden, on);
    if (has("seq.B")) return layer(golden, on);
    if (has("Lambda_re")) return system(golden, on);
    return { unsupported: golden.description };
  },
};

async function discretized(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const bilinear = golden.functions.some((name) => /bilinear/.test(name));
  const lambda = fileTensor(golden, "Lambda");
  const part = (offset: 0 | 1) =>
    tensorOf([lambda.data.length / 2], everySecond(lambda.data, offset));
  const steps = valuesOf(golden, "step");
  const system = runOp(on.device, mimoSystem, {
    logDt: cast(tensorOf([steps.length], steps.map(Math.log)), on.dtype),
    lambdaRe: cast(part(0), on.dtype),
    lambdaIm: cast(part(1), on.dtype),
    B: cast(fileTensor(golden, "B_tilde"), on.dtype),
  }, { method: bilinear ? "bilinear" : "zoh" });
  const Abar = await take(on, system.Abar);
  const Bbar = transpose(await take(on, system.Bbar), [0, 2, 1]);
  return { values: { Lambda_bar: valuesF64(Abar), B_bar: valuesF64(Bbar) } };
}

/** All eigenvalues, ascending in their imaginary part, and moduli, which no phase changes. */
function hippoStart(golden: GoldenCase, on: GoldenDevice): Computed {
  const stateSize = numberOf(golden, "N");
  if (stateSize % 2 !== 0) return { unsupported: `an odd number of states, ${stateSize}` };
  const { W, P, B, half } = nplr("legs", stateSize);
  const order = [...Array(half).keys()].sort((a, b) => W[2 * a + 1]! - W[2 * b + 1]!);
  const both = [...order, ...order.toReversed()];
  const sign = (i: number) => i < half ? 1 : -1;
  const modulus = (values: Float64Array) =>
    rounded(
      Float64Array.from(both, (n) => Math.hypot(values[2 * n]!, values[2 * n + 1]!)),
      on.dtype,
    );
  const lambda = both.flatMap((n, i) => [W[2 * n]!, sign(i) * W[2 * n + 1]!]);
  return {
    values: {
      Lambda: rounded(Float64Array.from(lambda), on.dtype),
      absP: modulus(P),
      absB: modulus(B),
    },
  };
}

/** Parameters under a prefix of names. */
function paramsOf(golden: GoldenCase, prefix: string): LayerParams<S5Config> {
  const of = (name: string) => fileTensor(golden, prefix + name);
  const B = of("B");
  const [modes = 0, feature = 0] = B.shape;
  const { scalars } = golden;
  const conjugatePairs = scalars["conj_sym"] !== false;
  const bidirectional = golden.tensors.has(`${prefix}C1`);
  const rescale = numberOf(golden, "step_rescale", 1);
  return {
    config: {
      feature,
      state: conjugatePairs ? 2 * modes : modes,
      block: numberOf(golden, "J", 1),
      conjugatePairs,
      discretization: scalars["discretization"] === "bilinear" ? "bilinear" : "zoh",
      clip: scalars["clip_eigs"] === true,
      bidirectional,
      activation: "identity",
      dtMin: 1,
      dtMax: 1,
    },
    tensors: {
      logDt: tensorOf([modes], of("log_step").data.map((value) => value + Math.log(rescale))),
      lambdaRe: of("Lambda_re"),
      lambdaIm: of("Lambda_im"),
      B,
      C: of(bidirectional ? "C1" : "C"),
      D: of("D"),
      ...(bidirectional && { Creverse: of("C2") }),
    },
  };
}

/** The inputs as a batch of one. */
function inputOf(golden: GoldenCase, on: GoldenDevice): Tensor {
  const u = fileTensor(golden, "u");
  return cast(reshape(u, [1, ...u.shape]), on.dtype);
}

/** Elapsed times: the file has those between samples; the first sample counts one. */
function scaleOf(golden: GoldenCase): Tensor | undefined {
  const gaps = fileTensorIf(golden, "integration_timesteps");
  return gaps && tensorOf([1, gaps.data.length + 1], Float64Array.from([1, ...gaps.data]));
}

/** The file's names of the system's parameters. */
const NAMES: Readonly<Record<string, string>> = {
  logDt: "log_step",
  lambdaRe: "Lambda_re",
  lambdaIm: "Lambda_im",
  B: "B",
  C: "C",
  D: "D",
};

/** The same for a system: in both directions the file has an output matrix for each. */
function namesOf({ bidirectional }: S5Config): Readonly<Record<string, string>> {
  return bidirectional ? { ...NAMES, C: "C1", Creverse: "C2" } : NAMES;
}

async function system(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const params = paramsOf(golden, "");
  const u = inputOf(golden, on);
  const dtScale = scaleOf(golden);
  const options = dtScale && { dtScale };
  const result = s5.forward(on.device, params, u, options);
  await take(on, result.state["x"]!);
  const y = valuesF64(await take(on, result.y));
  const gradients = hasGradients(golden) ? await systemGradients(golden, on, params, options) : {};
  if (params.config.bidirectional || dtScale) return { values: { y, ...gradients } };
  const start = s5.initialState(params.config, 1, on.dtype);
  const steps = await stepThrough(s5, params, on, u, start);
  return {
    values: { y: fartherOf(valuesOf(golden, "y"), y, valuesF64(steps.y)), ...gradients },
  };
}

/** Gradients of the input and of all parameters, by the file's names. */
async function systemGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  { config, tensors }: LayerParams<S5Config>,
  options?: ForwardOptions,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, variable(name, tensor)]),
    );
    const input = variable("u", inputOf(golden, on));
    const { y, state } = s5.forward(device, { config, tensors: watched }, input, options);
    device.free(state["x"]!);
    return [[y, lossWeight(golden, on)]];
  });
  const values: Record<string, Float64Array> = { grad_u: valuesF64(gradient("u")) };
  for (const [name, ofFile] of Object.entries(namesOf(config))) {
    values[`grad_${ofFile}`] = valuesF64(gradient(name));
  }
  return values;
}

/** A residual layer: LayerNorm before (or after) the system with its activation, and the skip. */
async function layer(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const kind = golden.scalars["activation"];
  const known = S5_ACTIVATIONS.find((name) => name === kind);
  if (known === undefined) return { unsupported: `activation "${kind}"` };
  const plain = paramsOf(golden, "seq.");
  const gates = known === "full_glu" ? ["out1", "out2"] : known === "gelu" ? [] : ["out2"];
  const params: LayerParams<S5Config> = {
    config: { ...plain.config, activation: known },
    tensors: { ...plain.tensors, ...gateOf(golden, gates) },
  };
  const y = await take(on, residual(golden, on, params, on.device, constantly));
  const gradients = hasGradients(golden) ? await layerGradients(golden, on, params, gates) : {};
  return { values: { y: valuesF64(y), ...gradients } };
}

/** The reference's gates, whose weights are [in, out], as one matrix of rows; none without. */
function gateOf(golden: GoldenCase, gates: readonly string[]): Record<string, Tensor> {
  const joined = (parts: readonly Tensor[]) =>
    Float64Array.from(parts.flatMap(({ data }) => [...data]));
  const weights = gates.map((name) => transpose(fileTensor(golden, `${name}.kernel`), [1, 0]));
  const biases = gates.map((name) => fileTensor(golden, `${name}.bias`));
  const [first] = weights;
  if (first === undefined) return {};
  const rows = gates.length * first.shape[0]!;
  return {
    gateWeight: tensorOf([rows, first.shape[1]!], joined(weights)),
    gateBias: tensorOf([rows], joined(biases)),
  };
}

function residual(
  golden: GoldenCase,
  on: GoldenDevice,
  { config, tensors }: LayerParams<S5Config>,
  device: Device,
  variable: Variable,
): DeviceTensor {
  const scope = openScope(device);
  try {
    const operand = (name: string) => variable(name, cast(fileTensor(golden, name), on.dtype));
    const [weight, bias] = [operand("norm.scale"), operand("norm.bias")];
    const eps = numberOf(golden, "layernorm_eps", 1e-6);
    const normed = (x: OpInput) => runOp(scope, layerNorm, { x, weight, bias }, { eps }).out;
    const own = Object.entries(tensors).map(([name, tensor]) => [name, variable(name, tensor)]);
    const u = variable("u", inputOf(golden, on));
    const prenorm = golden.scalars["prenorm"] !== false;
    const params = { config, tensors: Object.fromEntries(own) };
    const { y } = s5.forward(scope, params, prenorm ? normed(u) : u);
    const sum = runOp(scope, add, { a: y, b: u }, {}).out;
    return scope.keep(prenorm ? sum : normed(sum));
  } finally {
    scope.release();
  }
}

/** Gradients of the layer's input and of all its parameters, by the file's names. */
async function layerGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  params: LayerParams<S5Config>,
  gates: readonly string[],
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => [
    [residual(golden, on, params, device, variable), lossWeight(golden, on)],
  ]);
  const values: Record<string, Float64Array> = {};
  for (const name of ["u", "norm.scale", "norm.bias"]) {
    values[`grad_${name}`] = valuesF64(gradient(name));
  }
  for (const [name, ofFile] of Object.entries(namesOf(params.config))) {
    values[`grad_seq.${ofFile}`] = valuesF64(gradient(name));
  }
  const { feature } = params.config;
  gates.forEach((gate, i) => {
    const rows = valuesF64(gradient("gateWeight")).slice(i * feature ** 2, (i + 1) * feature ** 2);
    values[`grad_${gate}.kernel`] = valuesF64(
      transpose(tensorOf([feature, feature], rows), [1, 0]),
    );
    const biases = valuesF64(gradient("gateBias"));
    values[`grad_${gate}.bias`] = biases.slice(i * feature, (i + 1) * feature);
  });
  return values;
}
