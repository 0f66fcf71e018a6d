/**
 * Files of trained networks: safetensors of 16-bit floats with the configuration, and its hash, in
 * the metadata. A file is read whole or refused, with the field at fault.
 */
import { z } from "zod";
import { InvalidValueError } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import {
  floatsOf,
  halfEntry,
  readSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "../../base/safetensors.ts";
import { sameShape } from "../../tensor/shape.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { canonicalJson } from "../backbone_config.ts";
import { parseBy } from "../parse.ts";
import { networkOf, type NeuralConfig, parseNeural } from "./network.ts";

/** Format and version of a file. */
export const WEIGHTS_FORMAT = "driftline-neural/1";

/** A trained network. */
export interface NetworkWeights {
  readonly config: NeuralConfig;
  /** Parameters by flat name, in f32. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Steps of training. */
  readonly step: number;
}

/** SHA-256 of a configuration. */
export function neuralHash(config: NeuralConfig): string {
  return sha256Hex(canonicalJson(config));
}

/** The bytes of a file: every number rounded to 16 bits. */
export function encodeWeights(weights: NetworkWeights): Uint8Array<ArrayBuffer> {
  const { config, tensors, step } = weights;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    entries.set(name, halfEntry(shape, Float32Array.from(data)));
  }
  return writeSafetensors(entries, {
    format: WEIGHTS_FORMAT,
    config: canonicalJson(config),
    configHash: neuralHash(config),
    step: String(step),
  });
}

const metadataSchema = z.strictObject({
  format: z.literal(WEIGHTS_FORMAT, WEIGHTS_FORMAT),
  config: z.string(),
  configHash: z.string(),
  step: z.string().regex(/^\d{1,15}$/, "a whole number").transform(Number),
});

function configOf({ config: text, configHash }: { config: string; configHash: string }) {
  if (sha256Hex(text) !== configHash) {
    throw new InvalidValueError("metadata.configHash", configHash, "the configuration's SHA-256");
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new InvalidValueError("metadata.config", text, "JSON");
  }
  const config = parseNeural(json, "metadata.config");
  if (canonicalJson(config) !== text) {
    throw new InvalidValueError("metadata.config", text, "a whole configuration");
  }
  return config;
}

function tensorOfEntry(name: string, entry: SafetensorsEntry): Tensor {
  if (entry.dtype !== "F16" && entry.dtype !== "F32") {
    throw new InvalidValueError(`${name}.dtype`, entry.dtype, "F16 or F32");
  }
  const data = Float32Array.from(floatsOf(entry));
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new InvalidValueError(`${name}[${wrong}]`, data[wrong], "a finite number");
  return tensorOf(entry.shape, data);
}

/**
 * Reads a file.
 *
 * @throws {SyntaxError} the bytes are no safetensors file
 * @throws {InvalidValueError} its metadata, a name, a dtype, a shape or a number is wrong
 */
export function decodeWeights(bytes: Uint8Array): NetworkWeights {
  const file = readSafetensors(bytes);
  const metadata = parseBy(metadataSchema, file.metadata, "metadata");
  const config = configOf(metadata);
  const tensors: [string, Tensor][] = [];
  // One by one: a file's configuration may be of a network far larger than the file.
  for (const [name, shape] of networkOf(config).shapes()) {
    const entry = file.tensors.get(name);
    if (entry === undefined) throw new InvalidValueError(name, undefined, "a tensor");
    if (!sameShape(entry.shape, shape)) {
      const wanted = `[${shape.join(", ")}] as its configuration has it`;
      throw new InvalidValueError(`${name}.shape`, `[${entry.shape.join(", ")}]`, wanted);
    }
    tensors.push([name, tensorOfEntry(name, entry)]);
  }
  const known = new Set(tensors.map(([name]) => name));
  for (const name of file.tensors.keys()) {
    if (!known.has(name)) throw new InvalidValueError(name, "a tensor", "no tensor of this name");
  }
  return { config, tensors: Object.fromEntries(tensors), step: metadata.step };
}
