/**
 * The contract of a layer: one member of the state-space family, in its parallel and its recurrent
 * form; `tests/layers/laws_test.ts` holds every member to the laws that tie the two together.
 *
 * A layer is a set of pure functions. Its parameters and its state are plain data (tensors by
 * name), so that a checkpoint is a list of tensors and a state goes through `src/base/tree.ts`.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import type { Device, DeviceTensor } from "../device/device.ts";
import type { OpInput } from "../ops/run.ts";
import { expectShape } from "../tensor/shape.ts";
import { type Dtype, DTYPE_BYTES, type FloatArray, type Tensor } from "../tensor/tensor.ts";

/** Parameters of a layer with the configuration they were made for. */
export interface LayerParams<Config> {
  readonly config: Config;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Parameters as the parallel form takes them: each on the host, or on the device (trained). */
export interface ForwardParams<Config> {
  readonly config: Config;
  readonly tensors: Readonly<Record<string, OpInput>>;
}

/** A layer's state on the host, tensors by name, batch first. */
export type LayerState = { readonly [name: string]: Tensor };

/** Options of {@linkcode Layer.forward}. */
export interface ForwardOptions {
  /** State to go on from; the initial state where absent. */
  readonly state?: { readonly [name: string]: OpInput };
  /**
   * Elapsed time of each sample in sampling periods, elapsedS / periodS, finite and at least 0; 1
   * everywhere where absent.                                                  [batch, length]
   */
  readonly dtScale?: Tensor;
}

/** What {@linkcode Layer.forward} gives; the caller frees the tensors. */
export interface ForwardResult {
  /**                                                                [batch, length, feature] */
  readonly y: DeviceTensor;
  /** State after the last sample. */
  readonly state: { readonly [name: string]: DeviceTensor };
}

/** A publication that a member is from. */
export interface Paper {
  readonly title: string;
  /** Identifier at arXiv: `2312.00752`. */
  readonly arxiv: string;
}

/** One member of the family. */
export interface Layer<Config> {
  readonly name: string;

  /** What it is from, the paper that defines it first; links of the family's table. */
  readonly papers: readonly [Paper, ...Paper[]];

  /**
   * Checks a configuration.
   *
   * @throws {InvalidValueError} a field is out of range; it is named
   */
  validate(config: Config): void;

  /** The paper's initialisation, f64; the same seed gives the same weights. */
  init(config: Config, random: RandomState): LayerParams<Config>;

  /**
   * The parallel form, over a whole length, on either device. On a tape's device, with parameters
   * that the tape watches, gradients pass through it.
   *
   * @param u on the host or on the device; its dtype is the dtype of the computation
   *                                                                 [batch, length, feature]
   * @throws {ShapeError} an axis of u, of the state or of dtScale differs
   * @throws {InvalidValueError} an elapsed time is negative or not finite; its row and sample
   * are named
   */
  forward(
    device: Device,
    params: ForwardParams<Config>,
    u: OpInput,
    options?: ForwardOptions,
  ): ForwardResult;

  /** The state before the first sample. */
  initialState(config: Config, batch: number, dtype?: Dtype): LayerState;

  /**
   * The recurrent form: one sample of each row of the batch, on the CPU, in constant time.
   * Advances `state` in place.
   *
   * @param u                                                              [batch, feature]
   * @param dtScale elapsed time in sampling periods, finite and at least 0; default 1
   * @returns y                                                            [batch, feature]
   * @throws {InvalidValueError} the elapsed time is negative or not finite; the state is as before
   */
  step(
    params: LayerParams<Config>,
    u: FloatArray,
    state: LayerState,
    dtScale?: number,
  ): FloatArray;

  /** Size of the state, whatever the length seen. */
  stateBytes(config: Config, batch: number, dtype?: Dtype): number;

  /**
   * Whether two half steps under a held input are one whole step; else the reason why the
   * published discretisation is not that exact.
   */
  halfStepsExact(config: Config): true | string;

  /** Small configurations on which the laws are checked. */
  readonly examples: readonly Config[];
}

/** A layer of any configuration, as the hub lists it. */
export type AnyLayer = Layer<any>;

/** Bytes of a state's tensors. */
export function bytesOfState(state: LayerState): number {
  let bytes = 0;
  for (const tensor of Object.values(state)) {
    bytes += tensor.data.length * DTYPE_BYTES[tensor.dtype];
  }
  return bytes;
}

/** What an elapsed time must be. */
const ELAPSED = "a finite number of at least 0";

function isElapsed(scale: number): boolean {
  return scale >= 0 && scale < Infinity;
}

/**
 * Requires the elapsed times of the samples of `u`, where there are any.
 *
 * @throws {ShapeError} dtScale is not [batch, length] of u
 * @throws {InvalidValueError} an elapsed time is negative or not finite; its row and sample are
 * named
 */
export function checkElapsed({ shape }: OpInput, { dtScale }: ForwardOptions): void {
  if (dtScale === undefined) return;
  expectShape("dtScale", ["batch", "length"], shape.slice(0, 2), dtScale.shape);
  const at = dtScale.data.findIndex((scale) => !isElapsed(scale));
  if (at < 0) return;
  const length = dtScale.shape[1]!;
  const field = `dtScale[${Math.floor(at / length)}, ${at % length}]`;
  throw new InvalidValueError(field, dtScale.data[at], ELAPSED);
}

/**
 * A layer whose two forms refuse what is no elapsed time, before anything is computed: a decay over
 * a negative time grows, and a state that is once NaN stays NaN.
 */
export function timed<Config>(layer: Layer<Config>): Layer<Config> {
  return {
    ...layer,
    forward(device, params, u, options = {}) {
      checkElapsed(u, options);
      return layer.forward(device, params, u, options);
    },
    step(params, u, state, dtScale = 1) {
      if (!isElapsed(dtScale)) throw new InvalidValueError("dtScale", dtScale, ELAPSED);
      return layer.step(params, u, state, dtScale);
    },
  };
}
