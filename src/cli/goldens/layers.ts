import { activation, add, conv1d, gate, layerNorm, matmul } from "../../ops/mod.ts";
import { type OpInput, rmsNorm, runOp, softmax } from "../../ops/mod.ts";
import type { ActivationParams } from "../../ops/activation.ts";
import { type Device, type DeviceTensor, openScope } from "../../device/mod.ts";
import { type Tensor, tensorOf, transpose } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, valuesOf } from "./golden_file.ts";
import { constantly, gradientsOf, hasGradients, listedGradients } from "./gradients.ts";
import { lossWeight, type Variable } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { cast, fileTensor, fileTensorIf, stack, swapTime, take, valuesF64 } from "./tensors.ts";

/** Activations, norms, gates, softmax, attention, convolution with state. */
export const layersGroup: GroupRunner = {
  group: "layers",
  onGpu: true,
  run(golden, on) {
    const has = (name: string) => golden.tensors.has(name);
    const { description } = golden;
    if (has("x_small") || Object.hasOwn(KINDS, description)) return pointwise(golden, on);
    if (/conv1d/i.test(description)) return convolution(golden, on);
    if (has("in_proj_weight")) return attention(golden, on);
    if (/LayerNorm|rms/i.test(description)) return normalised(golden, on);
    if (/^GLU/.test(description)) return halves(golden, on);
    if (/^softmax/.test(description)) return weights(golden, on);
    return { unsupported: golden.description };
  },
};

/** The reference's names of activations. */
const KINDS: Readonly<Record<string, ActivationParams["kind"]>> = {
  silu: "silu",
  gelu_erf: "gelu",
  gelu_tanh: "gelu_tanh",
  softplus: "softplus",
  softplus_beta: "softplus",
  sigmoid: "sigmoid",
  tanh: "tanh",
  relu: "relu",
  log_sigmoid: "log_sigmoid",
  identity: "identity",
};

async function pointwise(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const kind = Object.hasOwn(KINDS, golden.description) ? KINDS[golden.description] : undefined;
  if (kind === undefined) return { unsupported: `activation "${golden.description}"` };
  const sharp = golden.description === "softplus_beta" ? sharpnessOf(golden) : undefined;
  const params = { kind, ...(sharp && { beta: sharp.beta }) };
  const isLinear = (x: number) => sharp !== undefined && sharp.beta * x > sharp.linearAbove;
  const act = async (name: string) => {
    const x = cast(fileTensor(golden, name), on.dtype);
    const y = await take(on, runOp(on.device, activation, { x }, params).y);
    return valuesF64(y).map((value, i) => isLinear(x.data[i]!) ? x.data[i]! : value);
  };
  const values: Record<string, Float64Array> = {
    y: await act("x"),
    ...(golden.tensors.has("x_small") && { y_small: await act("x_small") }),
  };
  if (hasGradients(golden)) {
    const x = fileTensor(golden, "x");
    const gradient = await gradientsOf(on, (device, variable) => {
      const { y } = runOp(device, activation, { x: variable("x", x) }, params);
      // The loss is the plain sum.
      const ones = tensorOf(y.shape, new Float64Array(x.data.length).fill(1));
      return [[y, cast(ones, on.dtype)]];
    });
    values["grad_x"] = valuesF64(gradient("x")).map((value, i) => isLinear(x.data[i]!) ? 1 : value);
  }
  return { values };
}

/** torch's default; the op's softplus is linear above it. */
const SOFTPLUS_LINEAR_ABOVE = 20;

/**
 * The sharpness and the linear part of a softplus. Where the manifest leaves them out the sharpness
 * is read from the value nearest to x = 0, where it shows most, and the linear part begins where
 * the reference returns x itself. All other values then check both.
 */
function sharpnessOf(golden: GoldenCase): { beta: number; linearAbove: number } {
  const { beta: named, threshold } = golden.scalars;
  if (typeof named === "number") {
    const linearAbove = typeof threshold === "number" ? threshold : SOFTPLUS_LINEAR_ABOVE;
    return { beta: named, linearAbove };
  }
  const x = valuesOf(golden, "x");
  const y = valuesOf(golden, "y");
  let nearest = 0;
  x.forEach((value, i) => {
    if (Math.abs(value) < Math.abs(x[nearest]!)) nearest = i;
  });
  let low = 1e-3;
  let high = 1e3;
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    // Softplus falls as it gets sharper.
    if (Math.log1p(Math.exp(middle * x[nearest]!)) / middle > y[nearest]!) low = middle;
    else high = middle;
  }
  // A short decimal is meant where the bisection ends at its rounding.
  const short = Math.round(low * 1e6) / 1e6;
  const beta = Math.abs(low - short) < 1e-9 * short ? short : low;
  const curved = Array.from(x).filter((value, i) => y[i] !== value).map((value) => beta * value);
  return { beta, linearAbove: Math.min(SOFTPLUS_LINEAR_ABOVE, Math.max(...curved)) };
}

async function halves(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const x = cast(fileTensor(golden, "x"), on.dtype);
  const glu = (device: Device, y: OpInput) =>
    runOp(device, gate, { y }, { activation: "sigmoid" }).out;
  const values: Record<string, Float64Array> = {
    y: valuesF64(await take(on, glu(on.device, x))),
  };
  if (hasGradients(golden)) {
    const gradient = await gradientsOf(
      on,
      (device, variable) => [[glu(device, variable("x", x)), lossWeight(golden, on)]],
    );
    values["grad_x"] = valuesF64(gradient("x"));
  }
  return { values };
}

async function weights(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const x = cast(fileTensor(golden, "x"), on.dtype);
  const { y, logSumExp } = runOp(on.device, softmax, { x }, {});
  const values: Record<string, Float64Array> = {
    y: valuesF64(await take(on, y)),
    logsumexp: valuesF64(await take(on, logSumExp)),
  };
  if (hasGradients(golden)) {
    const gradient = await gradientsOf(on, (device, variable) => {
      const attended = runOp(device, softmax, { x: variable("x", x) }, {});
      device.free(attended.logSumExp);
      return [[attended.y, lossWeight(golden, on)]];
    });
    values["grad_x"] = valuesF64(gradient("x"));
  }
  return { values };
}

/** Rows `start` to `start + count` of a weight or a bias. */
function rowsFrom(tensor: Tensor, start: number, count: number): Tensor {
  const width = tensor.data.length / tensor.shape[0]!;
  const data = tensor.data.slice(start * width, (start + count) * width);
  return tensorOf([count, ...tensor.shape.slice(1)], data);
}

/** The heads of an attention and what the manifest says of them. */
function headsOf(golden: GoldenCase, feature: number) {
  const heads = numberOf(golden, "heads");
  const size = feature / heads;
  const scale = numberOf(golden, "scale", 1 / Math.sqrt(size));
  return { heads, size, scale, causal: golden.scalars["causal"] === true };
}

/**
 * Multi-head self-attention, head by head from the ops: project, weigh, sum, and add each head's
 * share of the output projection, so that no tensor has to be transposed on the device. Each head
 * has its rows of the projections as variables of its own: `in3` is the first of those from row 3.
 */
function attend(golden: GoldenCase, on: GoldenDevice, device: Device, variable: Variable) {
  const of = (name: string) => cast(fileTensor(golden, name), on.dtype);
  const host = of("x");
  const feature = host.shape.at(-1) ?? 0;
  const { heads, size, ...weighing } = headsOf(golden, feature);
  const x = variable("x", host);
  const outProjection = transpose(of("out_proj_weight"), [1, 0]);
  const attended: DeviceTensor[] = [];
  let y: DeviceTensor | undefined;
  for (let head = 0; head < heads; head++) {
    const project = (part: number) => {
      const start = part * feature + head * size;
      const b = variable(`in${start}`, rowsFrom(of("in_proj_weight"), start, size));
      const biases = cast(fileTensorIf(golden, "in_proj_bias"), on.dtype);
      const bias = biases && variable(`inBias${start}`, rowsFrom(biases, start, size));
      return runOp(device, matmul, { a: x, b, bias }, { transposeB: true }).c;
    };
    const scores = runOp(device, matmul, { a: project(0), b: project(1) }, { transposeB: true }).c;
    const weight = runOp(device, softmax, { x: scores }, weighing).y;
    attended.push(weight);
    const context = runOp(device, matmul, { a: weight, b: project(2) }, {}).c;
    const b = variable(`out${head * size}`, rowsFrom(outProjection, head * size, size));
    const outBias = cast(fileTensorIf(golden, "out_proj_bias"), on.dtype);
    const bias = head === 0 && outBias ? variable("outBias", outBias) : undefined;
    const share = runOp(device, matmul, { a: context, b, bias }, {}).c;
    y = y === undefined ? share : runOp(device, add, { a: y, b: share }, {}).out;
  }
  if (y === undefined) throw new SyntaxError(`${golden.name}: no heads`);
  return { y, attended };
}

/** The mean of the heads' weights, [batch, head, length, length] as [batch, length, length]. */
function headMean(weights: Float64Array, heads: number, one: Tensor): Float64Array {
  const [batch = 0] = one.shape;
  const block = one.data.length / batch;
  return Float64Array.from(one.data, (_, i) => {
    const first = Math.floor(i / block) * heads * block + (i % block);
    let sum = 0;
    for (let head = 0; head < heads; head++) sum += weights[first + head * block]!;
    return sum / heads;
  });
}

async function attention(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const { device } = on;
  const scope = openScope(device);
  const values: Record<string, Float64Array> = {};
  try {
    const { y, attended } = attend(golden, on, scope, constantly);
    const weightsOf: Tensor[] = [];
    for (const weight of attended) weightsOf.push(await device.read(weight));
    const weights = valuesF64(stack(weightsOf, 1));
    const averaged = golden.tensors.get("attn")?.shape.length === 3;
    values["attn"] = averaged ? headMean(weights, attended.length, weightsOf[0]!) : weights;
    values["y"] = valuesF64(await device.read(y));
  } finally {
    scope.release();
  }
  if (!hasGradients(golden)) return { values };
  const gradient = await gradientsOf(on, (recorder, variable) => {
    const inner = openScope(recorder);
    const y = inner.keep(attend(golden, on, inner, variable).y);
    inner.release();
    return [[y, lossWeight(golden, on)]];
  });
  const feature = fileTensor(golden, "x").shape.at(-1) ?? 0;
  const { size } = headsOf(golden, feature);
  const rows = (prefix: string, count: number) => {
    const parts: number[] = [];
    for (let start = 0; start < count; start += size) {
      parts.push(...gradient(`${prefix}${start}`).data);
    }
    return Float64Array.from(parts);
  };
  const out = tensorOf([feature, feature], rows("out", feature));
  return {
    values: {
      ...values,
      grad_x: valuesF64(gradient("x")),
      grad_in_proj_weight: rows("in", 3 * feature),
      grad_out_proj_weight: valuesF64(transpose(out, [1, 0])),
      ...(gradient.has("inBias0") && { grad_in_proj_bias: rows("inBias", 3 * feature) }),
      ...(gradient.has("outBias") && { grad_out_proj_bias: valuesF64(gradient("outBias")) }),
    },
  };
}

/** Makes a norm on the device. */
type Norm = (device: Device, variable: Variable) => DeviceTensor;

/**
 * The norm that a case describes: LayerNorm or RMSNorm of x (and a residual added to it), gated
 * before or after by silu(z) where there is a z, the latter in groups.
 *
 * @returns undefined for one that is not known
 */
function normOf(golden: GoldenCase, on: GoldenDevice): Norm | undefined {
  const eps = numberOf(golden, "eps", NORM_EPS);
  const { group_size: group } = golden.scalars;
  const isLayerNorm = /LayerNorm/i.test(golden.description);
  if (isLayerNorm && typeof group === "number") return undefined;
  const after = golden.scalars["norm_before_gate"] === true;
  return (device, variable) => {
    const scope = openScope(device);
    const of = (name: string) => {
      const tensor = cast(fileTensorIf(golden, name), on.dtype);
      return tensor && variable(name, tensor);
    };
    const gated = (y: OpInput, z: OpInput) => runOp(scope, gate, { y, z }, { activation: "silu" });
    let x: OpInput = variable("x", cast(fileTensor(golden, "x"), on.dtype));
    const [weight, bias, z, residual] = ["weight", "bias", "z", "residual"].map(of);
    if (residual) x = runOp(scope, add, { a: x, b: residual }, {}).out;
    let out: DeviceTensor;
    if (isLayerNorm) {
      if (z && !after) x = gated(x, z).out;
      out = runOp(scope, layerNorm, { x, weight, bias }, { eps }).out;
      if (z && after) out = gated(out, z).out;
    } else {
      // A bias comes before a gate that follows the norm, so that the op cannot take both.
      const apart = bias !== undefined && after;
      out = runOp(scope, rmsNorm, { x, weight, z: apart ? undefined : z }, {
        eps,
        normBeforeGate: after,
        ...(typeof group === "number" && { groupSize: group }),
      }).out;
      if (bias) out = runOp(scope, add, { a: out, b: bias }, {}).out;
      if (z && apart) out = gated(out, z).out;
    }
    const kept = scope.keep(out);
    scope.release();
    return kept;
  };
}

/** torch's default. */
const NORM_EPS = 1e-5;

async function normalised(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const norm = normOf(golden, on);
  if (norm === undefined) return { unsupported: golden.description };
  const y = valuesF64(await take(on, norm(on.device, constantly)));
  if (!hasGradients(golden)) return { values: { y } };
  const gradient = await gradientsOf(
    on,
    (device, variable) => [[norm(device, variable), lossWeight(golden, on)]],
  );
  const values: Record<string, Float64Array> = { y };
  return { values: { ...values, ...listedGradients(golden, gradient) } };
}

async function convolution(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const act = golden.scalars["activation"] ?? null;
  if (act !== null && act !== "silu" && act !== "swish") {
    return { unsupported: `activation "${act}"` };
  }
  const convolve = (device: Device, variable: Variable) => {
    const of = (name: string) => {
      const tensor = cast(fileTensorIf(golden, name), on.dtype);
      return tensor && variable(name, tensor);
    };
    return runOp(device, conv1d, {
      u: variable("x", cast(swapTime(fileTensor(golden, "x")), on.dtype)),
      weight: variable("weight", cast(fileTensor(golden, "weight"), on.dtype)),
      bias: of("bias"),
      x0: of("initial_states"),
    }, { activation: act === null ? "identity" : "silu" });
  };
  const { y, state } = convolve(on.device, constantly);
  const values: Record<string, Float64Array> = {
    y: valuesF64(swapTime(await take(on, y))),
    final_states: valuesF64(await take(on, state)),
  };
  if (!hasGradients(golden)) return { values };
  const gradient = await gradientsOf(on, (device, variable) => {
    const result = convolve(device, variable);
    device.free(result.state);
    return [[result.y, swapTime(lossWeight(golden, on))]];
  });
  values["grad_x"] = valuesF64(swapTime(gradient("x")));
  for (const name of ["weight", "bias", "initial_states"]) {
    if (golden.tensors.has(name)) values[`grad_${name}`] = valuesF64(gradient(name));
  }
  return { values };
}
