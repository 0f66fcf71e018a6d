/** The configuration file of `train`: read, checked and made whole. */
import { z } from "zod";
import { InvalidValueError } from "../../base/errors.ts";
import { parseBy, shownAs } from "../../base/parse.ts";
import { LOSS_KINDS } from "../../training/losses.ts";
import { FEED_WORKERS_MAX } from "../../training/neural_feed.ts";
import type { Schedule } from "../../training/schedule.ts";
import { TIMESTAMP_PRECISIONS } from "../../signal/timestamp.ts";

/** Files of weights that a run keeps, at most. */
export const SNAPSHOTS_MAX = 64;

const count = (most = 1e9) => z.int().min(1).max(most);
const share = z.number().min(0).lt(1);
const rate = z.number().gt(0).max(10);

const series = z.strictObject({
  kind: z.literal("series"),
  /** Files that the protocols read by the end of their names. */
  files: z.array(z.string().min(1)).max(10_000).default([]),
  /** Data sets of the project, by name. */
  datasets: z.array(z.string()).max(1_000).default([]),
  columns: z.array(z.string()).min(1).optional(),
  timestampColumn: z.string().optional(),
  precision: z.enum(TIMESTAMP_PRECISIONS).optional(),
  context: count(1e6),
  horizon: count(10_000),
  quantiles: z.array(z.number().gt(0).lt(1)).min(1).max(99)
    .default([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
  /** Share of each series, at its end, that is kept for evaluations. */
  heldOut: z.number().gt(0).lt(1).default(0.2),
});

const task = z.strictObject({
  kind: z.literal("task"),
  name: z.string(),
  /** Overrides numbers of the task's own setting. */
  setting: z.record(z.string(), z.number()).default({}),
});

const pretraining = z.strictObject({
  kind: z.literal("pretraining"),
  /** What series are drawn, and how often which; default: the project's recipe. */
  recipe: z.record(z.string(), z.unknown()).default({}),
  /** File of real series, where the recipe takes some. */
  pack: z.string().min(1).optional(),
  /** Samples of a series, at most. */
  length: count(65_536).default(768),
  /** Samples of a series at which forecasts are made, and forecasts of each. */
  picks: count(1024).default(24),
  leads: count(1024).default(8),
  /** Threads that make minibatches; default: one fewer than there are cores. */
  workers: count(FEED_WORKERS_MAX).optional(),
});

const schedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant"), rate }),
  z.strictObject({
    kind: z.literal("warmupCosine"),
    rate,
    warmup: z.int().min(0),
    floor: z.number().min(0).default(0),
  }),
  z.strictObject({
    kind: z.literal("warmupStableDecay"),
    rate,
    warmup: z.int().min(0),
    decay: z.int().min(1),
    floor: z.number().min(0).default(0),
  }),
]);

const optimizer = z.strictObject({
  beta1: share.default(0.9),
  beta2: share.default(0.999),
  eps: z.number().gt(0).default(1e-8),
  decay: z.number().min(0).default(0.01),
  clipNorm: z.number().gt(0).default(1),
  /** Rate of the parameters of state-space systems, as a share of the others'. */
  systemRate: z.number().gt(0).max(10).default(0.25),
});

const evaluation = z.strictObject({
  every: count(),
  /** Examples of one evaluation, at most. */
  examples: count(1e6).default(256),
  /** Ends the training when the metric has not become better for `patience` evaluations. */
  stop: z.strictObject({
    metric: z.string().default("loss"),
    better: z.enum(["lower", "higher"]).default("lower"),
    patience: count(),
  }).optional(),
});

const schema = z.strictObject({
  model: z.record(z.string(), z.unknown()),
  data: z.discriminatedUnion("kind", [series, task, pretraining]),
  /** Default: by what the data asks for. */
  loss: z.enum(LOSS_KINDS).optional(),
  training: z.strictObject({
    steps: count(),
    /** Examples of a minibatch. */
    batch: count(65_536).default(16),
    accumulate: count(4096).default(1),
    seed: z.int().min(0).max(2 ** 31 - 1).default(0),
    schedule,
    optimizer: optimizer.prefault({}),
    emaDecay: share.optional(),
    /** How activations are kept for the way back. */
    precision: z.enum(["f32", "mixed"]).default("f32"),
    /** Runs each branch again on the way back instead of keeping what is in it. */
    recompute: z.boolean().default(false),
    logEvery: count(16).default(10),
    saveEvery: count().default(500),
    /** Steps after which the weights are kept in a file of their own; of a neural forecaster. */
    snapshots: z.array(count()).max(SNAPSHOTS_MAX).optional(),
    /** File of weights of the same network that the first step begins with; of a forecaster. */
    start: z.string().min(1).optional(),
    divergenceFactor: z.number().gt(1).default(4),
    evaluation: evaluation.optional(),
  }),
  device: z.enum(["auto", "cpu", "webgpu"]).default("auto"),
  /** Budget of the GPU's buffers. */
  gpuBytes: count(2 ** 40).optional(),
  /** Folder of what the run writes. */
  output: z.string().min(1).optional(),
});

/** A whole configuration. */
export type TrainConfig = z.infer<typeof schema>;

/** How the data of a neural forecaster is named in a configuration. */
export type PretrainingConfig = z.infer<typeof pretraining>;

/** How data is named in a configuration. */
export type DataConfig = TrainConfig["data"];

/**
 * Reads a configuration.
 *
 * @throws {SyntaxError} the text is not JSON
 * @throws {InvalidValueError} a field is unknown, missing or out of range; its path is named
 */
export function parseTrainConfig(text: string): TrainConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`The configuration is not JSON: ${(error as Error).message}`);
  }
  const config = parseBy(schema, value, "config");
  for (const name of ["input", "output"]) {
    if (config.model[name] === undefined) continue;
    const shown = shownAs(config.model[name]);
    throw new InvalidValueError(`config.model.${name}`, shown, "nothing: it follows from the data");
  }
  checkFloor(config);
  checkKind(config);
  return config;
}

/** @throws {InvalidValueError} a field that this kind of data has no use for */
function checkKind({ data, loss, training: { snapshots, start } }: TrainConfig): void {
  const isNeural = data.kind === "pretraining";
  if (isNeural && loss !== undefined) {
    throw new InvalidValueError("config.loss", loss, "nothing: pretraining has its own");
  }
  if (!isNeural && snapshots !== undefined) {
    const wanted = "nothing: only a pretraining keeps them";
    throw new InvalidValueError("config.training.snapshots", JSON.stringify(snapshots), wanted);
  }
  if (!isNeural && start !== undefined) {
    const wanted = "nothing: only a pretraining begins with weights of another run";
    throw new InvalidValueError("config.training.start", start, wanted);
  }
}

/** @throws {InvalidValueError} a rate that is to fall would rise */
function checkFloor({ training: { schedule } }: TrainConfig): void {
  if (schedule.kind === "constant" || schedule.floor <= schedule.rate) return;
  const wanted = `at most the rate, ${schedule.rate}`;
  throw new InvalidValueError("config.training.schedule.floor", schedule.floor, wanted);
}

/** The schedule over the steps of the configuration. */
export function scheduleOf({ training: { schedule, steps } }: TrainConfig): Schedule {
  return schedule.kind === "constant" ? schedule : { ...schedule, steps };
}

/**
 * Path and values of the first field in which two plain values differ; undefined where none does.
 */
export function firstDifference(
  a: unknown,
  b: unknown,
  path = "config",
): { path: string; a: unknown; b: unknown } | undefined {
  const isTree = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null;
  if (!isTree(a) || !isTree(b)) return Object.is(a, b) ? undefined : { path, a, b };
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = firstDifference(a[key], b[key], `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
