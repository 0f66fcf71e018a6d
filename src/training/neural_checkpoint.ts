/**
 * A neural training as files of a bounded size. A checkpoint is three numbers a parameter, or four
 * with a moving average; what does not fit in one file goes on in others.
 *
 *   head    metadata with configuration, settings and the names and hashes of the parts; the first
 *           tensors
 *   part    further tensors, nothing else
 *
 * The numbers are exact, f32: a training that goes on from them is the uninterrupted one.
 */
import { z } from "zod";
import { InvalidValueError, LimitError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { partOf } from "../base/prefixes.ts";
import { floatEntry, readSafetensors, writeSafetensors } from "../base/safetensors.ts";
import type { SafetensorsEntry } from "../base/safetensors.ts";
import { canonicalJson } from "../models/backbone_config.ts";
import type { NeuralConfig } from "../models/neural/network.ts";
import { checkWeights, configIn, tensorIn } from "../models/neural/weights.ts";
import { parseBy } from "../base/parse.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Format and version of a checkpoint's head. */
export const NEURAL_CHECKPOINT_FORMAT = "driftline-neural-checkpoint/1";
/** Bytes of one file, at most. */
export const CHECKPOINT_FILE_BYTES_MAX = 16 * 1024 * 1024;
/** Room of a file that is kept for names and metadata. */
const HEADER_BYTES = 512 * 1024;

/** A neural training under way. */
export interface NeuralCheckpoint {
  readonly config: NeuralConfig;
  /** Tensors by name; of the parameters `weights/NAME`, each there. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly step: number;
  /** What else the training goes on from: plain data. */
  readonly training: unknown;
}

/** The files of one checkpoint; the head is to be written last. */
export interface CheckpointFiles {
  readonly head: Uint8Array<ArrayBuffer>;
  readonly parts: readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[];
}

/** Tensors file by file, in order. @throws {LimitError} one is too large for a file */
function split(
  tensors: Readonly<Record<string, Tensor>>,
  bytesMax: number,
): Map<string, SafetensorsEntry>[] {
  const files = [new Map<string, SafetensorsEntry>()];
  let bytes = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const entry = floatEntry(shape, Float32Array.from(data));
    const size = entry.bytes.length;
    if (size > bytesMax) throw new LimitError("CHECKPOINT_FILE_BYTES_MAX", bytesMax, size, name);
    if (bytes + size > bytesMax) {
      files.push(new Map());
      bytes = 0;
    }
    files.at(-1)!.set(name, entry);
    bytes += size;
  }
  return files;
}

/**
 * The files of a checkpoint.
 *
 * @param bytesMax  of one file; default {@linkcode CHECKPOINT_FILE_BYTES_MAX}
 * @throws {LimitError} a tensor is too large for one file
 */
export function encodeNeuralCheckpoint(
  { config, tensors, step, training }: NeuralCheckpoint,
  bytesMax: number = CHECKPOINT_FILE_BYTES_MAX,
): CheckpointFiles {
  const [first, ...rest] = split(tensors, bytesMax - HEADER_BYTES);
  const parts = rest.map((entries, i) => ({
    name: `checkpoint-${step}-${i + 2}.safetensors`,
    bytes: writeSafetensors(entries),
  }));
  const text = canonicalJson(config);
  const state = canonicalJson(training);
  const hashes = parts.map(({ name, bytes }) => ({ name, hash: sha256Hex(bytes) }));
  const head = writeSafetensors(first!, {
    format: NEURAL_CHECKPOINT_FORMAT,
    config: text,
    configHash: sha256Hex(text),
    step: String(step),
    training: state,
    trainingHash: sha256Hex(state),
    parts: JSON.stringify(hashes),
  });
  return { head, parts };
}

const headSchema = z.strictObject({
  format: z.literal(NEURAL_CHECKPOINT_FORMAT, NEURAL_CHECKPOINT_FORMAT),
  config: z.string(),
  configHash: z.string(),
  step: z.string().regex(/^\d{1,15}$/, "a whole number").transform(Number),
  training: z.string(),
  trainingHash: z.string(),
  parts: z.string(),
});

const partsSchema = z.array(z.strictObject({
  name: z.string().regex(/^checkpoint-\d{1,15}-\d{1,3}\.safetensors$/, "the name of a part"),
  hash: z.string(),
})).max(100);

/** Reads a text of the metadata. @throws {InvalidValueError} it is not JSON */
function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidValueError(field, text, "JSON");
  }
}

/**
 * Reads a checkpoint.
 *
 * @param read  gives the bytes of a part by its name
 * @throws {SyntaxError} a file is no safetensors file
 * @throws {InvalidValueError} metadata, a part, a name, a shape or a number is wrong
 */
export async function decodeNeuralCheckpoint(
  head: Uint8Array,
  read: (name: string) => Promise<Uint8Array>,
): Promise<NeuralCheckpoint> {
  const file = readSafetensors(head);
  const metadata = parseBy(headSchema, file.metadata, "metadata");
  const config = configIn(metadata.config, metadata.configHash);
  const actual = sha256Hex(metadata.training);
  if (actual !== metadata.trainingHash) {
    const wanted = `the text's SHA-256, ${actual}`;
    throw new InvalidValueError("metadata.trainingHash", metadata.trainingHash, wanted);
  }
  const training = parseJson(metadata.training, "metadata.training");
  const parts = parseBy(
    partsSchema,
    parseJson(metadata.parts, "metadata.parts"),
    "metadata.parts",
  );
  const entries = [...file.tensors];
  for (const { name, hash } of parts) {
    const bytes = await read(name);
    const found = sha256Hex(bytes);
    if (found !== hash) throw new InvalidValueError(name, found, `bytes of SHA-256 ${hash}`);
    entries.push(...readSafetensors(bytes).tensors);
  }
  const tensors = Object.fromEntries(entries.map(([name, entry]) => [name, tensorIn(name, entry)]));
  checkWeights(config, partOf(tensors, "weights/"));
  return { config, tensors, step: metadata.step, training };
}
