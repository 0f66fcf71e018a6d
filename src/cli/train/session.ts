/** One run of `train`: from a configuration to the files of a trained model. */
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { InvalidValueError } from "../../base/errors.ts";
import { partOf } from "../../base/prefixes.ts";
import { seedRandom } from "../../base/random.ts";
import type { Device } from "../../device/mod.ts";
import { type Backbone, backboneOf } from "../../models/backbone.ts";
import { parseBackbone } from "../../models/backbone_config.ts";
import type { Checkpoint } from "../../models/checkpoint.ts";
import { parseBy, shownAs } from "../../models/parse.ts";
import { asDtype, type Tensor } from "../../tensor/tensor.ts";
import type { Minibatch } from "../../training/examples.ts";
import { compileIteration } from "../../training/compile_iteration.ts";
import { byGroup } from "../../training/groups.ts";
import { backboneObjective } from "../../training/objective.ts";
import { type EvaluationLine, type MetricsLine, train } from "../../training/trainer.ts";
import type { TrainerOptions, TrainerState, TrainingEnd } from "../../training/trainer.ts";
import { openTraining, type TrainingOptions, type TrainingState } from "../../training/training.ts";
import { firstDifference, scheduleOf, type TrainConfig } from "./config.ts";
import type { TrainingData } from "./data.ts";
import type { RunFolder } from "./run_folder.ts";

/** What a run is told and tells. */
export interface SessionOptions {
  readonly device: Device;
  readonly config: TrainConfig;
  readonly data: TrainingData;
  readonly folder: RunFolder;
  /** What to go on from. */
  readonly checkpoint: Checkpoint | undefined;
  readonly clock: Clock;
  /** Asked after every step: true ends the run with a checkpoint. */
  readonly isInterrupted: (step: number) => boolean;
  /** Told of every line that goes into the metrics file. */
  readonly onLine?: (line: MetricsLine | EvaluationLine) => void;
  readonly onStep?: (step: number) => void;
  /** Told how many of how many GPU programs are compiled, before the first step. */
  readonly onCompile?: (done: number, total: number) => void;
}

/** How a run ended. */
export interface SessionResult {
  readonly end: TrainingEnd;
  readonly step: number;
  readonly metrics: MetricsLine | undefined;
  readonly evaluation: EvaluationLine | undefined;
}

/** The backbone that a configuration and its data ask for. */
export function backboneFor(config: TrainConfig, data: TrainingData): Backbone {
  const { pool, ...model } = config.model;
  if (pool !== undefined && pool !== "mean" && pool !== "last") {
    throw new InvalidValueError("config.model.pool", shownAs(pool), "mean or last");
  }
  if (pool !== undefined && !data.isPooled) {
    throw new InvalidValueError("config.model.pool", pool, "nothing: every sample has its output");
  }
  const output = { size: data.size, pool: data.isPooled ? pool ?? "last" : "none" };
  return backboneOf(parseBackbone({ ...model, input: data.input, output }, "config.model"));
}

/** What decides how a training goes: the same in every run that goes on from its checkpoint. */
function settingsOf(config: TrainConfig): unknown {
  const { data, loss, training: { saveEvery: _, ...training } } = config;
  return JSON.parse(JSON.stringify({ data, loss, training }));
}

const savedSchema = z.strictObject({
  settings: z.unknown(),
  rate: z.number(),
  counts: z.record(z.string(), z.number()),
  trainer: z.strictObject({
    elapsedS: z.number(),
    divergence: z.strictObject({ first: z.number().nullable(), losses: z.array(z.number()) }),
    best: z.number().nullable(),
    stale: z.int().min(0),
  }),
});

/** The states in a checkpoint. @throws {InvalidValueError} it is of another training */
export function resumeStates(
  checkpoint: Checkpoint,
  model: Backbone,
  config: TrainConfig,
): { training: TrainingState; trainer: TrainerState } {
  const saved = parseBy(savedSchema, checkpoint.training, "checkpoint.training");
  const wanted = { model: model.config, ...(settingsOf(config) as object) };
  const had = { model: checkpoint.config, ...(saved.settings as object) };
  const difference = firstDifference(wanted, had);
  if (difference !== undefined) {
    const { path, a, b } = difference;
    const expected = `${JSON.stringify(b)} as in the checkpoint`;
    throw new InvalidValueError(path, shownAs(a), expected);
  }
  const { step, tensors } = checkpoint;
  return {
    training: { step, tensors, rate: saved.rate, counts: saved.counts },
    trainer: saved.trainer,
  };
}

/** First parameters in the precision of the computation. */
function firstParameters(model: Backbone, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(model.init(seedRandom(seed))).map(([name, tensor]) => [
      name,
      asDtype(tensor, "f32"),
    ]),
  );
}

function trainerOptions(options: SessionOptions): TrainerOptions<Minibatch> {
  const { training } = options.config;
  const { logEvery, saveEvery, divergenceFactor, evaluation } = training;
  return {
    steps: training.steps,
    logEvery,
    saveEvery,
    divergenceFactor,
    ...(evaluation && {
      evaluation: {
        every: evaluation.every,
        minibatches: options.data.heldOut,
        ...(evaluation.stop && { stop: evaluation.stop }),
      },
    }),
  };
}

function checkpointOf(
  model: Backbone,
  config: TrainConfig,
  saved: TrainingState,
  trainer: TrainerState,
): Checkpoint {
  const { step, tensors, rate, counts } = saved;
  return {
    config: model.config,
    tensors,
    step,
    seed: config.training.seed,
    training: { settings: settingsOf(config), rate, counts, trainer },
  };
}

async function saveFiles(
  { folder, config }: SessionOptions,
  model: Backbone,
  saved: TrainingState,
  trainer: TrainerState,
): Promise<void> {
  const { step, tensors } = saved;
  const isAverage = config.training.emaDecay !== undefined;
  await folder.saveCheckpoint(checkpointOf(model, config, saved, trainer));
  const weights = partOf(tensors, isAverage ? "ema/" : "weights/");
  await folder.saveModel({ config: model.config, tensors: weights, step, isAverage });
}

/**
 * Trains as a configuration says, and writes metrics, checkpoints and the model as it goes.
 *
 * @throws {DivergenceError} the training failed; the files are those of the last healthy state
 * @throws {InvalidValueError} the configuration and the data, or the checkpoint, do not fit
 */
export async function runSession(options: SessionOptions): Promise<SessionResult> {
  const { config, data, folder, device } = options;
  const { seed, accumulate, emaDecay, precision, recompute } = config.training;
  const { systemRate, ...optimizer } = config.training.optimizer;
  const model = backboneFor(config, data);
  const from = options.checkpoint && resumeStates(options.checkpoint, model, config);
  const initial = firstParameters(model, seed);
  const settings: TrainingOptions<Minibatch> = {
    objective: backboneObjective(model, data.loss),
    minibatch: data.minibatch,
    schedule: scheduleOf(config),
    seed,
    accumulate,
    precision,
    recompute,
    optimizer: { ...optimizer, ofParameter: byGroup(systemRate) },
    ...(emaDecay !== undefined && { emaDecay }),
  };
  const open = (on: Device) => openTraining(on, initial, settings, from?.training);
  await compileIteration(device, open, options.onCompile);
  const training = open(device);
  let metrics: MetricsLine | undefined;
  let evaluation: EvaluationLine | undefined;
  const tell = (line: MetricsLine | EvaluationLine) => {
    folder.log(line);
    options.onLine?.(line);
  };
  try {
    const { end } = await train(training, trainerOptions(options), {
      clock: options.clock,
      onMetrics: (line) => tell(metrics = line),
      onEvaluation: (line) => tell(evaluation = line),
      onSave: (saved, trainer) => saveFiles(options, model, saved, trainer),
      isInterrupted: () => options.isInterrupted(training.step),
      ...(options.onStep && { onStep: options.onStep }),
    }, from?.trainer);
    return { end, step: training.step, metrics, evaluation };
  } finally {
    training.release();
  }
}
