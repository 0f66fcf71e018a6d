import type { Seed } from "../../autodiff/tape.ts";
import { type Device, type DeviceTensor, openScope } from "../../device/mod.ts";
import { type LayerParams, mamba2, type Mamba2Config } from "../../layers/mod.ts";
import { activation, add, conv1d, gate, runOp, selectiveScan, ssd } from "../../ops/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { ssdQuadraticInto } from "../../ssm/ssd.ts";
import { reshape, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf } from "./golden_file.ts";
import { constantly, gradientsOf, hasGradients, listedGradients } from "./gradients.ts";
import { lossWeight, lossWeightIf, type Variable } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { blockValues } from "./layer_steps.ts";
import { cast, fartherOf, fileTensor, fileTensorIf, take, valuesF64 } from "./tensors.ts";

/** SSD for several chunk lengths, with options, as one step; the block in both modes; gradients. */
export const mamba2Group: GroupRunner = {
  group: "mamba2",
  onGpu: true,
  run(golden, on) {
    const has = (name: string) => golden.tensors.has(name);
    if (has("in_proj.weight")) return block(golden, on);
    if (has("X")) return discrete(golden, on);
    if (has("new_state")) return stateUpdate(golden, on);
    if (has("dt")) return withOptions(golden, on);
    return { unsupported: golden.description };
  },
};

/**
 * The listing, for every chunk length and as masked attention; the comparison sees whichever is
 * farthest off.
 */
async function discrete(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const select = (device: Device, variable: Variable, chunk: number) => {
    const of = (name: string) => variable(name, cast(fileTensor(golden, name), on.dtype));
    const x0 = cast(startOf(golden), on.dtype);
    return runOp(device, ssd, {
      u: of("X"),
      delta: of("A"),
      B: of("B"),
      C: of("C"),
      x0: x0 && variable("initial_states", x0),
    }, { chunk });
  };
  const values: Record<string, Float64Array> = {};
  for (const chunk of chunksOf(golden)) {
    const { y, state } = select(on.device, constantly, chunk);
    keepFarther(values, golden, "y", await take(on, y));
    keepFarther(values, golden, "final_state", await take(on, state));
  }
  if (on.device.kind === "cpu") {
    const { y, state } = quadratic(golden);
    keepFarther(values, golden, "y", y);
    keepFarther(values, golden, "final_state", state);
  }
  if (!hasGradients(golden)) return { values };
  const chunk = chunksOf(golden).at(-1)!;
  const gradient = await gradientsOf(on, (device, variable) => {
    const { y, state } = select(device, variable, chunk);
    return seedsOf(golden, on, device, y, state);
  });
  return { values: { ...values, ...listedGradients(golden, gradient) } };
}

/** The loss of the outputs and, where it is weighted, of the last state. */
function seedsOf(
  golden: GoldenCase,
  on: GoldenDevice,
  device: Device,
  y: DeviceTensor,
  state: DeviceTensor,
): Seed[] {
  const seeds: Seed[] = [];
  const weighted = [
    [y, lossWeightIf(golden, on, "w_y", "loss_weight")],
    [state, lossWeightIf(golden, on, "w_state", "w_final_state")],
  ] as const;
  for (const [output, weight] of weighted) {
    if (weight) seeds.push([output, reshape(weight, output.shape)]);
    else device.free(output);
  }
  return seeds;
}

/** The listing as one masked attention over the whole length. */
function quadratic(golden: GoldenCase): { y: Tensor; state: Tensor } {
  const u = fileTensor(golden, "X");
  const B = fileTensor(golden, "B");
  const [batch = 0, length = 0, head = 0, feature = 0] = u.shape;
  const [, , group = 0, state = 0] = B.shape;
  const outputs = {
    y: new Float64Array(u.data.length),
    state: new Float64Array(batch * head * feature * state),
  };
  ssdQuadraticInto(outputs, {
    u: u.data,
    delta: fileTensor(golden, "A").data,
    B: B.data,
    C: fileTensor(golden, "C").data,
    x0: startOf(golden)?.data,
  }, { batch, length, head, feature, group, state });
  return {
    y: tensorOf(u.shape, outputs.y),
    state: tensorOf([batch, head, feature, state], outputs.state),
  };
}

/** The carried state, in the file with or without an axis of one.  [batch, head, feature, state] */
function startOf(golden: GoldenCase): Tensor | undefined {
  const start = fileTensorIf(golden, "initial_states");
  return start && reshape(start, [start.shape[0]!, ...start.shape.slice(-3)]);
}

/** Keeps, of what several chunk lengths give, what is farther from the reference. */
function keepFarther(
  values: Record<string, Float64Array>,
  golden: GoldenCase,
  name: string,
  tensor: Tensor,
): void {
  const reference = golden.tensors.get(name)?.values;
  if (reference === undefined) return;
  const next = valuesF64(tensor);
  values[name] = values[name] ? fartherOf(reference, values[name], next) : next;
}

/** Chunk lengths of a case, and 1 for the recurrence. */
function chunksOf({ scalars }: GoldenCase): number[] {
  const listed = scalars["chunk_lengths"] ?? scalars["chunk"];
  const lengths = Array.isArray(listed) ? listed : [listed];
  return [1, ...lengths.filter((value): value is number => typeof value === "number")];
}

/** SSD with step sizes, bias, skip, groups and gate. */
async function withOptions(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const select = (device: Device, variable: Variable, chunk: number) => {
    const of = (name: string) => variable(name, cast(fileTensor(golden, name), on.dtype));
    const maybe = (name: string) => golden.tensors.has(name) ? of(name) : undefined;
    const bias = maybe("dt_bias");
    let delta = of("dt");
    if (bias) delta = runOp(device, add, { a: delta, b: bias }, {}).out;
    if (golden.scalars["dt_softplus"] === true) {
      delta = runOp(device, activation, { x: delta }, { kind: "softplus" }).y;
    }
    const x0 = cast(startOf(golden), on.dtype);
    const skip = maybe("D");
    const { y: scanned, state } = runOp(device, ssd, {
      u: of("x"),
      delta,
      A: of("A"),
      B: of("B"),
      C: of("C"),
      D: skip?.shape.length === 1 ? skip : undefined,
      x0: x0 && variable("initial_states", x0),
    }, { chunk });
    const y = skip?.shape.length === 2 ? skipped(device, scanned, of("x"), skip) : scanned;
    const z = maybe("z");
    return { y: z ? runOp(device, gate, { y, z }, { activation: "silu" }).out : y, state };
  };
  const values: Record<string, Float64Array> = {};
  for (const chunk of chunksOf(golden)) {
    const scope = openScope(on.device);
    const { y, state } = select(scope, constantly, chunk);
    keepFarther(values, golden, "y", await scope.read(y));
    keepFarther(values, golden, "final_state", await scope.read(state));
    scope.release();
  }
  if (!hasGradients(golden)) return { values };
  const chunk = chunksOf(golden).at(-1)!;
  const gradient = await gradientsOf(on, (device, variable) => {
    const scope = openScope(device);
    const result = select(scope, variable, chunk);
    const [y, state] = [scope.keep(result.y), scope.keep(result.state)];
    scope.release();
    return seedsOf(golden, on, device, y, state);
  });
  return { values: { ...values, ...listedGradients(golden, gradient) } };
}

/** y + D·x with one number for each feature of each head: a convolution of one tap. */
function skipped(device: Device, y: DeviceTensor, x: OpInput, D: OpInput): DeviceTensor {
  const [batch = 0, length = 0, head = 0, size = 0] = x.shape;
  const u = reshape(x, [batch, length, head * size]);
  const weight = reshape(D, [head * size, 1]);
  const product = runOp(device, conv1d, { u, weight }, { activation: "identity" }).y;
  return runOp(device, add, { a: y, b: reshape(product, x.shape) }, {}).out;
}

/** One step with a general A: the selective scan over heads times features. */
async function stateUpdate(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const start = fileTensor(golden, "state");
  const batch = start.shape[0]!;
  const state = start.shape.at(-1)!;
  // The file may leave the axis of heads out, and with it that of groups.
  const feature = start.shape.slice(1, -1).reduce((a, b) => a * b, 1);
  const shaped = (name: string, shape: readonly number[]) => {
    const tensor = fileTensorIf(golden, name);
    return tensor && cast(reshape(tensor, shape), on.dtype);
  };
  const given = (name: string, shape: readonly number[]) =>
    cast(reshape(fileTensor(golden, name), shape), on.dtype);
  const shapeOfB = fileTensor(golden, "B").shape;
  const group = shapeOfB.length === 2 ? 1 : shapeOfB[1]!;
  const row = [batch, 1, feature];
  const result = runOp(on.device, selectiveScan, {
    u: given("x", row),
    delta: given("dt", row),
    A: given("A", [feature, state]),
    B: given("B", [batch, 1, group, state]),
    C: given("C", [batch, 1, group, state]),
    D: shaped("D", [feature]),
    z: shaped("z", row),
    deltaBias: shaped("dt_bias", [feature]),
    x0: given("state", [batch, feature, state]),
  }, { softplus: golden.scalars["dt_softplus"] === true });
  return {
    values: {
      y: valuesF64(await take(on, result.y)),
      new_state: valuesF64(await take(on, result.state)),
    },
  };
}

function blockParams(golden: GoldenCase): LayerParams<Mamba2Config> {
  const of = (name: string) => fileTensor(golden, name);
  const conv = of("conv1d.weight");
  const [feature = 0, inner = 0] = of("out_proj.weight").shape;
  const [convolved = 0, , width = 0] = conv.shape;
  const group = numberOf(golden, "ngroups", 1);
  const convBias = fileTensorIf(golden, "conv1d.bias");
  const inBias = fileTensorIf(golden, "in_proj.bias");
  const outBias = fileTensorIf(golden, "out_proj.bias");
  return {
    config: {
      feature,
      state: (convolved - inner) / 2 / group,
      width,
      expand: inner / feature,
      headSize: inner / of("A_log").shape[0]!,
      group,
      chunk: numberOf(golden, "chunk", 32),
      normBeforeGate: golden.scalars["norm_before_gate"] === true,
      eps: numberOf(golden, "rms_eps", 1e-5),
      bias: inBias !== undefined || outBias !== undefined,
      dtMin: 1,
      dtMax: 1,
    },
    tensors: {
      inProj: of("in_proj.weight"),
      convWeight: reshape(conv, [convolved, width]),
      convBias: convBias ?? tensorOf([convolved], new Float64Array(convolved)),
      dtBias: of("dt_bias"),
      logA: of("A_log"),
      D: of("D"),
      normWeight: of("norm.weight"),
      outProj: of("out_proj.weight"),
      ...(inBias && { inBias }),
      ...(outBias && { outBias }),
    },
  };
}

/** The file's names of the block's parameters. */
const BLOCK_NAMES: Readonly<Record<string, string>> = {
  inProj: "in_proj.weight",
  convWeight: "conv1d.weight",
  convBias: "conv1d.bias",
  dtBias: "dt_bias",
  logA: "A_log",
  D: "D",
  normWeight: "norm.weight",
  outProj: "out_proj.weight",
  inBias: "in_proj.bias",
  outBias: "out_proj.bias",
};

/** Gradients of the block's input and of all its parameters, by the file's names. */
async function blockGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  { config, tensors }: LayerParams<Mamba2Config>,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [
        name,
        variable(BLOCK_NAMES[name]!, tensor),
      ]),
    );
    const { y, state } = mamba2.forward(device, { config, tensors: watched }, variable("x", u));
    for (const tensor of Object.values(state)) device.free(tensor);
    return [[y, lossWeight(golden, on)]];
  });
  return listedGradients(golden, gradient);
}

async function block(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  if (!golden.tensors.has("norm.weight")) return { unsupported: "a block without its norm" };
  const params = blockParams(golden);
  const u = cast(fileTensor(golden, "x"), on.dtype);
  const gradients = hasGradients(golden) ? await blockGradients(golden, on, params, u) : {};
  return { values: { ...await blockValues(golden, mamba2, params, on, u), ...gradients } };
}
