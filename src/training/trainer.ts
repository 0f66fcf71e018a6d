/**
 * The loop around a training: metrics every few steps, evaluations, early stop, checkpoints, and a
 * stop with a reason where it diverges. Between two steps that are logged nothing is read.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import {
  DIVERGENCE_START,
  DivergenceError,
  type DivergenceState,
  watchLoss,
} from "./divergence.ts";
import type { Metrics, Training, TrainingState } from "./training.ts";

/** How often what happens, and when it ends. */
export interface TrainerOptions<M> {
  /** Steps in all, those before a resume included. */
  readonly steps: number;
  /** Steps between two reads of the metrics; default {@linkcode ITERATIONS_AHEAD_MAX}. */
  readonly logEvery?: number;
  /**
   * Issues the next iteration before the metrics of a line are awaited, so that the device does not
   * stand still meanwhile; a stop that depends on a line comes an iteration later. Default false.
   */
  readonly overlapsLog?: boolean;
  /** Steps between two checkpoints; without it there is one at the end. */
  readonly saveEvery?: number;
  readonly evaluation?: EvaluationOptions<M>;
  /**
   * A loss above this many times its running median is a failure; default
   * {@linkcode DIVERGENCE_FACTOR}.
   */
  readonly divergenceFactor?: number;
}

/** Evaluations, and what they stop. */
export interface EvaluationOptions<M> {
  /** Steps between two of them. */
  readonly every: number;
  /** Minibatches of one, the same each time. */
  readonly minibatches: () => Iterable<M>;
  /** Ends the training when the metric has not become better for `patience` evaluations. */
  readonly stop?: {
    readonly metric: string;
    readonly better: "lower" | "higher";
    readonly patience: number;
  };
}

/** One line of the metrics file. */
export interface MetricsLine {
  readonly step: number;
  readonly loss: number;
  readonly rate: number;
  readonly gradientNorm?: number;
  readonly samplesPerS: number;
  /** Time spent training, that before a resume included. */
  readonly elapsedS: number;
  readonly [metric: string]: number | undefined;
}

/** One evaluation: `loss` and the objective's metrics. */
export interface EvaluationLine {
  readonly step: number;
  readonly evaluation: Readonly<Record<string, number>>;
}

/** What the loop remembers from step to step, besides the training; plain data. */
export interface TrainerState {
  readonly elapsedS: number;
  readonly divergence: DivergenceState;
  /** Best value of the metric that stops the training, and evaluations since then. */
  readonly best: number | null;
  readonly stale: number;
}

/** Nothing done yet. */
export const TRAINER_START: TrainerState = {
  elapsedS: 0,
  divergence: DIVERGENCE_START,
  best: null,
  stale: 0,
};

/** Why a training ended. */
export type TrainingEnd = "finished" | "early stop" | "interrupted";

/** What the loop tells its caller. */
export interface TrainerHooks {
  readonly clock: Clock;
  /**
   * Awaited before each iteration, with the steps done: where minibatches are made elsewhere, it
   * sees to it that those of the iteration are there. Undefined where nothing is to be awaited.
   */
  ready?(step: number): Promise<void> | undefined;
  onMetrics?(line: MetricsLine): void;
  onEvaluation?(line: EvaluationLine): void;
  onStep?(step: number): void;
  /** Saves a checkpoint; it is told of healthy states only. */
  onSave?(training: TrainingState, trainer: TrainerState): Promise<void>;
  /** Asked after each step: true ends the training with a checkpoint. */
  isInterrupted?(): boolean;
}

/** A loss this many times above its running median counts as diverged. */
export const DIVERGENCE_FACTOR = 4;

/** Iterations that are issued to a device before one result is awaited. */
export const ITERATIONS_AHEAD_MAX = 16;

/** The event loop gets its turn this often, for signals, bars and servers. */
const TURN_MS = 50;

function checkEvery(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
    throw new InvalidValueError(name, value, "an integer of at least 1");
  }
}

/** Lets timers, signals and messages have their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Trains until the steps are done, the evaluations stop it, or the caller does.
 *
 * @param from  the state that was saved with the training, to go on from
 * @returns     why it ended, and the state at the end
 * @throws {DivergenceError} the loss is not finite or far above its running median; the checkpoint
 *                           that was saved last is healthy
 * @throws {InvalidValueError} an option is out of range
 */
export async function train<M>(
  training: Training<M>,
  options: TrainerOptions<M>,
  hooks: TrainerHooks,
  from: TrainerState = TRAINER_START,
): Promise<{ end: TrainingEnd; state: TrainerState }> {
  checkEvery("steps", options.steps);
  checkEvery("logEvery", options.logEvery);
  checkEvery("saveEvery", options.saveEvery);
  checkEvery("evaluation.every", options.evaluation?.every);
  const loop = new Loop(training, options, hooks, from);
  return await loop.run();
}

class Loop<M> {
  readonly #training: Training<M>;
  readonly #options: TrainerOptions<M>;
  readonly #hooks: TrainerHooks;
  readonly #startMs: number;
  readonly #startS: number;
  readonly #logEvery: number;
  #loggedMs: number;
  #turnMs: number;
  #state: TrainerState;
  /** A line whose metrics are under way. */
  #logging: Promise<void> | undefined;

  constructor(
    training: Training<M>,
    options: TrainerOptions<M>,
    hooks: TrainerHooks,
    from: TrainerState,
  ) {
    this.#training = training;
    this.#options = options;
    this.#hooks = hooks;
    this.#state = from;
    this.#startS = from.elapsedS;
    this.#logEvery = options.logEvery ?? ITERATIONS_AHEAD_MAX;
    this.#startMs = this.#loggedMs = this.#turnMs = hooks.clock.monotonicMs();
  }

  async run(): Promise<{ end: TrainingEnd; state: TrainerState }> {
    const { steps, saveEvery = Infinity, evaluation } = this.#options;
    let end: TrainingEnd = "finished";
    let issued = 0;
    while (this.#training.step < steps) {
      const waiting = this.#hooks.ready?.(this.#training.step);
      if (waiting !== undefined) await waiting;
      this.#training.iterate();
      const { step } = this.#training;
      this.#hooks.onStep?.(step);
      const isLogged = step % this.#logEvery === 0 || step === steps;
      await this.#logged();
      if (isLogged) await this.#startLog();
      else if (++issued % ITERATIONS_AHEAD_MAX === 0) await this.#training.settle();
      const isEvaluated = evaluation && (step % evaluation.every === 0 || step === steps);
      if (isEvaluated && await this.#evaluate(evaluation)) end = "early stop";
      await this.#turn();
      if (this.#hooks.isInterrupted?.() && step < steps) end = "interrupted";
      if (end !== "finished") break;
      if (step % saveEvery === 0 && step < steps) await this.#save();
    }
    await this.#save();
    return { end, state: this.#state };
  }

  /** Waits for the line that is under way. @throws {DivergenceError} as {@linkcode train} does */
  async #logged(): Promise<void> {
    const logging = this.#logging;
    this.#logging = undefined;
    await logging;
  }

  async #startLog(): Promise<void> {
    if (!this.#options.overlapsLog) return await this.#log();
    this.#logging = this.#log();
    // Its fault, if it has one, is thrown to who awaits it.
    this.#logging.catch(() => {});
    // On a CPU all is there at once, and must be read before the next iteration.
    await turn();
  }

  async #log(): Promise<void> {
    const metrics = await this.#training.readMetrics();
    const nowMs = this.#hooks.clock.monotonicMs();
    const line = this.#lineOf(metrics, nowMs);
    this.#loggedMs = nowMs;
    this.#hooks.onMetrics?.(line);
    this.#watch(metrics);
  }

  #watch({ step, loss, rate, gradientNorm }: Metrics): void {
    const seen = { step, loss, rate, gradientNorm };
    const factor = this.#options.divergenceFactor ?? DIVERGENCE_FACTOR;
    const divergence = watchLoss(this.#state.divergence, seen, factor);
    this.#state = { ...this.#state, divergence };
  }

  #lineOf(metrics: Metrics, nowMs: number): MetricsLine {
    const { step, loss, rate, gradientNorm, samples, values } = metrics;
    const seconds = (nowMs - this.#loggedMs) / 1000;
    return {
      step,
      loss,
      rate,
      ...(gradientNorm !== undefined && { gradientNorm }),
      samplesPerS: seconds > 0 ? samples / seconds : 0,
      elapsedS: this.#elapsedS(nowMs),
      ...values,
    };
  }

  #elapsedS(nowMs: number): number {
    return this.#startS + (nowMs - this.#startMs) / 1000;
  }

  /** True where the training is to stop. */
  async #evaluate({ minibatches, stop }: EvaluationOptions<M>): Promise<boolean> {
    await this.#logged();
    const beginMs = this.#hooks.clock.monotonicMs();
    const { loss, values } = await this.#training.evaluate(minibatches());
    // The speed that is logged is that of training.
    this.#loggedMs += this.#hooks.clock.monotonicMs() - beginMs;
    const evaluation: Record<string, number> = { loss, ...values };
    this.#hooks.onEvaluation?.({ step: this.#training.step, evaluation });
    if (stop === undefined) return false;
    const value = evaluation[stop.metric];
    if (value === undefined) {
      const known = Object.keys(evaluation).join(", ");
      throw new InvalidValueError("stop.metric", stop.metric, `one of ${known}`);
    }
    const { best, stale } = this.#state;
    // What is not a number is no better than anything, a first one included.
    const isBetter = Number.isFinite(value) &&
      (best === null || (stop.better === "lower" ? value < best : value > best));
    this.#state = {
      ...this.#state,
      ...(isBetter ? { best: value, stale: 0 } : { stale: stale + 1 }),
    };
    return this.#state.stale >= stop.patience;
  }

  async #turn(): Promise<void> {
    if (this.#hooks.clock.monotonicMs() - this.#turnMs < TURN_MS) return;
    await turn();
    this.#turnMs = this.#hooks.clock.monotonicMs();
  }

  /** Only a training whose numbers are all healthy is saved over the last checkpoint. */
  async #save(): Promise<void> {
    const { onSave, clock } = this.#hooks;
    await this.#logged();
    if (onSave === undefined) return;
    const saved = await this.#training.save();
    this.#checkHealth(saved);
    this.#state = { ...this.#state, elapsedS: this.#elapsedS(clock.monotonicMs()) };
    await onSave(saved, this.#state);
  }

  #checkHealth({ step, tensors, counts, rate }: TrainingState): void {
    const isHealthy = Object.values(tensors).every(({ data }) => data.every(Number.isFinite));
    if (!isHealthy) throw new DivergenceError(step, NaN, rate, undefined);
    const sum = tensors["sum/loss"]?.data[0];
    if (sum === undefined) return;
    // Looked at and not taken down: a checkpoint must not change how the training goes on.
    const factor = this.#options.divergenceFactor ?? DIVERGENCE_FACTOR;
    watchLoss(this.#state.divergence, { step, rate, loss: sum / counts["minibatches"]! }, factor);
  }
}
