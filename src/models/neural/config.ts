/**
 * Configuration of the neural forecaster's network, and the backbone that it stands for.
 */
import { z } from "zod";
import { type BackboneConfig, parseBackbone } from "../backbone_config.ts";
import { parseBy } from "../../base/parse.ts";
import { TOKEN_FEATURES } from "./shapes.ts";

/** Version of the network's form: what the tensors are and what is computed of them. */
export const NEURAL_VERSION = 2;
/** Widest stream of features between the layers, and most hidden features of the decoder. */
export const NEURAL_WIDTH_MAX = 1024;
/** Most layers. */
export const NEURAL_DEPTH_MAX = 16;
/** Largest state of a layer: real states of S5, states of an inner feature of Mamba. */
export const NEURAL_STATE_MAX = 1024;

/** A whole configuration. */
export interface NeuralConfig {
  readonly version: typeof NEURAL_VERSION;
  /** Layers: time-invariant (S5) or input-dependent (Mamba). */
  readonly kind: "s5" | "mamba";
  /** Features between the layers. */
  readonly width: number;
  readonly depth: number;
  /** Real states of an S5 layer, even, half as many complex modes; states of a Mamba feature. */
  readonly state: number;
  /** Hidden features of the gated MLP after every layer; 0 = none. */
  readonly mlp: number;
  /** Hidden features of the decoder. */
  readonly head: number;
}

const size = (most: number) => z.int().min(1).max(most);

const common = {
  version: z.literal(NEURAL_VERSION).default(NEURAL_VERSION),
  width: size(NEURAL_WIDTH_MAX),
  depth: size(NEURAL_DEPTH_MAX),
  mlp: z.int().min(0).max(4 * NEURAL_WIDTH_MAX),
  head: size(NEURAL_WIDTH_MAX),
};

const schema = z.discriminatedUnion("kind", [
  z.strictObject({
    ...common,
    kind: z.literal("s5"),
    state: size(NEURAL_STATE_MAX).multipleOf(2),
  }),
  z.strictObject({ ...common, kind: z.literal("mamba"), state: size(NEURAL_STATE_MAX) }),
]);

/** Configurations by name. */
export const NEURAL_PRESETS = {
  /** 1.43 million parameters; time-invariant. */
  s5: { kind: "s5", width: 192, depth: 4, state: 192, mlp: 384, head: 192 },
  /** The same, half as wide: 0.42 million. */
  s5_small: { kind: "s5", width: 96, depth: 4, state: 96, mlp: 192, head: 192 },
  /** Input-dependent; 0.56 million. */
  mamba: { kind: "mamba", width: 128, depth: 4, state: 16, mlp: 0, head: 192 },
} as const satisfies Readonly<Record<string, Omit<NeuralConfig, "version">>>;

/**
 * Reads a configuration.
 *
 * @param value  as `JSON.parse` gives it
 * @throws {InvalidValueError} a field is unknown, missing or out of range; its path is named
 */
export function parseNeural(value: unknown, name = "network"): NeuralConfig {
  return parseBy(schema, value, name) as NeuralConfig;
}

/** What {@linkcode NeuralConfig} says of each layer. */
function layerOf({ kind, width, state }: NeuralConfig) {
  if (kind === "mamba") {
    const dtRank = Math.ceil(width / 16);
    return {
      name: "mamba",
      config: { state, width: 4, expand: 2, dtRank, dtMin: 2e-3, dtMax: 0.2 },
    };
  }
  // Poles and step sizes are drawn by neural/init.ts; blocks of one mode keep the first ones cheap.
  const block = state / 2;
  return { name: "s5", config: { state, block, clip: true, activation: "half_glu2" } };
}

/** The backbone: from a sample's token to the decoder's hidden features. */
export function backboneConfigOf(config: NeuralConfig): BackboneConfig {
  const { width, depth, mlp, head } = config;
  return parseBackbone({
    input: { kind: "signal", feature: TOKEN_FEATURES },
    width,
    layers: Array.from({ length: depth }, () => layerOf(config)),
    norm: "rms",
    mlp,
    output: { size: head },
  }, "network");
}
