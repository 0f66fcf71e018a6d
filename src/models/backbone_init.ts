/** First parameters of a backbone. */
import { prefixed } from "../base/prefixes.ts";
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../base/random.ts";
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

/** A parameter before it is drawn. */
interface Undrawn {
  readonly name: string;
  readonly shape: Shape;
  readonly value: (random: RandomState) => number;
}

function filled({ shape, value }: Undrawn, random: RandomState): Tensor {
  return tensorOf(shape, Float64Array.from({ length: sizeOf(shape) }, () => value(random)));
}

/** Uniform in ±1/√fanIn. */
function uniform(name: string, shape: Shape, fanIn: number): Undrawn {
  const bound = 1 / Math.sqrt(fanIn);
  return { name, shape, value: (random) => bound * (2 * nextUniform(random) - 1) };
}

/** torch's linear layer. */
function linearWeight(name: string, out: number, fanIn: number): Undrawn {
  return uniform(name, [out, fanIn], fanIn);
}

function normParts({ norm, width }: BackboneConfig, name: string): Undrawn[] {
  if (norm === "none") return [];
  const weight = { name: `${name}.weight`, shape: [width], value: () => 1 };
  if (norm === "rms") return [weight];
  return [weight, { name: `${name}.bias`, shape: [width], value: () => 0 }];
}

/** What a backbone learns, in order: parameters around the layers, and the layers. */
function* partsOf(config: BackboneConfig, layers: readonly Placed[]): Generator<Undrawn | Placed> {
  const { input, width, mlp, output } = config;
  if (input.kind === "tokens") {
    yield {
      name: "embedding",
      shape: [input.vocabulary, width],
      value: (random) => EMBEDDING_DEVIATION * nextNormal(random),
    };
  } else {
    yield linearWeight("input.weight", width, input.feature);
    // A bias of 0 would leave only the sign of a single feature after the first norm.
    yield uniform("input.bias", [width], input.feature);
  }
  for (const placed of layers) {
    const { prefix } = placed;
    yield* normParts(config, `${prefix}norm`);
    yield placed;
    if (mlp === 0) continue;
    yield* normParts(config, `${prefix}mlp.norm`);
    yield linearWeight(`${prefix}mlp.up`, 2 * mlp, width);
    yield linearWeight(`${prefix}mlp.down`, width, mlp);
  }
  yield* normParts(config, "norm");
  yield linearWeight("output.weight", output.size, width);
  yield { name: "output.bias", shape: [output.size], value: () => 0 };
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
  const tensors: Record<string, Tensor> = {};
  for (const part of partsOf(config, layers)) {
    if ("value" in part) tensors[part.name] = filled(part, random);
    else Object.assign(tensors, mixerOf(part, random));
  }
  return tensors;
}

function mixerOf({ layer, config, prefix }: Placed, random: RandomState): Record<string, Tensor> {
  return prefixed(`${prefix}mixer.`, layer.init(config, random).tensors);
}

/**
 * Names and shapes of the same tensors in the same order, one after another. Nothing is drawn but
 * layers, one of each configuration, and none before what comes ahead of it is taken: who stops at
 * the first shape that differs from a file's makes no more than one layer that the file has not.
 */
export function* initialShapes(
  config: BackboneConfig,
  layers: readonly Placed[],
): Generator<[name: string, shape: Shape]> {
  const known = new Map<string, [string, Shape][]>();
  for (const part of partsOf(config, layers)) {
    if ("value" in part) {
      yield [part.name, part.shape];
      continue;
    }
    const key = JSON.stringify([part.layer.name, part.config]);
    let shapes = known.get(key);
    if (shapes === undefined) {
      const { tensors } = part.layer.init(part.config, seedRandom(0));
      shapes = Object.entries(tensors).map(([name, { shape }]) => [name, shape]);
      known.set(key, shapes);
    }
    for (const [name, shape] of shapes) yield [`${part.prefix}mixer.${name}`, shape];
  }
}
