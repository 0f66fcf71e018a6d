import type { Seed } from "../../autodiff/tape.ts";
import { type Device, type DeviceTensor, openScope } from "../../device/mod.ts";
import { type ForwardParams, type LayerParams, mamba, type MambaConfig } from "../../layers/mod.ts";
import { add, embedding, matmul, type OpInput, rmsNorm, runOp } from "../../ops/mod.ts";
import { selectiveScan } from "../../ops/mod.ts";
import { complexFromReal } from "../../tensor/complex.ts";
import { reshape, type Tensor, tensorOf, transpose } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, tensorOfCase } from "./golden_file.ts";
import { constantly, gradientsOf, hasGradients, listedGradients } from "./gradients.ts";
import { lossWeight, lossWeightIf, type Variable } from "./gradients.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { blockValues } from "./layer_steps.ts";
import { cast, fileTensor, fileTensorIf, swapTime, take, valuesF64 } from "./tensors.ts";

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
    const seeds: Seed[] = [];
    const weight = lossWeightIf(golden, on, "w_out", "w_y", "loss_weight");
    if (weight) seeds.push([result.y, swapTime(weight)]);
    else device.free(result.y);
    const ofState = lossWeightIf(golden, on, "w_state");
    // The loss takes the real part of a complex state.
    const isReal = complex && ofState?.shape.length === 3;
    if (ofState) seeds.push([result.state, isReal ? complexFromReal(ofState) : ofState]);
    else device.free(result.state);
    return seeds;
  });
  for (const { name, role } of golden.tensors.values()) {
    const of = name.replace(/^grad_/, "");
    if (role !== "grad" || !gradient.has(of)) continue;
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
  const dtBias = fileTensorIf(golden, `${prefix}dt_proj.bias`);
  return {
    config: {
      feature,
      state,
      width,
      expand: inner / feature,
      dtRank: dtProj.shape[1] ?? 0,
      bias: inBias !== undefined || outBias !== undefined,
      dtMin: 1,
      dtMax: 1,
    },
    tensors: {
      inProj: of("in_proj.weight"),
      convWeight: reshape(conv, [inner, width]),
      xProj: of("x_proj.weight"),
      dtProj,
      dtBias: dtBias ?? tensorOf([inner], new Float64Array(inner)),
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

/** The block with each of its parameters as a variable of the file's name. */
function watchedBlock(
  { config, tensors }: LayerParams<MambaConfig>,
  prefix: string,
  variable: Variable,
): ForwardParams<MambaConfig> {
  const watched = Object.entries(tensors).map(([name, tensor]) => [
    name,
    variable(`${prefix}${BLOCK_NAMES[name]}`, tensor),
  ]);
  return { config, tensors: Object.fromEntries(watched) };
}

/** Gradients of the block's input and of all its parameters, by the file's names. */
async function blockGradients(
  golden: GoldenCase,
  on: GoldenDevice,
  params: LayerParams<MambaConfig>,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const gradient = await gradientsOf(on, (device, variable) => {
    const watched = watchedBlock(params, "", variable);
    const { y, state } = mamba.forward(device, watched, variable("x", u));
    for (const tensor of Object.values(state)) device.free(tensor);
    return [[y, lossWeight(golden, on)]];
  });
  return listedGradients(golden, gradient);
}

async function block(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const params = blockParams(golden, "");
  const u = cast(fileTensor(golden, "x"), on.dtype);
  const gradients = hasGradients(golden) ? await blockGradients(golden, on, params, u) : {};
  return { values: { ...await blockValues(golden, mamba, params, on, u), ...gradients } };
}

/** Layers of a stack: as many as its scalar or its parameters say. */
function layersOf(golden: GoldenCase): number {
  let count = 0;
  while (golden.tensors.has(`layers.${count}.norm.weight`)) count++;
  return numberOf(golden, "n_layer", count);
}

/** Embedding, then x + Mamba(RMSNorm(x)) a layer, RMSNorm, and a projection to the vocabulary. */
function stackForward(
  golden: GoldenCase,
  on: GoldenDevice,
  device: Device,
  variable: Variable,
): DeviceTensor {
  const scope = openScope(device);
  const of = (name: string) => variable(name, cast(fileTensor(golden, name), on.dtype));
  const eps = numberOf(golden, "rms_eps", 1e-5);
  const norm = (x: OpInput, name: string) =>
    runOp(scope, rmsNorm, { x, weight: of(name) }, { eps }).out;
  try {
    const table = of("embedding.weight");
    const ids = cast(fileTensor(golden, "ids"), on.dtype);
    let x = runOp(scope, embedding, { table, ids }, {}).out;
    for (let i = 0; i < layersOf(golden); i++) {
      const prefix = `layers.${i}.mixer.`;
      const params = watchedBlock(blockParams(golden, prefix), prefix, variable);
      const mixed = mamba.forward(scope, params, norm(x, `layers.${i}.norm.weight`));
      x = runOp(scope, add, { a: mixed.y, b: x }, {}).out;
    }
    // The output projection is the embedding again where the case has none of its own.
    const b = golden.tensors.has("lm_head.weight") ? of("lm_head.weight") : table;
    const { c } = runOp(scope, matmul, { a: norm(x, "norm_f.weight"), b }, { transposeB: true });
    return scope.keep(c);
  } finally {
    scope.release();
  }
}

async function stacked(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const logits = valuesF64(await take(on, stackForward(golden, on, on.device, constantly)));
  if (!hasGradients(golden)) return { values: { logits } };
  const gradient = await gradientsOf(
    on,
    (device, variable) => [[stackForward(golden, on, device, variable), lossWeight(golden, on)]],
  );
  return { values: { logits, ...listedGradients(golden, gradient) } };
}
