/**
 * A backbone: members of the family one on another, chosen by name.
 *
 *   x = embed(input)
 *   x = x + drop(member(norm(x)))                          for each layer
 *   x = x + drop(down·(value·silu(gate))),  [value, gate] = up·norm(x)      with an MLP
 *   y = output·pool(norm(x)) + bias
 *
 * Residual branches with the norm before them (arXiv 2002.04745), as Mamba, Mamba-2 and Jamba
 * (arXiv 2403.19887) have it; the gated MLP is SwiGLU (arXiv 2002.05202). A list such as
 * `["mamba2", "mamba2", "attention"]` is a hybrid.
 *
 * Like a layer, a backbone is a set of pure functions with a parallel form over a whole length and
 * a recurrent form, a sample at a time; parameters and state are tensors by name. The names are
 * flat, `layers.0.mixer.logA`, so that a checkpoint is a list of tensors.
 */
import type { Tape } from "../autodiff/tape.ts";
import { InvalidValueError } from "../base/errors.ts";
import { partOf } from "../base/prefixes.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openCpu, openScope } from "../device/mod.ts";
import type { ScopedDevice } from "../device/mod.ts";
import type { ForwardParams, LayerParams, LayerState } from "../layers/mod.ts";
import { add, dropout, embedding, gate, layerNorm, matmul, normMatmul } from "../ops/mod.ts";
import { type OpInput, pickSamples, pool, rmsNorm, runOp } from "../ops/mod.ts";
import { expectAxis, expectRank, type Shape } from "../tensor/shape.ts";
import {
  asDtype,
  type Dtype,
  DTYPE_BYTES,
  type FloatArray,
  type Tensor,
} from "../tensor/tensor.ts";
import { reshape, tensorOf } from "../tensor/tensor.ts";
import { type BackboneConfig, memberNamed } from "./backbone_config.ts";
import { initialShapes, initialTensors, type Placed } from "./backbone_init.ts";

/** Added to the mean of squares or the variance in every norm. */
export const NORM_EPS = 1e-5;

/** Parameters by flat name, on the host or on a device. */
export type BackboneTensors = Readonly<Record<string, OpInput>>;

/** Options of {@linkcode Backbone.forward}. */
export interface BackboneOptions {
  /** State to go on from, by flat name; the initial state where absent. */
  readonly state?: Readonly<Record<string, OpInput>> | undefined;
  /**
   * Elapsed time of each sample in sampling periods, of all layers or of each its own; 1 where
   * absent.                                                                     [batch, length]
   */
  readonly dtScale?: Tensor | readonly Tensor[] | undefined;
  /**
   * The samples whose outputs are wanted, whole numbers; all where absent. Only the layers run over
   * the whole length then, not what is after them.                                [batch, pick]
   */
  readonly picks?: OpInput | undefined;
  /** Seed of this iteration's dropout; without it nothing is dropped. */
  readonly dropoutSeed?: number | undefined;
  /**
   * {@linkcode Tape.checkpoint} of the tape whose device this runs on: only what lies between the
   * branches is kept for the way back, and each branch runs a second time.
   */
  readonly recompute?: Tape["checkpoint"] | undefined;
}

/** What {@linkcode Backbone.forward} gives; the caller frees the tensors. */
export interface BackboneResult {
  /**
   *                             [batch, length, output], or where pooled [batch, output], or where
   *                             samples are picked [batch, pick, output]
   */
  readonly y: DeviceTensor;
  /** State of every layer after the last sample, by flat name. */
  readonly state: Readonly<Record<string, DeviceTensor>>;
}

/** The functions of one configuration. */
export interface Backbone {
  readonly config: BackboneConfig;
  /** First parameters, f64; the same seed gives the same. */
  init(random: RandomState): Record<string, Tensor>;
  /** Names and shapes of what {@linkcode init} gives, one after another. */
  shapes(): Iterable<readonly [name: string, shape: Shape]>;
  /**
   * The parallel form, on either device. On a tape's device gradients pass through it.
   *
   * @param input  [batch, length, feature], or of tokens [batch, length]; its dtype is the dtype of
   *               the computation
   * @throws {ShapeError} an axis of the input differs
   * @throws {InvalidValueError} a parameter is missing, samples are picked of an output that is
   * pooled, or there are elapsed times of another number of layers
   */
  forward(
    device: Device,
    tensors: BackboneTensors,
    input: OpInput,
    options?: BackboneOptions,
  ): BackboneResult;
  /** The state before the first sample, by flat name. */
  initialState(batch: number, dtype?: Dtype): LayerState;
  /**
   * The recurrent form: one sample of each row of the batch, on the CPU, in constant time.
   * Advances `state` in place; its dtype is the dtype of the computation.
   *
   * @param input   [batch, feature], or of tokens [batch]
   * @param dtScale elapsed time in sampling periods, of all layers or of each its own; default 1
   * @returns y                                                            [batch, output]
   * @throws {InvalidValueError} the output is a mean over the length, a layer looks ahead, or the
   * elapsed time is negative or not finite
   */
  step(
    tensors: Readonly<Record<string, Tensor>>,
    input: FloatArray,
    state: LayerState,
    dtScale?: number | readonly number[],
  ): FloatArray;
  /** Size of the state, whatever the length seen. */
  stateBytes(batch: number, dtype?: Dtype): number;
}

/** What a branch makes: what is added to x, and a layer's state after the last sample. */
interface Branch {
  readonly y: DeviceTensor;
  readonly state?: Readonly<Record<string, DeviceTensor>>;
}

/** A branch of x. It may run again later, so that it takes x and does not look for it. */
type BranchOf = (scope: ScopedDevice, x: DeviceTensor) => Branch;

/** How a layer maps its normalised input: over a length, or by one step. */
type Mix = (scope: ScopedDevice, layer: Placed, u: DeviceTensor) => Branch;

/** One evaluation of a backbone over a length. */
class Evaluation {
  readonly #config: BackboneConfig;
  readonly #tensors: BackboneTensors;
  readonly #dtype: Dtype;
  readonly #options: BackboneOptions;
  /** Counts the branches, so that each drops other elements. */
  #branches = 0;

  constructor(
    config: BackboneConfig,
    tensors: BackboneTensors,
    dtype: Dtype,
    options: BackboneOptions = {},
  ) {
    this.#config = config;
    this.#tensors = tensors;
    this.#dtype = dtype;
    this.#options = options;
  }

  /** From the input to the output, every layer by `mix`. */
  run(device: Device, layers: readonly Placed[], input: OpInput, mix: Mix): BackboneResult {
    const states: Record<string, DeviceTensor> = {};
    let x = within(device, (scope) => this.#embed(scope, input));
    const advance = (prefix: string, branch: BranchOf) => {
      const { out, state } = this.#advance(device, x, prefix, branch);
      device.free(x);
      x = out;
      Object.assign(states, state);
    };
    try {
      for (const placed of layers) {
        const { prefix } = placed;
        advance(prefix, (scope, u) => mix(scope, placed, this.#norm(scope, `${prefix}norm`, u)));
        if (this.#config.mlp === 0) continue;
        advance(prefix, (scope, u) => ({ y: this.#mlp(scope, `${prefix}mlp.`, u) }));
      }
      const y = within(device, (scope) => this.#output(scope, x));
      device.free(x);
      return { y, state: states };
    } catch (error) {
      // What a tape ran as a segment is in no scope of the caller's.
      for (const tensor of [x, ...Object.values(states)]) device.free(tensor);
      throw error;
    }
  }

  /** x plus a branch of it, as one segment that a tape may run again. */
  #advance(
    device: Device,
    x: DeviceTensor,
    prefix: string,
    branch: BranchOf,
  ): { out: DeviceTensor; state: Readonly<Record<string, DeviceTensor>> } {
    const place = this.#branches++;
    const segment = (on: Device): Record<string, DeviceTensor> => {
      const scope = openScope(on);
      try {
        const { y, state = {} } = branch(scope, x);
        const { out } = runOp(scope, add, { a: x, b: this.#drop(scope, y, place) }, {});
        for (const tensor of [out, ...Object.values(state)]) scope.keep(tensor);
        return { ...state, out };
      } finally {
        scope.release();
      }
    };
    const { recompute, state: carried = {} } = this.#options;
    const made = recompute === undefined
      ? segment(device)
      : recompute([x, ...onDevice(this.#tensors, prefix), ...onDevice(carried, prefix)], segment);
    const { out, ...state } = made;
    return { out: out!, state };
  }

  #need(name: string): OpInput {
    const tensor = this.#tensors[name];
    if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
    return "buffer" in tensor ? tensor : asDtype(tensor, this.#dtype);
  }

  #embed(device: Device, input: OpInput): DeviceTensor {
    if (this.#config.input.kind === "tokens") {
      return runOp(device, embedding, { table: this.#need("embedding"), ids: input }, {}).out;
    }
    return this.#linear(device, input, "input.weight", "input.bias");
  }

  #linear(device: Device, a: OpInput, weight: string, bias?: string): DeviceTensor {
    const added = bias === undefined ? undefined : this.#need(bias);
    return runOp(device, matmul, { a, b: this.#need(weight), bias: added }, {
      transposeB: true,
    }).c;
  }

  #norm(device: Device, name: string, x: DeviceTensor): DeviceTensor {
    if (this.#config.norm === "none") return x;
    const weight = this.#need(`${name}.weight`);
    if (this.#config.norm === "rms") {
      return runOp(device, rmsNorm, { x, weight }, { eps: NORM_EPS }).out;
    }
    const bias = this.#need(`${name}.bias`);
    return runOp(device, layerNorm, { x, weight, bias }, { eps: NORM_EPS }).out;
  }

  /** A norm and the linear layer after it, in one op where there is one. */
  #normLinear(
    device: Device,
    norm: string,
    x: DeviceTensor,
    weight: string,
    bias?: string,
  ): DeviceTensor {
    if (this.#config.norm !== "rms") {
      return this.#linear(device, this.#norm(device, norm, x), weight, bias);
    }
    const given = { x, weight: this.#need(`${norm}.weight`), b: this.#need(weight) };
    const added = bias === undefined ? undefined : this.#need(bias);
    return runOp(device, normMatmul, { ...given, bias: added }, { eps: NORM_EPS }).c;
  }

  #mlp(device: Device, prefix: string, x: DeviceTensor): DeviceTensor {
    const y = this.#normLinear(device, `${prefix}norm`, x, `${prefix}up`);
    const { out } = runOp(device, gate, { y }, { activation: "silu" });
    return this.#linear(device, out, `${prefix}down`);
  }

  #drop(device: Device, x: DeviceTensor, place: number): DeviceTensor {
    const rate = this.#config.dropout;
    const { dropoutSeed: seed } = this.#options;
    if (rate === 0 || seed === undefined) return x;
    return runOp(device, dropout, { x }, { rate, seed, step: place }).out;
  }

  #output(device: Device, x: DeviceTensor): DeviceTensor {
    const { pool: kind } = this.#config.output;
    const names = ["output.weight", "output.bias"] as const;
    const { picks } = this.#options;
    if (kind === "none") {
      const picked = picks === undefined ? x : runOp(device, pickSamples, { x, at: picks }, {}).out;
      return this.#normLinear(device, "norm", picked, ...names);
    }
    const normed = this.#norm(device, "norm", x);
    return this.#linear(device, runOp(device, pool, { x: normed }, { kind }).out, ...names);
  }
}

/** Tensors on a device whose names begin with a prefix. */
function onDevice(tensors: Readonly<Record<string, OpInput>>, prefix: string): DeviceTensor[] {
  return Object.values(partOf(tensors, prefix)).filter((tensor) => "buffer" in tensor);
}

/** What a function makes in a scope of its own; all else that it made is freed. */
function within(device: Device, make: (scope: ScopedDevice) => DeviceTensor): DeviceTensor {
  const scope = openScope(device);
  try {
    return scope.keep(make(scope));
  } finally {
    scope.release();
  }
}

/** The elapsed time of one layer, of all layers' or of each layer's own. */
function elapsedOf<T extends object | number>(
  dtScale: T | readonly T[],
  index: number,
  count: number,
): T {
  if (!Array.isArray(dtScale)) return dtScale as T;
  if (dtScale.length !== count) {
    throw new InvalidValueError("dtScale.length", dtScale.length, `${count}, one of each layer`);
  }
  return dtScale[index];
}

function checkInput({ input }: BackboneConfig, given: OpInput): void {
  expectRank("input", input.kind === "tokens" ? 2 : 3, given.shape);
  if (input.kind === "signal") expectAxis("input.feature", input.feature, given.shape[2]);
}

/** The pointwise parts of a step run as the twins of their ops. */
const host = openCpu({ collected: true });

/** Members of the family one on another. */
class LayerStack implements Backbone {
  readonly config: BackboneConfig;
  readonly #layers: readonly Placed[];
  /** The layers' own parameters, kept with the flat ones: steps must not make them again. */
  readonly #params = new WeakMap<object, readonly LayerParams<unknown>[]>();

  constructor(config: BackboneConfig) {
    this.config = config;
    this.#layers = config.layers.map(({ name, config }, i) => ({
      layer: memberNamed(name),
      config,
      prefix: `layers.${i}.`,
      index: i,
    }));
  }

  init(random: RandomState): Record<string, Tensor> {
    return initialTensors(this.config, this.#layers, random);
  }

  shapes(): Iterable<readonly [name: string, shape: Shape]> {
    return initialShapes(this.config, this.#layers);
  }

  forward(
    device: Device,
    tensors: BackboneTensors,
    input: OpInput,
    options: BackboneOptions = {},
  ): BackboneResult {
    checkInput(this.config, input);
    const { dtScale, picks } = options;
    const { pool } = this.config.output;
    if (picks !== undefined && pool !== "none") {
      throw new InvalidValueError("output.pool", pool, "none where samples are picked");
    }
    const layers = this.#layers;
    const mix: Mix = (scope, { layer, config, prefix, index }, u) => {
      const params: ForwardParams<unknown> = {
        config,
        tensors: partOf(tensors, `${prefix}mixer.`),
      };
      const given = options.state && partOf(options.state, prefix);
      const { y, state } = layer.forward(scope, params, u, {
        ...(given && Object.keys(given).length > 0 && { state: given }),
        ...(dtScale && { dtScale: elapsedOf(dtScale, index, layers.length) }),
      });
      const entries = Object.entries(state).map(([name, tensor]) => [`${prefix}${name}`, tensor]);
      return { y, state: Object.fromEntries(entries) };
    };
    return new Evaluation(this.config, tensors, input.dtype, options)
      .run(device, layers, input, mix);
  }

  initialState(batch: number, dtype: Dtype = "f64"): LayerState {
    const state: Record<string, Tensor> = {};
    for (const { layer, config, prefix } of this.#layers) {
      for (const [name, tensor] of Object.entries(layer.initialState(config, batch, dtype))) {
        state[`${prefix}${name}`] = tensor;
      }
    }
    return state;
  }

  step(
    tensors: Readonly<Record<string, Tensor>>,
    input: FloatArray,
    state: LayerState,
    dtScale: number | readonly number[] = 1,
  ): FloatArray {
    refuseStep(this.config);
    const { dtype, shape: [batch = 0] } = Object.values(state)[0]!;
    const layers = this.#layers;
    const params = this.#paramsOf(tensors);
    const sample = asDtype(tensorOf([batch, 1, input.length / batch], input), dtype);
    const mix: Mix = (scope, { layer, prefix, index }, u) => {
      const elapsed = elapsedOf(dtScale, index, layers.length);
      const y = layer.step(params[index]!, host.dataOf(u), partOf(state, prefix), elapsed);
      return { y: scope.upload(tensorOf(u.shape, y)) };
    };
    const isTokens = this.config.input.kind === "tokens";
    const shaped = isTokens ? reshape(sample, [batch, 1]) : sample;
    const evaluation = new Evaluation(this.config, tensors, dtype);
    return host.dataOf(evaluation.run(host, layers, shaped, mix).y);
  }

  stateBytes(batch: number, dtype?: Dtype): number {
    return Object.values(this.initialState(batch, dtype)).reduce(
      (bytes, { data, dtype }) => bytes + data.length * DTYPE_BYTES[dtype],
      0,
    );
  }

  #paramsOf(tensors: Readonly<Record<string, Tensor>>): readonly LayerParams<unknown>[] {
    let params = this.#params.get(tensors);
    if (params === undefined) {
      params = this.#layers.map(({ config, prefix }) => ({
        config,
        tensors: partOf(tensors, `${prefix}mixer.`),
      }));
      this.#params.set(tensors, params);
    }
    return params;
  }
}

/**
 * The backbone of a configuration.
 *
 * @param config  whole and checked, as {@linkcode parseBackbone} gives it
 */
export function backboneOf(config: BackboneConfig): Backbone {
  return new LayerStack(config);
}

/** @throws {InvalidValueError} the configuration has no recurrent form */
export function refuseStep(config: BackboneConfig): void {
  if (config.output.pool === "mean") {
    throw new InvalidValueError("output.pool", "mean", "none or last in a step");
  }
  config.layers.forEach(({ config: { bidirectional } }, i) => {
    if (bidirectional !== true) return;
    throw new InvalidValueError(`layers[${i}].config.bidirectional`, true, "false in a step");
  });
}
