/** One run of `train` on a backbone: from a configuration to the files of a trained model. */
import { InvalidValueError } from "../../base/errors.ts";
import { partOf } from "../../base/prefixes.ts";
import { seedRandom } from "../../base/random.ts";
import { type Backbone, backboneOf } from "../../models/backbone.ts";
import { parseBackbone } from "../../models/backbone_config.ts";
import { type Checkpoint, encodeModel } from "../../models/checkpoint.ts";
import { shownAs } from "../../base/parse.ts";
import { asDtype, type Tensor } from "../../tensor/tensor.ts";
import { byGroup } from "../../training/groups.ts";
import { backboneObjective } from "../../training/objective.ts";
import type { TrainerState } from "../../training/trainer.ts";
import type { TrainingState } from "../../training/training.ts";
import type { TrainConfig } from "./config.ts";
import type { TrainingData } from "./data.ts";
import { RUN_FILES, type RunFolder } from "./run_folder.ts";
import { type RunOptions, runSubject, type SavedStates, statesIn, trainingOf } from "./run.ts";
import type { SessionResult } from "./run.ts";

/** What a run on a backbone is told and tells. */
export interface SessionOptions extends RunOptions {
  readonly data: TrainingData;
  readonly folder: RunFolder;
  /** What to go on from. */
  readonly checkpoint: Checkpoint | undefined;
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

/** The states in a checkpoint. @throws {InvalidValueError} it is of another training */
export function resumeStates(
  checkpoint: Checkpoint,
  model: Backbone,
  config: TrainConfig,
): SavedStates {
  return statesIn(checkpoint, { model: model.config, settings: settingsOf(config) });
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

function checkpointOf(
  model: Backbone,
  config: TrainConfig,
  saved: TrainingState,
  trainer: TrainerState,
): Checkpoint {
  const { step, tensors } = saved;
  return {
    config: model.config,
    tensors,
    step,
    seed: config.training.seed,
    training: trainingOf(settingsOf(config), saved, trainer),
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
  const trained = { config: model.config, tensors: weights, step, isAverage };
  await folder.saveFile(RUN_FILES.model, encodeModel(trained));
}

/**
 * Trains as a configuration says, and writes metrics, checkpoints and the model as it goes.
 *
 * @throws {DivergenceError} the training failed; the files are those of the last healthy state
 * @throws {InvalidValueError} the configuration and the data, or the checkpoint, do not fit
 */
export async function runSession(options: SessionOptions): Promise<SessionResult> {
  const { config, data, folder, checkpoint } = options;
  const { seed, optimizer } = config.training;
  const model = backboneFor(config, data);
  return await runSubject(options, {
    initial: firstParameters(model, seed),
    objective: backboneObjective(model, data.loss),
    ofParameter: byGroup(optimizer.systemRate),
    minibatch: data.minibatch,
    heldOut: data.heldOut,
    from: checkpoint && resumeStates(checkpoint, model, config),
    save: (saved, trainer) => saveFiles(options, model, saved, trainer),
    log: folder.log,
  });
}
