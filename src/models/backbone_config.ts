/**
 * Configuration of a backbone: which members stand on one another, and what is around them. Read
 * from JSON and made whole here, so that a checkpoint's configuration says everything.
 */
import { z } from "zod";
import { InvalidValueError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { type AnyLayer, LAYERS } from "../layers/mod.ts";
import { atPath, parseBy } from "../base/parse.ts";

/** Widest stream of features between the layers. */
export const WIDTH_MAX = 8192;
/** Most layers of one backbone. */
export const DEPTH_MAX = 256;
/** Largest vocabulary, and most outputs. */
export const VOCABULARY_MAX = 65_536;

/** One layer: a member's name with its whole configuration, its `feature` being the width. */
export interface BackboneLayer {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** What a backbone reads. */
export type BackboneInput =
  /** Whole numbers below `vocabulary`, [batch, length]. */
  | { readonly kind: "tokens"; readonly vocabulary: number }
  /** Numbers, [batch, length, feature]. */
  | { readonly kind: "signal"; readonly feature: number };

/** How outputs stand along the length: at every sample, their mean's, or the last one's only. */
export type BackbonePool = "none" | "mean" | "last";

/** A whole configuration. */
export interface BackboneConfig {
  readonly input: BackboneInput;
  /** Features between the layers. */
  readonly width: number;
  readonly layers: readonly BackboneLayer[];
  /** Normalisation before every layer, every MLP and the output; `none` keeps amplitudes. */
  readonly norm: "rms" | "layer" | "none";
  /** Hidden features of a gated MLP after every layer; 0 = none. */
  readonly mlp: number;
  /** Share of each residual branch's elements that training drops. */
  readonly dropout: number;
  readonly output: { readonly size: number; readonly pool: BackbonePool };
}

const size = (most: number) => z.int().min(1).max(most);

const layerSchema = z.union([
  z.string(),
  z.strictObject({
    name: z.string(),
    config: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])).default({}),
  }),
], "a member's name, or {name, config}");

const schema = z.strictObject({
  input: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("tokens"), vocabulary: size(VOCABULARY_MAX) }),
    z.strictObject({ kind: z.literal("signal"), feature: size(WIDTH_MAX) }),
  ]),
  width: size(WIDTH_MAX),
  layers: z.array(layerSchema).min(1).max(DEPTH_MAX),
  norm: z.enum(["rms", "layer", "none"]).default("rms"),
  mlp: z.int().min(0).max(4 * WIDTH_MAX).default(0),
  dropout: z.number().min(0).max(0.9).default(0),
  output: z.strictObject({
    size: size(VOCABULARY_MAX),
    pool: z.enum(["none", "mean", "last"]).default("none"),
  }),
});

/** Largest divisor of `whole` that is at most `most` and a multiple of `step`; 1 where none is. */
function divisor(whole: number, most: number, step = 1): number {
  for (let size = Math.min(most, whole); size > 1; size--) {
    if (whole % size === 0 && size % step === 0) return size;
  }
  return 1;
}

const STEPS = { dtMin: 0.001, dtMax: 0.1 };
const BLOCK = { activation: "gelu", mix: true };

/**
 * Configuration of each member at a width, from its paper where that is stated: Mamba (arXiv
 * 2312.00752, appendix E), Mamba-2 (2405.21060, appendix D), S4 and S4D (2111.00396, 2206.11893),
 * S5 (2208.04933), H3 (2212.14052), LSSL (2110.13985), gated linear attention (2312.06635), Mega
 * (2209.10655), GSS (2206.13947). A head of attention has up to 64 features. HiPPO's readout is a
 * matrix from all coefficients to all features, so it has few coefficients. A Kalman filter starts
 * as unsure as its input is large behind a norm.
 */
const DEFAULTS: Readonly<Record<string, (width: number) => Record<string, unknown>>> = {
  attention: (width) => {
    const head = width / divisor(width, 64, 2);
    const isEven = (width / head) % 2 === 0;
    const rest = { window: 1024, rotary: isEven, rotaryBase: 10_000, bias: false };
    return { head, group: head, ...rest };
  },
  damped_ema: () => ({ state: 16 }),
  gss: (width) => ({ gate: 4 * width, inner: Math.ceil(width / 4), state: 512 }),
  h3: () => ({ state: 16, headSize: 1, ...STEPS }),
  hippo: () => ({ state: 16, measure: "legs", window: 256, discretization: "zoh", start: 0 }),
  kalman: () => ({ output: "level", startDeviation: 1 }),
  linear_attention: (width) => ({
    ...{ head: width / divisor(width, 64), state: 64, decay: "gated", chunk: 64, eps: 1e-5 },
  }),
  liquid_s4: () => ({
    ...{ state: 64, order: 2, kernel: "pb", start: "lin", discretization: "bilinear" },
    ...{ ...STEPS, ...BLOCK },
  }),
  long_conv: () => ({
    ...{ taps: 512, filter: "implicit", hidden: 64, bands: 8, scaleSize: 32 },
    ...{ order: 2, width: 3 },
  }),
  lssl: () => ({
    ...{ state: 16, channel: 1, measure: "legs", discretization: "gbt", alpha: 0.5 },
    ...{ ...STEPS, ...BLOCK },
  }),
  mamba: (width) => ({
    ...{ state: 16, width: 4, expand: 2, dtRank: Math.ceil(width / 16), bias: false },
    ...STEPS,
  }),
  mamba2: (width) => ({
    ...{ state: 64, width: 4, expand: 2, headSize: divisor(2 * width, 64), group: 1, chunk: 64 },
    ...{ normBeforeGate: false, eps: 1e-5, ...STEPS },
  }),
  s4: () => ({ state: 64, measure: "legs", rank: 1, ...STEPS, ...BLOCK }),
  s4d: () => ({ state: 64, start: "lin", discretization: "zoh", ...STEPS, ...BLOCK }),
  s5: () => ({
    ...{ state: 64, block: 1, conjugatePairs: true, discretization: "zoh", clip: true },
    ...{ bidirectional: false, activation: "half_glu2", ...STEPS },
  }),
};

/**
 * The configuration that a member has in a backbone where none is given: its paper's, or, for a
 * member without one here, that of its first example with 1 for what the width does not allow.
 */
export function memberDefaults(layer: AnyLayer, width: number): Record<string, unknown> {
  const own = Object.hasOwn(DEFAULTS, layer.name) ? DEFAULTS[layer.name]!(width) : {};
  const config: Record<string, unknown> = { ...layer.examples[0], ...own, feature: width };
  for (const _ of Object.keys(config)) {
    const field = wrongField(layer, config);
    if (typeof config[field ?? ""] !== "number" || field === "feature") break;
    config[field!] = 1;
  }
  return config;
}

/** The first field that a member refuses. */
function wrongField(layer: AnyLayer, config: unknown): string | undefined {
  try {
    layer.validate(config);
    return undefined;
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return error.field;
  }
}

/**
 * The member of a name.
 *
 * @throws {InvalidValueError} there is none; the message lists those there are
 */
export function memberNamed(name: string, field = "name"): AnyLayer {
  const layer = LAYERS.find((candidate) => candidate.name === name);
  if (layer === undefined) {
    const known = LAYERS.map((candidate) => candidate.name).join(", ");
    throw new InvalidValueError(field, name, `one of ${known}`);
  }
  return layer;
}

/** A member's whole configuration: its defaults at this width, and what the user says. */
function wholeLayer(
  given: { readonly name: string; readonly config: Readonly<Record<string, unknown>> },
  width: number,
  path: string,
): BackboneLayer {
  const layer = memberNamed(given.name, `${path}.name`);
  const config = memberDefaults(layer, width);
  for (const [key, value] of Object.entries(given.config)) {
    const field = `${path}.config.${key}`;
    if (!Object.hasOwn(config, key)) {
      throw new InvalidValueError(field, value, `one of ${Object.keys(config).join(", ")}`);
    }
    if (key === "feature" && value !== width) {
      throw new InvalidValueError(field, value, `the width of the backbone, ${width}`);
    }
    if (typeof value !== typeof config[key]) {
      throw new InvalidValueError(field, value, `a ${typeof config[key]}`);
    }
    config[key] = value;
  }
  atPath(`${path}.config`, () => layer.validate(config));
  return { name: layer.name, config };
}

/**
 * Reads a configuration from JSON and makes it whole.
 *
 * A layer is a member's name, or `{name, config}` where `config` overrides some of the member's
 * defaults ({@linkcode memberDefaults}).
 *
 * @param value  as `JSON.parse` gives it
 * @param name   what it is called in messages
 * @throws {InvalidValueError} a field is unknown, missing or out of range; its path is named
 */
export function parseBackbone(value: unknown, name = "model"): BackboneConfig {
  const { layers, ...rest } = parseBy(schema, value, name);
  return {
    ...rest,
    layers: layers.map((given, i) => {
      const whole = typeof given === "string" ? { name: given, config: {} } : given;
      return wholeLayer(whole, rest.width, `${name}.layers[${i}]`);
    }),
  };
}

/** JSON with the keys of every object in order: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1));
  });
}

/** SHA-256 of a configuration: weights of equal hash have the same names and shapes. */
export function backboneHash(config: BackboneConfig): string {
  return sha256Hex(canonicalJson(config));
}
