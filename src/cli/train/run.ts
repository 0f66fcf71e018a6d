/** What every run of `train` does, whatever it trains. */
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { InvalidValueError } from "../../base/errors.ts";
import type { Device } from "../../device/mod.ts";
import { parseBy, shownAs } from "../../base/parse.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { compileIteration } from "../../training/compile_iteration.ts";
import { type EvaluationLine, type MetricsLine, train } from "../../training/trainer.ts";
import type { TrainerOptions, TrainerState, TrainingEnd } from "../../training/trainer.ts";
import { readAll } from "../../training/tensors.ts";
import { openTraining, type TrainingOptions, type TrainingState } from "../../training/training.ts";
import { firstDifference, scheduleOf, type TrainConfig } from "./config.ts";

/** What a run is told and tells. */
export interface RunOptions {
  readonly device: Device;
  readonly config: TrainConfig;
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

/** The states that a checkpoint gives back. */
export interface SavedStates {
  readonly training: TrainingState;
  readonly trainer: TrainerState;
}

/** What is trained: model, loss and minibatches, and where its states go. */
export interface Subject<M> {
  /** First parameters, f32. */
  readonly initial: Readonly<Record<string, Tensor>>;
  readonly objective: TrainingOptions<M>["objective"];
  /** Rate and decay of a parameter by its name. */
  readonly ofParameter: (name: string) => { rateScale?: number; decay?: number };
  /** The minibatch of an index: always the same one. */
  readonly minibatch: (index: number) => M;
  /** Minibatches for evaluations: the same each time. */
  readonly heldOut: () => Iterable<M>;
  /** {@linkcode TrainerOptions.overlapsLog} */
  readonly overlapsLog?: boolean;
  /** What to go on from. */
  readonly from: SavedStates | undefined;
  /**
   * Awaited before each iteration, with the steps done; and once before the programs are compiled,
   * without a training.
   */
  ready?(
    step: number,
    weights?: () => Promise<Readonly<Record<string, Tensor>>>,
  ): Promise<void> | undefined;
  /** Writes a checkpoint, and the model as it stands. */
  save(saved: TrainingState, trainer: TrainerState): Promise<void>;
  /** Adds a line to the metrics. */
  log(line: MetricsLine | EvaluationLine): void;
  /** What else a line of metrics says. */
  moreOf?(line: MetricsLine): Readonly<Record<string, number>>;
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

/** What a checkpoint holds besides tensors: plain data that {@linkcode statesIn} reads. */
export function trainingOf(
  settings: unknown,
  { rate, counts }: TrainingState,
  trainer: TrainerState,
): unknown {
  return { settings, rate, counts, trainer };
}

/**
 * The states in a checkpoint.
 *
 * @param wanted  model and settings of this run, which are to be the checkpoint's
 * @param settle  what of settings is to be the same; default all
 * @throws {InvalidValueError} it is of another training; the first field that differs is named
 */
export function statesIn(
  checkpoint: {
    readonly config: unknown;
    readonly tensors: Readonly<Record<string, Tensor>>;
    readonly step: number;
    readonly training: unknown;
  },
  wanted: { readonly model: unknown; readonly settings: unknown },
  settle: (settings: unknown) => unknown = (settings) => settings,
): SavedStates {
  const saved = parseBy(savedSchema, checkpoint.training, "checkpoint.training");
  const difference = firstDifference(
    { model: wanted.model, ...(settle(wanted.settings) as object) },
    { model: checkpoint.config, ...(settle(saved.settings) as object) },
  );
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

function trainerOptions<M>(
  { training }: TrainConfig,
  { heldOut, overlapsLog = false }: Subject<M>,
): TrainerOptions<M> {
  const { logEvery, saveEvery, divergenceFactor, evaluation } = training;
  return {
    steps: training.steps,
    overlapsLog,
    logEvery,
    saveEvery,
    divergenceFactor,
    ...(evaluation && {
      evaluation: {
        every: evaluation.every,
        minibatches: heldOut,
        ...(evaluation.stop && { stop: evaluation.stop }),
      },
    }),
  };
}

/** A training of a subject as its configuration says. */
function settingsFor<M>(
  { training }: TrainConfig,
  subject: Subject<M>,
): Omit<TrainingOptions<M>, "schedule"> {
  const { seed, accumulate, emaDecay, precision, recompute } = training;
  const { systemRate: _, ...optimizer } = training.optimizer;
  return {
    objective: subject.objective,
    minibatch: subject.minibatch,
    seed,
    accumulate,
    precision,
    recompute,
    optimizer: { ...optimizer, ofParameter: subject.ofParameter },
    ...(emaDecay !== undefined && { emaDecay }),
  };
}

/**
 * Trains a subject as a configuration says.
 *
 * @throws {DivergenceError} the training failed; the files are those of the last healthy state
 * @throws {InvalidValueError} the configuration and the data, or the checkpoint, do not fit
 */
export async function runSubject<M>(
  options: RunOptions,
  subject: Subject<M>,
): Promise<SessionResult> {
  const { config, device } = options;
  const { initial, from } = subject;
  const settings = { ...settingsFor(config, subject), schedule: scheduleOf(config) };
  const open = (on: Device) => openTraining(on, initial, settings, from?.training);
  await subject.ready?.(from?.training.step ?? 0);
  await compileIteration(device, open, options.onCompile);
  const training = open(device);
  let metrics: MetricsLine | undefined;
  let evaluation: EvaluationLine | undefined;
  const tell = (line: MetricsLine | EvaluationLine) => {
    subject.log(line);
    options.onLine?.(line);
  };
  const weights = () => readAll(device, training.weights("ema"));
  try {
    const { end } = await train(training, trainerOptions(config, subject), {
      clock: options.clock,
      onMetrics: (line) => tell(metrics = { ...line, ...subject.moreOf?.(line) }),
      onEvaluation: (line) => tell(evaluation = line),
      onSave: (saved, trainer) => subject.save(saved, trainer),
      isInterrupted: () => options.isInterrupted(training.step),
      ...(subject.ready && { ready: (step: number) => subject.ready!(step, weights) }),
      ...(options.onStep && { onStep: options.onStep }),
    }, from?.trainer);
    return { end, step: training.step, metrics, evaluation };
  } finally {
    training.release();
  }
}
