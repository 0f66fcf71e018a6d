/** First parameters of a backbone. */
import { nextNormal, nextUniform, type RandomState } from "../base/random.ts";
import type { AnyLayer } from "../layers/mod.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { BackboneConfig } from "./backbone_config.ts";

/** Deviation of the first embedding: that of GPT-2 and of the published Mamba. */
const EMBEDDING_DEVIATION = 0.02;

/** One layer of a backbone, ready: the member, its configuration and where its tensors stand. */
export interface Placed {
  readonly layer: AnyLayer;
  readonly config: Readonly<Record<string, unknown>>;
  readonly prefix: string;
  readonly index: number;
}

function filled(shape: Shape, value: () => number): Tensor {
  return tensorOf(shape, Float64Array.from({ length: sizeOf(shape) }, value));
}

/** torch's linear layer: uniform in ±1/√fanIn. */
function linearWeight(random: RandomState, out: number, fanIn: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return filled([out, fanIn], () => bound * (2 * nextUniform(random) - 1));
}

function normTensors({ norm, width }: BackboneConfig, name: string): Record<string, Tensor> {
  if (norm === "none") return {};
  const weight = { [`${name}.weight`]: filled([width], () => 1) };
  return norm === "rms" ? weight : { ...weight, [`${name}.bias`]: filled([width], () => 0) };
}

/**
 * First parameters by flat name: each member's own initialisation, torch's for linear layers, and
 * GPT-2's for embeddings. The same state of the generator gives the same.
 */
export function initialTensors(
  config: BackboneConfig,
  layers: readonly Placed[],
  random: RandomState,
): Record<string, Tensor> {
  const { input, width, mlp, output } = config;
  const tensors: Record<string, Tensor> = {};
  if (input.kind === "tokens") {
    tensors["embedding"] = filled(
      [input.vocabulary, width],
      () => EMBEDDING_DEVIATION * nextNormal(random),
    );
  } else {
    tensors["input.weight"] = linearWeight(random, width, input.feature);
    // A bias of 0 would leave only the sign of a single feature after the first norm.
    const bound = 1 / Math.sqrt(input.feature);
    tensors["input.bias"] = filled([width], () => bound * (2 * nextUniform(random) - 1));
  }
  for (const { layer, config: own, prefix } of layers) {
    Object.assign(tensors, normTensors(config, `${prefix}norm`));
    for (const [name, tensor] of Object.entries(layer.init(own, random).tensors)) {
      tensors[`${prefix}mixer.${name}`] = tensor;
    }
    if (mlp === 0) continue;
    Object.assign(tensors, normTensors(config, `${prefix}mlp.norm`));
    tensors[`${prefix}mlp.up`] = linearWeight(random, 2 * mlp, width);
    tensors[`${prefix}mlp.down`] = linearWeight(random, width, mlp);
  }
  Object.assign(tensors, normTensors(config, "norm"));
  tensors["output.weight"] = linearWeight(random, output.size, width);
  tensors["output.bias"] = filled([output.size], () => 0);
  return tensors;
}
