/**
 * A training on a device, one iteration at a time. An iteration issues everything and reads
 * nothing: losses and metrics add up on the device until {@linkcode Training.readMetrics}.
 *
 * Minibatches are a pure function of their index, so what goes on from a saved state needs no state
 * of the data; iteration k takes the minibatches k·accumulate to (k + 1)·accumulate − 1.
 */
import { openTape, type Precision, type Tape } from "../autodiff/tape.ts";
import { InvalidValueError } from "../base/errors.ts";
import { partOf, prefixed } from "../base/prefixes.ts";
import { nextUint32, seedRandom } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope, type ScopedDevice } from "../device/mod.ts";
import { blend, runOp } from "../ops/mod.ts";
import { sameShape } from "../tensor/shape.ts";
import { type Dtype, type Tensor, tensorOf, zeros } from "../tensor/tensor.ts";
import { packed, readArenas, viewsOf } from "./arena.ts";
import { MetricSums, type ObjectiveResult, tensorsOf } from "./metric_sums.ts";
import { openOptimizer, type Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { rateAt, type Schedule } from "./schedule.ts";
import type { Tensors } from "./tensors.ts";

export type { MetricSum, ObjectiveResult } from "./metric_sums.ts";

/** How an objective is to be computed. */
export interface ObjectiveContext {
  /** Undefined where nothing may be dropped: in an evaluation. */
  readonly dropoutSeed?: number;
  /** The tape's checkpoint, where memory is to be saved by running segments again. */
  readonly recompute?: Tape["checkpoint"];
}

/** Model, minibatch and loss in one: a pure function on a device. */
export type Objective<M> = (
  device: Device,
  parameters: Tensors,
  minibatch: M,
  context?: ObjectiveContext,
) => ObjectiveResult;

/** What a training is made of. */
export interface TrainingOptions<M> {
  readonly objective: Objective<M>;
  /** The minibatch of an index: always the same one. */
  readonly minibatch: (index: number) => M;
  readonly schedule: Schedule;
  /** Seeds the dropout. */
  readonly seed: number;
  /** Minibatches whose gradients make one step, their mean; default 1. */
  readonly accumulate?: number;
  readonly optimizer?: OptimizerOptions;
  /** Decay of a moving average of the parameters; without it none is kept. */
  readonly emaDecay?: number;
  /** How activations are kept for the way back; default f32. */
  readonly precision?: Precision;
  /** Runs the branches of the model again on the way back instead of keeping what is in them. */
  readonly recompute?: boolean;
}

/** Means since the metrics were last read. */
export interface Metrics {
  /** Iterations done. */
  readonly step: number;
  /** Mean loss. */
  readonly loss: number;
  /** Learning rate of the last iteration. */
  readonly rate: number;
  /** Global norm of the last iteration's gradients; undefined without `clipNorm`. */
  readonly gradientNorm?: number;
  /** Samples seen. */
  readonly samples: number;
  /** The objective's metrics. */
  readonly values: Readonly<Record<string, number>>;
}

/** A training as a checkpoint holds it: going on from it gives the same bits. */
export interface TrainingState {
  readonly step: number;
  /** Learning rate of the last iteration. */
  readonly rate: number;
  /**
   * `weights/NAME`, `ema/NAME`, the optimizer's averages, and sums of metrics that were not yet
   * read, `sum/NAME`.
   */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Minibatches and samples that went into the sums. */
  readonly counts: Readonly<Record<string, number>>;
}

/** A training that is under way. */
export interface Training<M> {
  /** Iterations done. */
  readonly step: number;
  /** The parameters on the device; with `ema` their moving average where one is kept. */
  weights(kind?: "last" | "ema"): Tensors;
  /** Takes one step. Issues work and returns; nothing is read. */
  iterate(): void;
  /** Waits for all work issued so far. */
  settle(): Promise<void>;
  /** Reads the means since the last call and starts them anew. */
  readMetrics(): Promise<Metrics>;
  /** Means over minibatches, without a step: of the moving average where one is kept. */
  evaluate(minibatches: Iterable<M>): Promise<Pick<Metrics, "loss" | "values">>;
  /** Copies everything to the host. */
  save(): Promise<TrainingState>;
  /** Frees all that the training keeps on the device. */
  release(): void;
}

/** Minibatches issued before one result is awaited: what an evaluation queues at most. */
export const MINIBATCHES_AHEAD_MAX = 16;

/** What a state holds besides the parameters, by prefix; each entry is of its parameter's form. */
const OF_PARAMETERS = [
  "weights/",
  "ema/",
  "optimizer/mean/",
  "optimizer/variance/",
  "optimizer/largest/",
];

/** @throws {InvalidValueError} a saved tensor is of no parameter, or of another shape or dtype */
function checkSaved(
  device: Device,
  initial: Readonly<Record<string, Tensor>>,
  { tensors }: TrainingState,
): void {
  for (const [field, { shape, dtype }] of Object.entries(tensors)) {
    if (field.startsWith("sum/")) continue;
    const prefix = OF_PARAMETERS.find((each) => field.startsWith(each));
    const name = field.slice(prefix?.length ?? 0);
    const like = prefix !== undefined && Object.hasOwn(initial, name) ? initial[name] : undefined;
    if (like === undefined) throw new InvalidValueError(field, "a tensor", "none of this name");
    // A GPU computes and saves in f32, whatever the first parameters were drawn in.
    const wanted = device.kind === "cpu" ? like.dtype : "f32";
    if (dtype !== wanted) throw new InvalidValueError(`${field}.dtype`, dtype, wanted);
    if (sameShape(shape, like.shape)) continue;
    throw new InvalidValueError(`${field}.shape`, `[${shape}]`, `[${like.shape}]`);
  }
  for (const name of Object.keys(partOf(tensors, "optimizer/mean/"))) {
    const field = `optimizer/variance/${name}`;
    if (!Object.hasOwn(tensors, field)) throw new InvalidValueError(field, undefined, "a tensor");
  }
}

/** The entries of `given` in the order of `names`. @throws {InvalidValueError} one is missing */
function inOrderOf<T>(names: object, given: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.keys(names).map((name) => {
      const value = given[name];
      if (value === undefined) throw new InvalidValueError(name, undefined, "a saved tensor");
      return [name, value];
    }),
  );
}

/** One seed of two: for the dropout of a minibatch. */
function seedOf(seed: number, index: number): number {
  return nextUint32(seedRandom((seed ^ nextUint32(seedRandom(index))) >>> 0));
}

/**
 * The decay of the moving average after a step: lower at first, so that the average soon forgets
 * the initial parameters.
 *
 *   min(decay, (1 + step)/(10 + step))
 */
export function emaDecayAt(decay: number, step: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}

function checkOptions<M>({ accumulate = 1, emaDecay = 0 }: TrainingOptions<M>): void {
  if (!(Number.isInteger(accumulate) && accumulate >= 1)) {
    throw new InvalidValueError("accumulate", accumulate, "an integer of at least 1");
  }
  if (!(emaDecay >= 0 && emaDecay < 1)) {
    throw new InvalidValueError("emaDecay", emaDecay, "0 to below 1");
  }
}

/**
 * Opens a training on a device.
 *
 * @param initial  first parameters in the dtype of the computation; those of `saved` win
 * @param saved    a state to go on from
 * @throws {InvalidValueError} an option is out of range, or the state lacks a parameter or has a
 *         tensor that is of none
 * @throws {LimitError} the device has no room for it; what was uploaded is freed
 */
export function openTraining<M>(
  device: Device,
  initial: Readonly<Record<string, Tensor>>,
  options: TrainingOptions<M>,
  saved?: TrainingState,
): Training<M> {
  checkOptions(options);
  if (saved !== undefined) checkSaved(device, initial, saved);
  const scope = openScope(device);
  try {
    return new RunningTraining(scope, initial, options, saved);
  } catch (error) {
    scope.release();
    throw error;
  }
}

class RunningTraining<M> implements Training<M> {
  /** Holds all that the training keeps. */
  readonly #device: ScopedDevice;
  readonly #options: TrainingOptions<M>;
  readonly #optimizer: Optimizer;
  readonly #sums: MetricSums;
  /** 1/accumulate: the gradient of the step's loss by a minibatch's. */
  readonly #seed: DeviceTensor;
  /** The arenas of the moving average, laid out as the optimizer's. */
  #ema: readonly DeviceTensor[] | undefined;
  #step: number;

  constructor(
    device: ScopedDevice,
    initial: Readonly<Record<string, Tensor>>,
    options: TrainingOptions<M>,
    saved: TrainingState | undefined,
  ) {
    this.#device = device;
    this.#options = options;
    this.#step = saved?.step ?? 0;
    const tensors = saved?.tensors ?? {};
    // In the order of the first parameters, whatever the file's: sums over them keep their bits.
    const weights = saved === undefined ? initial : inOrderOf(initial, partOf(tensors, "weights/"));
    this.#optimizer = openOptimizer(
      device,
      weights,
      options.optimizer,
      saved && { steps: saved.step, tensors: partOf(tensors, "optimizer/") },
    );
    if (options.emaDecay !== undefined) {
      const ema = partOf(tensors, "ema/");
      const average = Object.keys(ema).length > 0 ? inOrderOf(initial, ema) : weights;
      this.#ema = packed(this.#optimizer.layout, average).map((arena) => device.upload(arena));
    }
    this.#sums = new MetricSums(device, saved);
    const dtype: Dtype = Object.values(weights)[0]?.dtype ?? "f32";
    const share = zeros([1], dtype);
    share.data[0] = 1 / (options.accumulate ?? 1);
    this.#seed = device.upload(tensorOf([1], share.data));
  }

  get step(): number {
    return this.#step;
  }

  weights(kind: "last" | "ema" = "last"): Tensors {
    const { layout, parameters } = this.#optimizer;
    return kind === "ema" && this.#ema !== undefined ? viewsOf(layout, this.#ema) : parameters;
  }

  iterate(): void {
    const tape = openTape(this.#device, this.#options.precision);
    try {
      const { parameters, homes } = this.#optimizer;
      for (const [name, tensor] of Object.entries(parameters)) tape.watch(tensor, homes[name]);
      const { accumulate = 1 } = this.#options;
      for (let i = 0; i < accumulate; i++) this.#differentiate(tape, this.#step * accumulate + i);
      const gradients: Record<string, DeviceTensor | undefined> = {};
      for (const [name, tensor] of Object.entries(parameters)) {
        gradients[name] = tape.gradient(tensor);
      }
      this.#optimizer.step(gradients, rateAt(this.#options.schedule, this.#step));
    } finally {
      // Also where the device had no room or went away: the caller may go on with a smaller batch.
      tape.release();
    }
    this.#step++;
    this.#average();
  }

  /** Adds the gradients and the metrics of one minibatch. */
  #differentiate(tape: Tape, index: number): void {
    const { objective, minibatch, seed, recompute } = this.#options;
    const scope = openScope(tape.device);
    const kept: DeviceTensor[] = [];
    try {
      const result = objective(scope, this.#optimizer.parameters, minibatch(index), {
        dropoutSeed: seedOf(seed, index),
        ...(recompute && { recompute: tape.checkpoint }),
      });
      kept.push(...tensorsOf(result).map((tensor) => scope.keep(tensor)));
      // Before the way back, so that the tape holds only what backwards need.
      scope.release();
      tape.backward([[result.loss, this.#seed]]);
      this.#sums.add(result);
    } finally {
      scope.release();
      for (const tensor of kept) tape.device.free(tensor);
    }
  }

  #lastRate(): number {
    return rateAt(this.#options.schedule, Math.max(0, this.#step - 1));
  }

  #average(): void {
    if (this.#ema === undefined) return;
    const share = 1 - emaDecayAt(this.#options.emaDecay!, this.#step);
    const scope = openScope(this.#device);
    try {
      const next = this.#ema.map((a, i) =>
        runOp(scope, blend, { a, b: this.#optimizer.arenas[i]! }, { share }).out
      );
      for (const arena of this.#ema) this.#device.free(arena);
      this.#ema = next.map((arena) => scope.keep(arena));
    } finally {
      scope.release();
    }
  }

  settle(): Promise<void> {
    return this.#sums.settle();
  }

  async readMetrics(): Promise<Metrics> {
    const step = this.#step;
    const norm = this.#optimizer.squaredNorm();
    const [squared, taken] = await Promise.all([
      norm && this.#device.read(norm).then(({ data }) => data[0]!),
      this.#sums.take(),
    ]);
    return {
      step,
      rate: this.#lastRate(),
      ...taken,
      ...(squared !== undefined && { gradientNorm: Math.sqrt(squared) }),
    };
  }

  async evaluate(minibatches: Iterable<M>): Promise<Pick<Metrics, "loss" | "values">> {
    const sums = new MetricSums(this.#device);
    try {
      let count = 0;
      for (const minibatch of minibatches) {
        const scope = openScope(this.#device);
        try {
          sums.add(this.#options.objective(scope, this.weights("ema"), minibatch));
        } finally {
          scope.release();
        }
        if (++count % MINIBATCHES_AHEAD_MAX === 0) await sums.settle();
      }
      const { loss, values } = await sums.take();
      return { loss, values };
    } finally {
      sums.release();
    }
  }

  async save(): Promise<TrainingState> {
    const [weights, ema, optimizer, sums] = await Promise.all([
      this.#optimizer.read(),
      this.#ema ? readArenas(this.#device, this.#optimizer.layout, this.#ema) : {},
      this.#optimizer.save(),
      this.#sums.tensors(),
    ]);
    return {
      step: this.#step,
      rate: this.#lastRate(),
      counts: { ...this.#sums.counts },
      tensors: {
        ...prefixed("weights/", weights),
        ...prefixed("ema/", ema),
        ...prefixed("optimizer/", optimizer.tensors),
        ...prefixed("sum/", sums),
      },
    };
  }

  release(): void {
    this.#device.release();
  }
}
