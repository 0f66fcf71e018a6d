import { z } from "zod";
import { InvalidValueError, LimitError } from "../base/errors.ts";
import { parseBy } from "../base/parse.ts";
import { TUNING_PARTS, type TuningRecipe } from "../training/tuning.ts";
import { sampleSource } from "./sample_source.ts";

/** Steps of one job. */
export const JOB_STEPS_MAX = 5_000;
/** Largest learning rate of a job. */
export const JOB_RATE_MAX = 0.1;
/** Largest seed. */
export const JOB_SEED_MAX = 2 ** 31 - 1;
/** Windows of a minibatch. */
export const JOB_BATCH_MAX = 64;
/** Samples of a window, at least and at most. */
export const JOB_LENGTH_MIN = 32;
/** The longest window. */
export const JOB_LENGTH_MAX = 1_024;
/** Samples that one job sees in all, steps · batch · length: hours on a CPU. */
export const JOB_WORK_MAX = 50_000_000;
/** Series that one job learns from: the channels of a stream or the columns of a file. */
export const JOB_SERIES_MAX = 64;
/** Rows times channels that one job learns from. */
export const JOB_VALUES_MAX = 1_000_000;
/** Rows below which there is nothing to learn from. */
export const JOB_ROWS_MIN = 64;
/** Length of a model's name. */
export const MODEL_NAME_LENGTH_MAX = 63;

/** Where a job is. The first two go on after a restart. */
export const JOB_STATES = ["queued", "running", "finished", "canceled", "failed"] as const;

/** One of {@linkcode JOB_STATES}. */
export type JobState = typeof JOB_STATES[number];

/** Names of models: parts of paths and of file names. */
export const MODEL_NAME = new RegExp(`^[a-z][a-z0-9_-]{0,${MODEL_NAME_LENGTH_MAX - 1}}$`);

/** What {@linkcode MODEL_NAME} asks for, in words. */
export const MODEL_NAME_EXPECTED =
  `1 to ${MODEL_NAME_LENGTH_MAX} of a-z, 0-9, "_" and "-", a letter first`;

/** What is tuned of how much, where it is not asked for. */
export const RECIPE_DEFAULT: TuningRecipe = {
  steps: 200,
  rate: 3e-4,
  seed: 0,
  tune: "network",
  batch: 8,
  length: 256,
};

const recipeSchema = z.strictObject({
  steps: z.int().min(1).max(JOB_STEPS_MAX),
  rate: z.number().gt(0).max(JOB_RATE_MAX),
  seed: z.int().min(0).max(JOB_SEED_MAX),
  tune: z.enum(TUNING_PARTS),
  batch: z.int().min(1).max(JOB_BATCH_MAX),
  length: z.int().min(JOB_LENGTH_MIN).max(JOB_LENGTH_MAX),
});

/** A number of a recipe as it is asked for. @throws {InvalidValueError | LimitError} */
function checkNumber(
  name: keyof typeof RECIPE_LIMITS,
  value: number,
): void {
  const { least, limitName, most, isWhole } = RECIPE_LIMITS[name];
  const isRight = isWhole ? Number.isInteger(value) : Number.isFinite(value);
  if (!isRight || value < least || value === 0 && !isWhole) {
    const kind = isWhole ? `a whole number of at least ${least}` : "a number above 0";
    throw new InvalidValueError(name, value, kind);
  }
  if (value > most) throw new LimitError(limitName, most, value, name);
}

const RECIPE_LIMITS = {
  steps: { least: 1, limitName: "JOB_STEPS_MAX", most: JOB_STEPS_MAX, isWhole: true },
  rate: { least: 0, limitName: "JOB_RATE_MAX", most: JOB_RATE_MAX, isWhole: false },
  seed: { least: 0, limitName: "JOB_SEED_MAX", most: JOB_SEED_MAX, isWhole: true },
  batch: { least: 1, limitName: "JOB_BATCH_MAX", most: JOB_BATCH_MAX, isWhole: true },
  length: {
    least: JOB_LENGTH_MIN,
    limitName: "JOB_LENGTH_MAX",
    most: JOB_LENGTH_MAX,
    isWhole: true,
  },
} as const;

/**
 * A recipe as it is asked for, whole.
 *
 * @throws {InvalidValueError} a value is of the wrong kind or too small
 * @throws {LimitError} one is too large, or all of them are together
 */
export function recipeOf(
  given: { readonly [K in keyof TuningRecipe]?: TuningRecipe[K] | undefined },
): TuningRecipe {
  const asked = Object.entries(given).filter(([, value]) => value !== undefined);
  const recipe: TuningRecipe = { ...RECIPE_DEFAULT, ...Object.fromEntries(asked) };
  for (const name of Object.keys(RECIPE_LIMITS) as (keyof typeof RECIPE_LIMITS)[]) {
    checkNumber(name, recipe[name]);
  }
  const work = recipe.steps * recipe.batch * recipe.length;
  if (work > JOB_WORK_MAX) throw new LimitError("JOB_WORK_MAX", JOB_WORK_MAX, work, "steps");
  return recipe;
}

const recordSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  /** Larger than those of the jobs that were asked for before. */
  order: z.int().min(1),
  model: z.string().regex(MODEL_NAME, MODEL_NAME_EXPECTED),
  base: z.string(),
  state: z.enum(JOB_STATES),
  recipe: recipeSchema,
  source: sampleSource,
  channels: z.array(z.string()),
  rows: z.int().min(0),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  /** Starts since a checkpoint was last saved. */
  attempts: z.int().min(0),
  device: z.string().nullable(),
  parameters: z.int().min(0).nullable(),
  tunedParameters: z.int().min(0).nullable(),
  step: z.int().min(0),
  modelHash: z.string().nullable(),
  error: z.string().nullable(),
});

/** A job as it is kept on disk. */
export type JobRecord = z.infer<typeof recordSchema>;

/** True where a job has not come to its end. */
export function isActive({ state }: Pick<JobRecord, "state">): boolean {
  return state === "queued" || state === "running";
}

/**
 * Reads a job's file.
 *
 * @throws {SyntaxError} it is no JSON
 * @throws {InvalidValueError} a field is missing, unknown or out of range
 */
export function parseRecord(text: string): JobRecord {
  return parseBy(recordSchema, JSON.parse(text), "job");
}
