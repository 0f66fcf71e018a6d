/** One run of `train` on a neural forecaster: from a configuration to its weights. */
import { z } from "zod";
import { parsePack, parseRecipe, type RealPack } from "../../../datasets/pretraining/mod.ts";
import { InvalidValueError } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import { partOf } from "../../base/prefixes.ts";
import { seedRandom } from "../../base/random.ts";
import { type Network, networkOf, parseNeural } from "../../models/neural/network.ts";
import { atPath, shownAs } from "../../base/parse.ts";
import { decodeWeights, encodeWeights } from "../../models/neural/weights.ts";
import { wakeAnchors } from "../../models/neural/widen.ts";
import { asDtype, type Tensor } from "../../tensor/tensor.ts";
import { byGroup } from "../../training/groups.ts";
import {
  assembleBatch,
  type AssembledBatch,
  type NeuralSizes,
  type NeuralSource,
} from "../../training/neural_batch.ts";
import {
  decodeNeuralCheckpoint,
  encodeNeuralCheckpoint,
} from "../../training/neural_checkpoint.ts";
import type { NeuralCheckpoint } from "../../training/neural_checkpoint.ts";
import { FEED_WORKERS_MAX, type NeuralFeed, openFeed } from "../../training/neural_feed.ts";
import { neuralObjective } from "../../training/neural_objective.ts";
import type { TrainerState } from "../../training/trainer.ts";
import type { TrainingState } from "../../training/training.ts";
import { firstDifference, type PretrainingConfig, type TrainConfig } from "./config.ts";
import { writeAtomic } from "../../service/atomic_file.ts";
import { type CheckpointStore, RUN_FILES, type RunFolder } from "./run_folder.ts";
import { type RunOptions, runSubject, type SavedStates, type SessionResult } from "./run.ts";
import { statesIn, trainingOf } from "./run.ts";

/** Seeds the series of evaluations: no training can have it. */
const HELD_OUT_SEED = 2 ** 32 - 1;

/** A configuration's network and data, ready. */
export interface NeuralPlan {
  readonly network: Network;
  readonly source: NeuralSource;
  readonly sizes: NeuralSizes;
  /** Parameters that the first step begins with; null = the network's own first ones. */
  readonly start: Readonly<Record<string, Tensor>> | null;
  /** What decides how the training goes: the same in every run that goes on from its checkpoint. */
  readonly settings: unknown;
  readonly workers: number;
}

/** What a run on a neural forecaster is told and tells. */
export interface NeuralOptions extends RunOptions {
  readonly plan: NeuralPlan;
  readonly folder: RunFolder<NeuralCheckpoint>;
  /** What to go on from. */
  readonly checkpoint: NeuralCheckpoint | undefined;
}

/** Name of the weights that a run keeps after a step. */
export function snapshotFile(step: number): string {
  return `weights-${step}.safetensors`;
}

/** The first file is the head; others of its name are parts of it or of an older one. */
const PART = /^checkpoint-\d+-\d+\.safetensors$/;

/** A neural checkpoint: a head, replaced as a whole, and parts that lie beside it before. */
export const NEURAL_CHECKPOINTS: CheckpointStore<NeuralCheckpoint> = {
  read: async (folder) =>
    await decodeNeuralCheckpoint(
      await Deno.readFile(`${folder}/${RUN_FILES.checkpoint}`),
      (name) => Deno.readFile(`${folder}/${name}`),
    ),
  async write(folder, next) {
    const { head, parts } = encodeNeuralCheckpoint(next);
    for (const { name, bytes } of parts) await writeAtomic(`${folder}/${name}`, bytes);
    await writeAtomic(`${folder}/${RUN_FILES.checkpoint}`, head);
    const names = new Set(parts.map(({ name }) => name));
    for await (const { name } of Deno.readDir(folder)) {
      if (PART.test(name) && !names.has(name)) await Deno.remove(`${folder}/${name}`);
    }
  },
};

/** The real series, in memory that all workers share. */
async function openPack({ pack }: PretrainingConfig): Promise<RealPack | null> {
  if (pack === undefined) return null;
  const bytes = await Deno.readFile(pack);
  const real = atPath("config.data.pack", () => parsePack(bytes));
  const values = new Float32Array(new SharedArrayBuffer(real.values.byteLength));
  values.set(real.values);
  return { ...real, values };
}

/**
 * The weights to begin with, and the hash of their file, by which a checkpoint knows them.
 *
 * @throws {InvalidValueError} the file is of another network; the first field that differs is named
 */
async function openStart(path: string | undefined, network: Network) {
  if (path === undefined) return null;
  const bytes = await Deno.readFile(path);
  const { config, tensors } = atPath("config.training.start", () => decodeWeights(bytes));
  const difference = firstDifference(network.config, config, "config.model");
  if (difference !== undefined) {
    const { path: field, a, b } = difference;
    throw new InvalidValueError(field, shownAs(a), `${JSON.stringify(b)} as in ${path}`);
  }
  return { tensors: wakeAnchors(tensors), sha256: sha256Hex(bytes) };
}

/**
 * Opens what a configuration of a pretraining names.
 *
 * @throws {InvalidValueError} a field of the network or of the recipe is wrong, or the weights to
 *   begin with are of another network
 */
export async function planNeural(
  config: TrainConfig,
  data: PretrainingConfig,
): Promise<NeuralPlan> {
  const network = networkOf(parseNeural(config.model, "config.model"));
  const recipe = atPath("config.data", () => parseRecipe(data.recipe));
  const real = await openPack(data);
  if (real === null && recipe.realShare > 0) {
    const wanted = "a file of real series, or a recipe with a realShare of 0";
    throw new InvalidValueError("config.data.pack", undefined, wanted);
  }
  const { length, picks, leads } = data;
  const { saveEvery: _, snapshots: __, start: path, ...training } = config.training;
  const start = await openStart(path, network);
  const settings = {
    data: { kind: data.kind, recipe, length, picks, leads, pack: real?.sha256 ?? null },
    training: { ...training, ...(start && { start: start.sha256 }) },
  };
  return {
    network,
    source: { recipe, real },
    sizes: { batch: training.batch, length, picks, leads },
    start: start?.tensors ?? null,
    settings: JSON.parse(JSON.stringify(settings)),
    workers: data.workers ??
      Math.min(FEED_WORKERS_MAX, Math.max(1, navigator.hardwareConcurrency - 1)),
  };
}

/** What of the settings may change after `step`: rates to come, as long as those so far stay. */
function settledAt(settings: unknown, step: number): unknown {
  const parsed = settingsSchema.safeParse(settings);
  if (!parsed.success) return settings;
  const { data, training: { steps, schedule: { decay, ...schedule }, ...training } } = parsed.data;
  // On its way down the rate depends on both numbers; before that, on neither.
  return step > steps - decay ? settings : { data, training: { ...training, schedule } };
}

const settingsSchema = z.object({
  data: z.unknown(),
  training: z.looseObject({
    steps: z.number(),
    schedule: z.looseObject({ kind: z.literal("warmupStableDecay"), decay: z.number() }),
  }),
});

/**
 * The states in a checkpoint. On the plateau of a warm-up-stable-decay schedule the steps and the
 * decay that are still to come may be others than the checkpoint's: the rates so far are the same,
 * so the training is the uninterrupted one of its new configuration.
 *
 * @throws {InvalidValueError} it is of another training
 */
export function neuralStates(checkpoint: NeuralCheckpoint, plan: NeuralPlan): SavedStates {
  const { step } = checkpoint;
  const settle = (settings: unknown) => settledAt(settings, step);
  return statesIn(checkpoint, { model: plan.network.config, settings: plan.settings }, settle);
}

function firstParameters(network: Network, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(network.init(seedRandom(seed))).map(([name, tensor]) => [
      name,
      asDtype(tensor, "f32"),
    ]),
  );
}

/** Minibatches of series that no training draws, made once. */
function heldOutOf({ source, sizes }: NeuralPlan, examples: number): () => AssembledBatch[] {
  // Synthetic series alone: real ones are few, so a training sees all of them.
  const drawn = { ...source, recipe: { ...source.recipe, realShare: 0 } };
  const own = { ...sizes, batch: Math.min(sizes.batch, examples) };
  const count = Math.floor(examples / own.batch);
  let made: AssembledBatch[] | undefined;
  return () =>
    made ??= Array.from(
      { length: count },
      (_, index) => assembleBatch(drawn, HELD_OUT_SEED, index, own),
    );
}

async function saveFiles(
  { folder, plan, config }: NeuralOptions,
  saved: TrainingState,
  trainer: TrainerState,
): Promise<void> {
  const { step, tensors } = saved;
  const { config: network } = plan.network;
  const training = trainingOf(plan.settings, saved, trainer);
  await folder.saveCheckpoint({ config: network, tensors, step, training });
  const average = partOf(tensors, "ema/");
  const weights = Object.keys(average).length > 0 ? average : partOf(tensors, "weights/");
  const trained = { config: network, tensors: weights, step };
  await folder.saveFile(RUN_FILES.model, encodeWeights(trained, "f32"));
  if (!config.training.snapshots?.includes(step)) return;
  await folder.saveFile(snapshotFile(step), encodeWeights(trained, "f16"));
}

/** The share of the time since the last line that was spent waiting for the feed. */
function waitShareOf(feed: NeuralFeed, { clock }: RunOptions): () => number {
  let [sinceMs, waitedMs] = [clock.monotonicMs(), feed.waitedMs];
  return () => {
    const nowMs = clock.monotonicMs();
    const share = (feed.waitedMs - waitedMs) / Math.max(1e-9, nowMs - sinceMs);
    [sinceMs, waitedMs] = [nowMs, feed.waitedMs];
    return share;
  };
}

/**
 * Trains as a configuration says, and writes metrics, checkpoints and weights as it goes.
 *
 * @throws {DivergenceError} the training failed; the files are those of the last healthy state
 * @throws {Error} a worker of the feed failed; the cause is its error
 * @throws {InvalidValueError} the configuration and the checkpoint do not fit
 */
export async function runNeural(options: NeuralOptions): Promise<SessionResult> {
  const { config, plan, folder, checkpoint, clock } = options;
  const { network, source, sizes, workers } = plan;
  const { seed, steps, accumulate, snapshots = [], evaluation, optimizer } = config.training;
  const from = checkpoint && neuralStates(checkpoint, plan);
  const first = (from?.training.step ?? 0) * accumulate;
  const feed = openFeed({ source, seed, sizes, workers, first, end: steps * accumulate, clock });
  const waitShare = waitShareOf(feed, options);
  const ready = async (step: number, weights?: () => Promise<Record<string, Tensor>>) => {
    if (weights !== undefined && snapshots.includes(step)) {
      const trained = { config: network.config, tensors: await weights(), step };
      await folder.saveFile(snapshotFile(step), encodeWeights(trained, "f16"));
    }
    await feed.ready(step * accumulate, accumulate);
  };
  try {
    return await runSubject(options, {
      initial: plan.start ?? firstParameters(network, seed),
      objective: neuralObjective(network),
      ofParameter: byGroup(optimizer.systemRate),
      minibatch: (index) => feed.minibatch(index),
      heldOut: heldOutOf(plan, evaluation?.examples ?? sizes.batch),
      from,
      ready: (step, weights) => ready(step, weights),
      save: (saved, trainer) => saveFiles(options, saved, trainer),
      log: folder.log,
      overlapsLog: true,
      moreOf: ({ samplesPerS }) => ({
        windowsPerS: samplesPerS / sizes.length,
        feedWait: waitShare(),
      }),
    });
  } finally {
    feed.close();
  }
}
