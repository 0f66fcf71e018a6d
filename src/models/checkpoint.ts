/**
 * Files of trained models and of trainings under way: safetensors with the configuration, and its
 * hash, in the metadata. A file is read whole or refused, with the field at fault.
 *
 *   model       the parameters by name                          what serves
 *   checkpoint  whatever tensors a training keeps, by name      what a training goes on from
 */
import { z } from "zod";
import { InvalidValueError } from "../base/errors.ts";
import { floatEntry, floatsOf, readSafetensors, writeSafetensors } from "../base/safetensors.ts";
import type { SafetensorsEntry } from "../base/safetensors.ts";
import { sha256Hex } from "../base/hash.ts";
import { sameShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";
import { backboneOf } from "./backbone.ts";
import { type BackboneConfig, backboneHash, canonicalJson } from "./backbone_config.ts";
import { parseBackbone } from "./backbone_config.ts";
import { parseBy } from "../base/parse.ts";

/** Format and version of a model file. */
export const MODEL_FORMAT = "driftline-model/1";
/** Format and version of a checkpoint. */
export const CHECKPOINT_FORMAT = "driftline-checkpoint/1";

/** A trained backbone. */
export interface TrainedModel {
  readonly config: BackboneConfig;
  /** Parameters by flat name. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Steps of training. */
  readonly step: number;
  /** Where the parameters are a moving average over the training. */
  readonly isAverage: boolean;
}

/** A training under way. */
export interface Checkpoint {
  readonly config: BackboneConfig;
  /** Tensors by name; of the parameters `weights/NAME`, each there. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly step: number;
  readonly seed: number;
  /** What else the training goes on from, and its hash-checked configuration: plain data. */
  readonly training: unknown;
}

type Metadata = Readonly<Record<string, string>>;

function encode(
  format: string,
  config: BackboneConfig,
  tensors: Readonly<Record<string, Tensor>>,
  rest: Metadata,
): Uint8Array<ArrayBuffer> {
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    entries.set(name, floatEntry(shape, data));
  }
  const text = canonicalJson(config);
  return writeSafetensors(entries, { ...rest, format, config: text, configHash: sha256Hex(text) });
}

/** The bytes of a model file. */
export function encodeModel(model: TrainedModel): Uint8Array<ArrayBuffer> {
  const { config, tensors, step, isAverage } = model;
  return encode(MODEL_FORMAT, config, tensors, {
    step: String(step),
    isAverage: String(isAverage),
  });
}

/** The bytes of a checkpoint. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const { config, tensors, step, seed } = checkpoint;
  const training = canonicalJson(checkpoint.training);
  return encode(CHECKPOINT_FORMAT, config, tensors, {
    step: String(step),
    seed: String(seed),
    training,
    trainingHash: sha256Hex(training),
  });
}

const wholeText = z.string().regex(/^\d{1,15}$/, "a whole number").transform(Number);

const common = {
  config: z.string(),
  configHash: z.string(),
  step: wholeText,
};

const modelMetadata = z.strictObject({
  ...common,
  format: z.literal(MODEL_FORMAT, MODEL_FORMAT),
  isAverage: z.enum(["true", "false"], "true or false"),
});

const checkpointMetadata = z.strictObject({
  ...common,
  format: z.literal(CHECKPOINT_FORMAT, CHECKPOINT_FORMAT),
  seed: wholeText,
  training: z.string(),
  trainingHash: z.string(),
});

function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidValueError(field, text, "JSON");
  }
}

/** @throws {InvalidValueError} the text is not the one that was hashed */
function checkHash(text: string, hash: string, field: string): void {
  const actual = sha256Hex(text);
  if (hash !== actual) throw new InvalidValueError(field, hash, `the text's SHA-256, ${actual}`);
}

/** The configuration of a file, as it was written. */
function readConfig({ config, configHash }: { config: string; configHash: string }) {
  checkHash(config, configHash, "metadata.configHash");
  const parsed = parseBackbone(parseJson(config, "metadata.config"), "metadata.config");
  const again = backboneHash(parsed);
  if (again !== configHash) {
    throw new InvalidValueError("metadata.config", config, "a whole configuration");
  }
  return parsed;
}

/** The tensors of a file: floats, all finite. */
function readTensors(entries: ReadonlyMap<string, SafetensorsEntry>): Record<string, Tensor> {
  const tensors: [string, Tensor][] = [];
  for (const [name, entry] of entries) {
    if (entry.dtype !== "F32" && entry.dtype !== "F64") {
      throw new InvalidValueError(`${name}.dtype`, entry.dtype, "F32 or F64");
    }
    const data = floatsOf(entry);
    const wrong = data.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) {
      throw new InvalidValueError(`${name}[${wrong}]`, data[wrong], "a finite number");
    }
    tensors.push([name, tensorOf(entry.shape, data)]);
  }
  return Object.fromEntries(tensors);
}

/** Names and shapes of a backbone's parameters. */
export function parameterShapes(config: BackboneConfig): ReadonlyMap<string, Shape> {
  return new Map(backboneOf(config).shapes());
}

/** How many numbers a backbone learns. */
export function parameterCount(config: BackboneConfig): number {
  return [...parameterShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** @throws {InvalidValueError} a parameter is missing, unknown or of another shape */
function checkParameters(
  config: BackboneConfig,
  tensors: Readonly<Record<string, Tensor>>,
  prefix: string,
): void {
  const known = new Set<string>();
  // One by one: a file's configuration may be of a model far larger than the file.
  for (const [name, shape] of backboneOf(config).shapes()) {
    known.add(name);
    const field = `${prefix}${name}`;
    const tensor = Object.hasOwn(tensors, field) ? tensors[field] : undefined;
    if (tensor === undefined) throw new InvalidValueError(field, undefined, "a tensor");
    if (!sameShape(tensor.shape, shape)) {
      const wanted = `[${shape.join(", ")}] as its configuration has it`;
      throw new InvalidValueError(`${field}.shape`, `[${tensor.shape.join(", ")}]`, wanted);
    }
  }
  for (const field of Object.keys(tensors)) {
    if (!field.startsWith(prefix) || known.has(field.slice(prefix.length))) continue;
    throw new InvalidValueError(field, "a tensor", "no tensor of this name");
  }
}

/**
 * Reads a model file.
 *
 * @throws {SyntaxError} the bytes are no safetensors file
 * @throws {InvalidValueError} its metadata, a name, a dtype, a shape or a number is wrong
 */
export function decodeModel(bytes: Uint8Array): TrainedModel {
  const file = readSafetensors(bytes);
  const metadata = parseBy(modelMetadata, file.metadata, "metadata");
  const config = readConfig(metadata);
  const tensors = readTensors(file.tensors);
  checkParameters(config, tensors, "");
  return { config, tensors, step: metadata.step, isAverage: metadata.isAverage === "true" };
}

/**
 * Reads a checkpoint.
 *
 * @throws {SyntaxError} the bytes are no safetensors file
 * @throws {InvalidValueError} its metadata, a name, a dtype, a shape or a number is wrong
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const file = readSafetensors(bytes);
  const metadata = parseBy(checkpointMetadata, file.metadata, "metadata");
  const config = readConfig(metadata);
  checkHash(metadata.training, metadata.trainingHash, "metadata.trainingHash");
  const training = parseJson(metadata.training, "metadata.training");
  const tensors = readTensors(file.tensors);
  checkParameters(config, tensors, "weights/");
  return { config, tensors, step: metadata.step, seed: metadata.seed, training };
}
