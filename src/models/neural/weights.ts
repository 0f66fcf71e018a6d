/**
 * Files of the neural forecaster's weights: safetensors with the configuration and its hash in the
 * metadata, the numbers as floats of 16 bits for shipping (those that set a memory as floats of 32)
 * or all of 32 for going on with. A file is read whole or refused, with the field at fault.
 */
import { z } from "zod";
import { InvalidValueError } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import { floatEntry, floatsOf, halfEntry, readSafetensors } from "../../base/safetensors.ts";
import { type SafetensorsEntry, writeSafetensors } from "../../base/safetensors.ts";
import { sameShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { canonicalJson } from "../backbone_config.ts";
import { parseBy } from "../../base/parse.ts";
import { networkOf, NEURAL_VERSION, type NeuralConfig, parseNeural } from "./network.ts";
import { widenWeights } from "./widen.ts";

/** Format and version of a weights file. */
export const WEIGHTS_FORMAT = "driftline-neural/1";

/** A trained network. */
export interface NeuralWeights {
  readonly config: NeuralConfig;
  /** Parameters by name, f32. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Steps of training. */
  readonly step: number;
  /** The version of the file, where it was widened on reading. */
  readonly widenedFrom?: number;
  /** SHA-256 of the files whose mean this is, hexadecimal. */
  readonly averageOf?: readonly string[];
}

/** Names and shapes of a network's parameters. */
export function neuralShapes(config: NeuralConfig): ReadonlyMap<string, Shape> {
  return new Map(networkOf(config).shapes());
}

/** How many numbers a network learns. */
export function neuralCount(config: NeuralConfig): number {
  return [...neuralShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/**
 * Parameters that set a memory, which no file rounds: 16 bits of a log step of −5 leave 0.2 % of a
 * period, which is out of phase after some hundred of its samples. Rounded, they put the hidden
 * features of an S5 network off by 0.55 % after 700 samples; the others alone by 0.04 %. 4.6 kB.
 */
const CLOCKS = /\.mixer\.(logDt|lambdaRe|lambdaIm|logA|dtBias)$/;

/**
 * The bytes of a weights file.
 *
 * @param dtype  of the numbers in the file, but for those that set a memory, which are f32
 * @throws {RangeError} a number is too large for 16 bits
 */
export function encodeWeights(
  { config, tensors, step, averageOf }: NeuralWeights,
  dtype: "f16" | "f32",
): Uint8Array<ArrayBuffer> {
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const numbers = Float32Array.from(data);
    const isHalf = dtype === "f16" && !CLOCKS.test(name);
    entries.set(name, isHalf ? halfEntry(shape, numbers) : floatEntry(shape, numbers));
  }
  const text = canonicalJson(config);
  const about = { format: WEIGHTS_FORMAT, config: text, configHash: sha256Hex(text) };
  const means = averageOf === undefined ? {} : { averageOf: averageOf.join(",") };
  return writeSafetensors(entries, { ...about, ...means, step: String(step) });
}

const metadataSchema = z.strictObject({
  format: z.literal(WEIGHTS_FORMAT, WEIGHTS_FORMAT),
  config: z.string(),
  configHash: z.string(),
  step: z.string().regex(/^\d{1,15}$/, "a whole number").transform(Number),
  averageOf: z.string().regex(/^[0-9a-f]{64}(,[0-9a-f]{64})*$/, "SHA-256s and commas").optional(),
});

/** JSON in a file's metadata. @throws {InvalidValueError} it is not the hashed one, or no JSON */
function jsonIn(text: string, hash: string): unknown {
  const actual = sha256Hex(text);
  if (hash !== actual) {
    throw new InvalidValueError("metadata.configHash", hash, `the text's SHA-256, ${actual}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidValueError("metadata.config", text, "JSON");
  }
}

/** The configuration in a file's metadata. @throws {InvalidValueError} it is not the hashed one */
export function configIn(text: string, hash: string): NeuralConfig {
  return parseNeural(jsonIn(text, hash), "metadata.config");
}

/** Whether a configuration is of the version before, whose weights are widened on reading. */
function isOfVersion1(value: unknown): value is { readonly version: 1 } {
  return typeof value === "object" && value !== null && "version" in value && value.version === 1;
}

/** A tensor of a file, f32. @throws {InvalidValueError} a number is not finite, or no float */
export function tensorIn(name: string, entry: SafetensorsEntry): Tensor {
  if (entry.dtype !== "F16" && entry.dtype !== "F32") {
    throw new InvalidValueError(`${name}.dtype`, entry.dtype, "F16 or F32");
  }
  const data = floatsOf(entry);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    throw new InvalidValueError(`${name}[${wrong}]`, data[wrong], "a finite number");
  }
  return tensorOf(entry.shape, data);
}

/** @throws {InvalidValueError} a parameter is missing, of no network, or of another shape */
export function checkWeights(
  config: NeuralConfig,
  tensors: Readonly<Record<string, Tensor>>,
): void {
  const shapes = neuralShapes(config);
  for (const [name, shape] of shapes) {
    const found = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
    if (found === undefined) throw new InvalidValueError(name, undefined, "a tensor");
    if (sameShape(found.shape, shape)) continue;
    throw new InvalidValueError(`${name}.shape`, `[${found.shape}]`, `[${shape}]`);
  }
  for (const name of Object.keys(tensors)) {
    if (!shapes.has(name)) throw new InvalidValueError(name, "a tensor", "no tensor of this name");
  }
}

/**
 * Reads a weights file. One of version 1 is widened: it forecasts as it did.
 *
 * @throws {SyntaxError} the bytes are no safetensors file
 * @throws {InvalidValueError} its metadata, a name, a dtype, a shape or a number is wrong
 */
export function decodeWeights(bytes: Uint8Array): NeuralWeights {
  const file = readSafetensors(bytes);
  const metadata = parseBy(metadataSchema, file.metadata, "metadata");
  const value = jsonIn(metadata.config, metadata.configHash);
  const isOld = isOfVersion1(value);
  const config = parseNeural(
    isOld ? { ...value, version: NEURAL_VERSION } : value,
    "metadata.config",
  );
  const read = Object.fromEntries(
    [...file.tensors].map(([name, entry]) => [name, tensorIn(name, entry)]),
  );
  const tensors = isOld ? widenWeights(read) : read;
  checkWeights(config, tensors);
  return {
    config,
    tensors,
    step: metadata.step,
    ...(isOld ? { widenedFrom: 1 } : {}),
    ...(metadata.averageOf === undefined ? {} : { averageOf: metadata.averageOf.split(",") }),
  };
}
