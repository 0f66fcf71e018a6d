/**
 * What a tuning goes on from, as a file: safetensors with the loop's state in the metadata. A file
 * that was cut short or is of another recipe is refused with the field at fault.
 */
import { z } from "zod";
import { InvalidValueError } from "../base/errors.ts";
import {
  floatEntry,
  floatsOf,
  readSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "../base/safetensors.ts";
import { sha256Hex } from "../base/hash.ts";
import { parseBy } from "../base/parse.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { TuningRecipe, TuningState } from "./tuning.ts";

/** Format and version of the file. */
export const TUNING_FORMAT = "driftline-tuning/1";

const metadataSchema = z.strictObject({
  format: z.literal(TUNING_FORMAT, TUNING_FORMAT),
  state: z.string(),
  stateHash: z.string(),
});

const count = z.int().min(0);

const stateSchema = z.strictObject({
  recipe: z.strictObject({
    steps: count,
    rate: z.number(),
    seed: count,
    tune: z.enum(["network", "head"]),
    batch: count,
    length: count,
  }),
  step: count,
  rate: z.number(),
  counts: z.record(z.string(), z.number()),
  trainer: z.strictObject({
    elapsedS: z.number(),
    divergence: z.strictObject({ first: z.number().nullable(), losses: z.array(z.number()) }),
    best: z.number().nullable(),
    stale: count,
  }),
});

/** The bytes of the file. */
export function encodeTuning(recipe: TuningRecipe, state: TuningState): Uint8Array<ArrayBuffer> {
  const { step, rate, counts, tensors } = state.training;
  const text = JSON.stringify({ recipe, step, rate, counts, trainer: state.trainer });
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    entries.set(name, floatEntry(shape, data));
  }
  const metadata = { format: TUNING_FORMAT, state: text, stateHash: sha256Hex(text) };
  return writeSafetensors(entries, metadata);
}

function parseState(text: string): z.infer<typeof stateSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidValueError("metadata.state", text, "JSON");
  }
  return parseBy(stateSchema, value, "metadata.state");
}

/** The floats of an entry. @throws {InvalidValueError} it has others, or one that is not finite */
function tensorOfEntry(name: string, entry: SafetensorsEntry): Tensor {
  if (entry.dtype !== "F32" && entry.dtype !== "F64") {
    throw new InvalidValueError(`${name}.dtype`, entry.dtype, "F32 or F64");
  }
  const data = floatsOf(entry);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new InvalidValueError(`${name}[${wrong}]`, data[wrong], "a finite number");
  return tensorOf(entry.shape, data);
}

/**
 * Reads what {@linkcode encodeTuning} wrote.
 *
 * @param recipe  the recipe of the run that is to go on
 * @throws {SyntaxError} the bytes are no whole safetensors file
 * @throws {InvalidValueError} its metadata or a number is wrong, or it is of another recipe
 */
export function decodeTuning(bytes: Uint8Array, recipe: TuningRecipe): TuningState {
  const file = readSafetensors(bytes);
  const metadata = parseBy(metadataSchema, file.metadata, "metadata");
  const hash = sha256Hex(metadata.state);
  if (hash !== metadata.stateHash) {
    throw new InvalidValueError("metadata.stateHash", metadata.stateHash, hash);
  }
  const { recipe: saved, step, rate, counts, trainer } = parseState(metadata.state);
  for (const key of Object.keys(recipe) as (keyof TuningRecipe)[]) {
    if (saved[key] === recipe[key]) continue;
    throw new InvalidValueError(`recipe.${key}`, saved[key], `${recipe[key]}, as it was asked for`);
  }
  const tensors = Object.fromEntries(
    [...file.tensors].map(([name, entry]) => [name, tensorOfEntry(name, entry)]),
  );
  return { training: { step, rate, counts, tensors }, trainer };
}
