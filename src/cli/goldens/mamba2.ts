import { type Device, openScope } from "../../device/mod.ts";
import { type LayerParams, type LayerState, mamba2, type Mamba2Config } from "../../layers/mod.ts";
import { activation, add, gate, runOp, selectiveScan, ssd } from "../../ops/mod.ts";
import { ssdQuadraticInto } from "../../ssm/ssd.ts";
import { reshape, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf } from "./golden_file.ts";
import { constantly, gradientsOf, hasGradients, lossWeight, type Variable } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { stepThrough, wideConvState } from "./layer_steps.ts";
import { cast, fartherOf, fileTensor, fileTensorIf, stack, take, valuesF64 } from "./tensors.ts";

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
    return [[y, lossWeight(golden, on, "w_y")], [state, lossWeight(golden, on, "w_state")]];
  });
  return { values: { ...values, ...listed(golden, gradient) } };
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

/** The gradients that a case lists, each of the variable of the same name. */
function listed(
  golden: GoldenCase,
  gradient: (name: string) => Tensor,
): Record<string, Float64Array> {
  const names = [...golden.tensors.values()].filter(({ role }) => role === "grad");
  return Object.fromEntries(
    names.map(({ name }) => [name, valuesF64(gradient(name.replace(/^grad_/, "")))]),
  );
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
    const { y, state } = runOp(device, ssd, {
      u: of("x"),
      delta,
      A: of("A"),
      B: of("B"),
      C: of("C"),
      D: maybe("D"),
      x0: x0 && variable("initial_states", x0),
    }, { chunk });
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
    const y = scope.keep(select(scope, variable, chunk).y);
    scope.release();
    return [[y, lossWeight(golden, on)]];
  });
  return { values: { ...values, ...listed(golden, gradient) } };
}

/** One step with a general A: the selective scan over heads times features. */
async function stateUpdate(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const start = fileTensor(golden, "state");
  const [batch = 0, head = 0, size = 0, state = 0] = start.shape;
  const feature = head * size;
  const shaped = (name: string, shape: readonly number[]) => {
    const tensor = fileTensorIf(golden, name);
    return tensor && cast(reshape(tensor, shape), on.dtype);
  };
  const given = (name: string, shape: readonly number[]) =>
    cast(reshape(fileTensor(golden, name), shape), on.dtype);
  const [, group = 1] = fileTensor(golden, "B").shape;
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
  return listed(golden, gradient);
}

async function block(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const params = blockParams(golden);
  if (params.config.width < 2) return { unsupported: "a convolution state of one input" };
  const u = cast(fileTensor(golden, "x"), on.dtype);
  const whole = mamba2.forward(on.device, params, u);
  const y = await take(on, whole.y);
  for (const tensor of Object.values(whole.state)) await take(on, tensor);
  const start = mamba2.initialState(params.config, u.shape[0]!, on.dtype);
  const steps = await stepThrough(mamba2, params, on, u, start);
  const before = (k: number): LayerState => k === 0 ? start : steps.states[k - 1]!;
  const conv = steps.states.map((state, k) => wideConvState(before(k)["conv"]!, state["conv"]!));
  return {
    values: {
      y: valuesF64(y),
      y_steps: valuesF64(steps.y),
      conv_states: valuesF64(stack(conv, 1)),
      ssm_states: valuesF64(stack(steps.states.map((state) => state["ssm"]!), 1)),
      ...(hasGradients(golden) ? await blockGradients(golden, on, params, u) : {}),
    },
  };
}
