/**
 * The tuning of a network on a user's own series: what a job of the service runs. It begins with an
 * evaluation on windows that are never trained on, and ends with the same, so that whoever reads
 * the result knows what the tuning was worth.
 *
 * A run is a function of the network's file, the series and the recipe. It may end at any step and
 * go on from its last checkpoint, on the same kind of device with the same bits.
 */
import type { Clock } from "../base/clock.ts";
import { partOf } from "../base/prefixes.ts";
import type { Device } from "../device/mod.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { compileIteration } from "./compile_iteration.ts";
import {
  type EvaluationLine,
  type MetricsLine,
  train,
  type TrainerState,
  type TrainingEnd,
} from "./trainer.ts";
import { openTraining, type TrainingOptions, type TrainingState } from "./training.ts";

/** What of a network is tuned: all of it, or the part behind its backbone. */
export const TUNING_PARTS = ["network", "head"] as const;

/** One of {@linkcode TUNING_PARTS}. */
export type TuningPart = typeof TUNING_PARTS[number];

/** How a network is tuned; plain data. */
export interface TuningRecipe {
  readonly steps: number;
  /** Peak of the learning rate. */
  readonly rate: number;
  readonly seed: number;
  readonly tune: TuningPart;
  /** Windows of a minibatch. */
  readonly batch: number;
  /** Samples of a window. */
  readonly length: number;
}

/** One channel of a stream or a file. */
export interface TuningSeries {
  /** Seconds since the first sample, increasing.                                      [length] */
  readonly timesS: Float64Array;
  /** NaN is a missing value.                                                          [length] */
  readonly values: Float64Array;
  /** Season lengths in seconds, where declared; empty = found. */
  readonly seasonsS: readonly number[];
}

/** A network ready to be tuned on series; the one place that knows its files and its examples. */
export interface Tuning<M> {
  /** Numbers of the whole network, and of what is tuned. */
  readonly parameters: number;
  readonly tunedParameters: number;
  /** The tuned parameters as they are now. */
  readonly initial: Readonly<Record<string, Tensor>>;
  readonly options: TrainingOptions<M>;
  /** Minibatches of the windows that are never trained on: the same each time. */
  heldOut(): Iterable<M>;
  /** The network's file with these parameters in place of those that were tuned. */
  encode(tuned: Readonly<Record<string, Tensor>>, steps: number): Uint8Array<ArrayBuffer>;
}

/** What a run of a tuning goes on from. */
export interface TuningState {
  readonly training: TrainingState;
  readonly trainer: TrainerState;
}

/** What a run tells its caller. */
export interface TuningHooks {
  readonly clock: Clock;
  onLine?(line: MetricsLine | EvaluationLine): void;
  /** Saves what a later run goes on from; it is told of healthy states only. */
  onSave?(state: TuningState): Promise<void>;
  /** Asked after each step: true ends the run with a checkpoint. */
  isInterrupted?(): boolean;
}

/** Checkpoints of a run, at most. */
export const TUNING_CHECKPOINTS = 20;
/** Evaluations of a run besides the first, at most. */
export const TUNING_EVALUATIONS = 10;
/** Lines of metrics of a run, at most. */
export const TUNING_LINES = 200;

/** Steps between two of `count` events in a run of `steps`. */
function every(steps: number, count: number): number {
  return Math.max(1, Math.ceil(steps / count));
}

/**
 * Runs a tuning to its end, or to where it is interrupted.
 *
 * @param from  the state that a run before this one has saved last
 * @returns     why it ended, and the file of the tuned network where it is finished
 * @throws {DivergenceError} the training failed; what was saved last is healthy
 * @throws {DeviceLostError} the GPU went away; the run can go on from what was saved last
 */
export async function runTuning<M>(
  tuning: Tuning<M>,
  device: Device,
  recipe: TuningRecipe,
  hooks: TuningHooks,
  from?: TuningState,
): Promise<{ end: TrainingEnd; file: Uint8Array<ArrayBuffer> | null }> {
  const open = (on: Device) => openTraining(on, tuning.initial, tuning.options, from?.training);
  await compileIteration(device, open);
  const training = open(device);
  try {
    if (from === undefined) {
      const { loss, values } = await training.evaluate(tuning.heldOut());
      hooks.onLine?.({ step: 0, evaluation: { loss, ...values } });
    }
    const { steps } = recipe;
    let last: TrainingState | undefined;
    const { end } = await train(training, {
      steps,
      logEvery: every(steps, TUNING_LINES),
      saveEvery: every(steps, TUNING_CHECKPOINTS),
      evaluation: { every: every(steps, TUNING_EVALUATIONS), minibatches: () => tuning.heldOut() },
    }, {
      clock: hooks.clock,
      onMetrics: (line) => hooks.onLine?.(line),
      onEvaluation: (line) => hooks.onLine?.(line),
      onSave: async (saved, trainer) => {
        last = saved;
        await hooks.onSave?.({ training: saved, trainer });
      },
      isInterrupted: () => hooks.isInterrupted?.() ?? false,
    }, from?.trainer);
    if (end === "interrupted" || last === undefined) return { end, file: null };
    const ema = partOf(last.tensors, "ema/");
    const tuned = Object.keys(ema).length > 0 ? ema : partOf(last.tensors, "weights/");
    return { end, file: tuning.encode(tuned, last.step) };
  } finally {
    training.release();
  }
}
