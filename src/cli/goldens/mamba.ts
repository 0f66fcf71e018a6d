import type { Device } from "../../device/device.ts";
import { type LayerParams, type LayerState, mamba, type MambaConfig } from "../../layers/mod.ts";
import { add, matmul, rmsNorm, runOp, selectiveScan } from "../../ops/mod.ts";
import { complexFromReal } from "../../tensor/complex.ts";
import { asDtype, reshape, type Tensor, tensorOf, transpose } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, tensorOfCase } from "./golden_file.ts";
import { constantly, gradientsOf, hasGradients, lossWeight, type Variable } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { cast, fileTensor, fileTensorIf, leading, stack, swapTime, take } from "./tensors.ts";
import { timeOf, valuesF64 } from "./tensors.ts";

/** The selective scan with every option, the block in sequence and step mode, a small stack. */
export const mambaGroup: GroupRunner = {
  group: "mamba",
  onGpu: true,
  run(golden, on) {
    if (golden.tensors.has("ids")) return stacked(golden, on);
    if (golden.tensors.has("in_proj.weight")) return block(golden, on);
    if (golden.tensors.has("delta")) return scan(golden, on);
    return { unsupported: golden.description };
  },
};

/**
 * B or C as the op takes it: `[feature, state]` where fixed; else `[batch, time, group, state]`
 * from `[batch, (group,) state, time]`, with (re, im) side by side in time where A is complex.
 */
function selected(golden: GoldenCase, name: string, sizes: { feature: number; complex: boolean }) {
  const tensor = fileTensor(golden, name);
  const isComplex = tensorOfCase(golden, name).complex;
  if (tensor.shape.length === (isComplex ? 3 : 2)) {
    return sizes.complex && !isComplex ? complexFromReal(tensor) : tensor;
  }
  const grouped = tensor.shape.length === 4
    ? tensor
    : reshape(tensor, [tensor.shape[0]!, 1, ...tensor.shape.slice(1)]);
  const [batch, group, state, time] = grouped.shape as [number, number, number, number];
  if (!sizes.complex) return transpose(grouped, [0, 3, 1, 2]);
  return transpose(reshape(grouped, [batch, group, state, time / 2, 2]), [0, 3, 1, 2, 4]);
}

/**
 * The skip: a tensor, or one number for all. Among the scalars `D` is the skip only where the
 * sizes (`B` for the batch beside it) are not listed.
 */
function skipOf(golden: GoldenCase, feature: number): Tensor | undefined {
  const tensor = fileTensorIf(golden, "D");
  const scalar = golden.scalars["D"];
  if (tensor !== undefined || typeof scalar !== "number" || "B" in golden.scalars) return tensor;
  return tensorOf([feature], new Float64Array(feature).fill(scalar));
}

async function scan(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const complex = tensorOfCase(golden, "A").complex;
  const select = (device: Device, variable: Variable) => {
    const u = swapTime(fileTensor(golden, "u"));
    const feature = u.shape[2]!;
    const of = (name: string, tensor: Tensor) => variable(name, cast(tensor, on.dtype));
    const maybe = (name: string, tensor: Tensor | undefined) => tensor && of(name, tensor);
    const z = fileTensorIf(golden, "z");
    const sizes = { feature, complex };
    return runOp(device, selectiveScan, {
      u: of("u", u),
      delta: of("delta", swapTime(fileTensor(golden, "delta"))),
      A: of("A", fileTensor(golden, "A")),
      B: of("B", selected(golden, "B", sizes)),
      C: of("C", selected(golden, "C", sizes)),
      D: maybe("D", skipOf(golden, feature)),
      z: maybe("z", z && swapTime(z)),
      deltaBias: maybe("delta_bias", fileTensorIf(golden, "delta_bias")),
    }, { softplus: golden.scalars["delta_softplus"] === true, complex });
  };
  const { y, state } = select(on.device, constantly);
  const values: Record<string, Float64Array> = {
    out: valuesF64(swapTime(await take(on, y))),
    last_state: valuesF64(await take(on, state)),
  };
  if (!hasGradients(golden)) return { values };
  const gradient = await gradientsOf(on, (device, variable) => {
    const result = select(device, variable);
    // The loss takes the real part of a complex state.
    const weight = lossWeight(golden, on, "w_state");
    return [
      [result.y, swapTime(lossWeight(golden, on, "w_out"))],
      [result.state, complex && weight.shape.length === 3 ? complexFromReal(weight) : weight],
    ];
  });
  for (const { name, role } of golden.tensors.values()) {
    const of = name.replace(/^grad_/, "");
    if (role !== "grad") continue;
    if (/^(u|delta|z)$/.test(of)) values[name] = valuesF64(swapTime(gradient(of)));
    else if (/^[BC]$/.test(of)) values[name] = unselected(golden, of, gradient(of), complex);
    else values[name] = valuesF64(gradient(of));
  }
  return { values };
}

/** The gradient of B or C in the order of the file: the way back of {@linkcode selected}. */
function unselected(
  golden: GoldenCase,
  name: string,
  gradient: Tensor,
  complex: boolean,
): Float64Array {
  const isComplex = tensorOfCase(golden, name).complex;
  const { data, shape } = gradient;
  if (shape.length === (complex ? 3 : 2)) {
    if (!complex || isComplex) return valuesF64(gradient);
    // A real matrix only sees the real parts.
    return Float64Array.from({ length: data.length / 2 }, (_, i) => data[2 * i]!);
  }
  return valuesF64(transpose(gradient, complex ? [0, 2, 3, 1, 4] : [0, 2, 3, 1]));
}

/** The block's parameters under a prefix of names. */
function blockParams(golden: GoldenCase, prefix: string): LayerParams<MambaConfig> {
  const of = (name: string) => fileTensor(golden, prefix + name);
  const conv = of("conv1d.weight");
  const logA = of("A_log");
  const dtProj = of("dt_proj.weight");
  const outProj = of("out_proj.weight");
  const [inner = 0, state = 0] = logA.shape;
  const width = conv.shape.at(-1) ?? 0;
  const feature = outProj.shape[0] ?? 0;
  const inBias = fileTensorIf(golden, `${prefix}in_proj.bias`);
  const outBias = fileTensorIf(golden, `${prefix}out_proj.bias`);
  const convBias = fileTensorIf(golden, `${prefix}conv1d.bias`);
  return {
    config: {
      feature,
      state,
      width,
      expand: inner / feature,
      dtRank: dtProj.shape[1] ?? 0,
      bias: inBias !== undefined,
      dtMin: 1,
      dtMax: 1,
    },
    tensors: {
      inProj: of("in_proj.weight"),
      convWeight: reshape(conv, [inner, width]),
      xProj: of("x_proj.weight"),
      dtProj,
      dtBias: of("dt_proj.bias"),
      logA,
      D: of("D"),
      outProj,
      ...(inBias && { inBias }),
      ...(outBias && { outBias }),
      ...(convBias && { convBias }),
    },
  };
}

/** The file's names of the block's parameters. */
const BLOCK_NAMES: Readonly<Record<string, string>> = {
  inProj: "in_proj.weight",
  inBias: "in_proj.bias",
  convWeight: "conv1d.weight",
  convBias: "conv1d.bias",
  xProj: "x_proj.weight",
  dtProj: "dt_proj.weight",
  dtBias: "dt_proj.bias",
  logA: "A_log",
  D: "D",
  outProj: "out_proj.weight",
  outBias: "out_proj.bias",
};

/** Gradients of the block's input and of all its parameters, by the file's names. */
async function blockGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  { config, tensors }: LayerParams<MambaConfig>,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, variable(name, tensor)]),
    );
    const { y, state } = mamba.forward(device, { config, tensors: watched }, variable("x", u));
    for (const tensor of Object.values(state)) device.free(tensor);
    return [[y, lossWeight(golden, on)]];
  });
  const values: Record<string, Float64Array> = { grad_x: valuesF64(gradient("x")) };
  for (const name of Object.keys(tensors)) {
    values[`grad_${BLOCK_NAMES[name]}`] = valuesF64(gradient(name));
  }
  return values;
}

/** Steps on the CPU; on a GPU, forward over one sample at a time from the carried state. */
async function stepOnce(
  params: LayerParams<MambaConfig>,
  on: GoldenDevice,
  sample: Tensor,
  state: LayerState,
): Promise<{ y: Tensor; state: LayerState }> {
  if (on.device.kind === "cpu") {
    const next: LayerState = {
      conv: tensorOf(state["conv"]!.shape, state["conv"]!.data.slice()),
      ssm: tensorOf(state["ssm"]!.shape, state["ssm"]!.data.slice()),
    };
    const y = mamba.step(params, sample.data, next);
    return { y: tensorOf([sample.shape[0]!, sample.shape[2]!], y), state: next };
  }
  const result = mamba.forward(on.device, params, sample, { state });
  const y = await take(on, result.y);
  return {
    y: tensorOf([sample.shape[0]!, sample.shape[2]!], y.data),
    state: {
      conv: await take(on, result.state["conv"]!),
      ssm: await take(on, result.state["ssm"]!),
    },
  };
}

/**
 * The reference's convolution state, which has one input more than this project's: what was
 * carried into a sample, then the sample itself.
 */
function wideConvState(before: Tensor, after: Tensor): Tensor {
  const [batch = 0, inner = 0, past = 0] = before.shape;
  const out = new Float64Array(batch * inner * (past + 1));
  for (let row = 0; row < batch * inner; row++) {
    for (let j = 0; j < past; j++) out[row * (past + 1) + j] = before.data[row * past + j]!;
    out[row * (past + 1) + past] = after.data[(row + 1) * past - 1]!;
  }
  return tensorOf([batch, inner, past + 1], out);
}

async function block(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const params = blockParams(golden, "");
  if (params.config.width < 2) return { unsupported: "a convolution state of one input" };
  const u = cast(fileTensor(golden, "x"), on.dtype);
  const [batch = 0, length = 0] = u.shape;
  const whole = mamba.forward(on.device, params, u);
  const y = await take(on, whole.y);
  await take(on, whole.state["conv"]!);
  await take(on, whole.state["ssm"]!);
  let state = mamba.initialState(params.config, batch, on.dtype);
  const outputs: Tensor[] = [];
  const convStates: Tensor[] = [];
  const ssmStates: Tensor[] = [];
  for (let k = 0; k < length; k++) {
    const next = await stepOnce(params, on, timeOf(u, k), state);
    outputs.push(next.y);
    convStates.push(wideConvState(state["conv"]!, next.state["conv"]!));
    ssmStates.push(next.state["ssm"]!);
    state = next.state;
  }
  return {
    values: {
      y: valuesF64(y),
      y_steps: valuesF64(stack(outputs, 1)),
      conv_states: valuesF64(stack(convStates, 1)),
      ssm_states: valuesF64(stack(ssmStates, 1)),
      ...await prefill(golden, params, on, u),
      ...(hasGradients(golden) ? await blockGradients(golden, on, params, u) : {}),
    },
  };
}

/** The states that the parallel form leaves after a prefix: its length is in a note, else half. */
async function prefill(
  golden: GoldenCase,
  params: LayerParams<MambaConfig>,
  on: GoldenDevice,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const note = golden.tensors.get("prefill_conv_state")?.note ?? "";
  const count = Number(note.match(/prefill of (\d+) step/)?.[1] ?? Math.floor(u.shape[1]! / 2));
  if (!golden.tensors.has("prefill_conv_state") || count < 1) return {};
  const states: LayerState[] = [];
  for (const samples of [count - 1, count]) {
    if (samples === 0) {
      states.push(mamba.initialState(params.config, u.shape[0]!, on.dtype));
      continue;
    }
    const result = mamba.forward(on.device, params, leading(u, samples));
    await take(on, result.y);
    states.push({
      conv: await take(on, result.state["conv"]!),
      ssm: await take(on, result.state["ssm"]!),
    });
  }
  const [before, after] = states as [LayerState, LayerState];
  return {
    prefill_conv_state: valuesF64(wideConvState(before["conv"]!, after["conv"]!)),
    prefill_ssm_state: valuesF64(after["ssm"]!),
  };
}

/** Embedding, then x + Mamba(RMSNorm(x)) a layer, RMSNorm, and the embedding again as output. */
async function stacked(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const { device, dtype } = on;
  const embedding = fileTensor(golden, "embedding.weight");
  const feature = embedding.shape[1]!;
  const ids = fileTensor(golden, "ids");
  const rows = new Float64Array(ids.data.length * feature);
  ids.data.forEach((id, i) => {
    rows.set(embedding.data.subarray(id * feature, (id + 1) * feature), i * feature);
  });
  const eps = numberOf(golden, "rms_eps", 1e-5);
  const norm = (x: Tensor, name: string) =>
    runOp(device, rmsNorm, { x, weight: cast(fileTensor(golden, name), dtype) }, { eps }).out;
  let x = cast(tensorOf([...ids.shape, feature], rows), dtype);
  for (let i = 0; i < numberOf(golden, "n_layer"); i++) {
    const normed = norm(x, `layers.${i}.norm.weight`);
    const mixed = mamba.forward(device, blockParams(golden, `layers.${i}.mixer.`), normed);
    const sum = runOp(device, add, { a: mixed.y, b: x }, {}).out;
    x = await take(on, sum);
    for (const tensor of [normed, mixed.y, ...Object.values(mixed.state)]) device.free(tensor);
  }
  const normed = norm(x, "norm_f.weight");
  const weight = golden.tensors.has("lm_head.weight")
    ? fileTensor(golden, "lm_head.weight")
    : embedding;
  const logits = runOp(
    device,
    matmul,
    { a: normed, b: asDtype(weight, dtype) },
    { transposeB: true },
  ).c;
  device.free(normed);
  return { values: { logits: valuesF64(await take(on, logits)) } };
}
