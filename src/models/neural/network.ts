/**
 * The network of the neural forecaster: a streaming backbone over the samples of a series, and a
 * decoder that makes quantiles of any lead from what the backbone holds.
 *
 *   h = backbone(tokens)[pick]                      layers advance by the elapsed time of a sample
 *   z = silu(h + Wl·lead)                           a row for each lead of each pick
 *   z = z + silu(Wm·z + bm)
 *   q = anchorMixture(Wo·z + bo, anchors, valid, scale)
 *
 * Quantiles are in units of the error that the seasonal naive forecast is expected to make, from
 * the last value; `features.ts` makes tokens and rows, and undoes it. An S5 network runs every
 * other layer on the season's clock, so that the same poles serve a season of 7 samples and one of
 * 168; a Mamba network gives every layer the elapsed time, since its steps follow the input.
 *
 * As in a backbone there is a parallel form for a whole length, and a recurrent one that takes a
 * sample in constant time.
 */
import type { RandomState } from "../../base/random.ts";
import { InvalidValueError } from "../../base/errors.ts";
import {
  type CpuDevice,
  type Device,
  type DeviceTensor,
  openCpu,
  openScope,
} from "../../device/mod.ts";
import type { LayerState } from "../../layers/mod.ts";
import {
  activation,
  add,
  addRows,
  anchorMixture,
  matmul,
  type OpInput,
  runOp,
} from "../../ops/mod.ts";
import { expectAxis, type Shape } from "../../tensor/shape.ts";
import { asDtype, type Dtype, type FloatArray, reshape, type Tensor } from "../../tensor/tensor.ts";
import { tensorOf } from "../../tensor/tensor.ts";
import {
  type Backbone,
  backboneOf,
  type BackboneOptions,
  type BackboneTensors,
} from "../backbone.ts";
import { backboneConfigOf, type NeuralConfig } from "./config.ts";
import { decoderShapes, neuralTensors } from "./init.ts";
import { ANCHORS, LEAD_FEATURES, type LeadRows, TOKEN_FEATURES } from "./shapes.ts";

export { NEURAL_PRESETS, NEURAL_VERSION, type NeuralConfig, parseNeural } from "./config.ts";

/** Sizes of a {@linkcode NeuralBatch}. */
export interface NeuralBatchSizes {
  readonly batch: number;
  readonly length: number;
  /** Samples of a series at which forecasts are made. */
  readonly picks: number;
  /** Forecasts of a pick. */
  readonly leads: number;
}

/** What the network computes on: series, and rows of forecasts in the order [batch, pick, lead]. */
export interface NeuralInput {
  readonly sizes: NeuralBatchSizes;
  /** [batch, length, TOKEN_FEATURES] */
  readonly tokens: Float32Array;
  /** Slots since the sample before.                                          [batch, length] */
  readonly elapsed: Float32Array;
  /** The same on the season's clock.                                         [batch, length] */
  readonly seasonal: Float32Array;
  /** Whole numbers below the length.                                           [batch, pick] */
  readonly picks: Float32Array;
  /** [row, LEAD_FEATURES] */
  readonly features: Float32Array;
  /** [row, ANCHORS] */
  readonly anchors: Float32Array;
  /** 1 where an anchor exists, else 0.                                       [row, ANCHORS] */
  readonly valid: Float32Array;
  /** [row] */
  readonly scale: Float32Array;
}

/** A minibatch with what the forecasts are compared with. */
export interface NeuralBatch extends NeuralInput {
  /** (truth − last)/unit.                                                              [row] */
  readonly target: Float32Array;
  /** 0 where the truth is unknown.                                                     [row] */
  readonly weight: Float32Array;
}

/** What an {@linkcode Network.absorb} gives. */
export interface Absorbed {
  /** Of the last sample.                                                              [head] */
  readonly hidden: FloatArray;
  /** After the last sample. */
  readonly state: LayerState;
}

/** The functions of one configuration. Tensors are parameters by flat name. */
export interface Network {
  readonly config: NeuralConfig;
  /** First parameters, f64; the same seed gives the same. */
  init(random: RandomState): Record<string, Tensor>;
  /** Names and shapes of what {@linkcode init} gives. */
  shapes(): Iterable<readonly [name: string, shape: Shape]>;
  /**
   * Quantiles of every row of a batch, on either device. On a tape's device gradients pass through
   * to the parameters. The caller frees the result.
   *
   * @param recompute  the tape's checkpoint, where each branch of the backbone is to run again on
   *                   the way back instead of keeping what is in it
   * @returns quantiles                                                  [row, level]
   */
  forward(
    device: Device,
    tensors: BackboneTensors,
    input: NeuralInput,
    recompute?: BackboneOptions["recompute"],
  ): DeviceTensor;
  /** The state before the first sample: plain data; its dtype is that of the steps. */
  initialState(batch?: number, dtype?: Dtype): LayerState;
  /** Size of the state, whatever the length seen. */
  stateBytes(dtype?: Dtype): number;
  /**
   * Takes one sample in constant time, on the CPU; advances the state in place.
   *
   * @param token                                                          [TOKEN_FEATURES]
   * @param elapsed  slots since the sample before, >= 0
   * @param seasonal the same on the season's clock
   * @returns hidden features of the decoder                                          [head]
   */
  stepHidden(
    tensors: Readonly<Record<string, Tensor>>,
    token: FloatArray,
    elapsed: number,
    seasonal: number,
    state: LayerState,
  ): FloatArray;
  /**
   * Takes many samples of one series at once, by the parallel form on a CPU device: what
   * {@linkcode stepHidden} gives after the last of them. The given state stays as it is.
   *
   * @param tokens   at least one                                  [sample, TOKEN_FEATURES]
   * @param elapsed                                                                [sample]
   * @param seasonal                                                               [sample]
   */
  absorb(
    device: CpuDevice,
    tensors: Readonly<Record<string, Tensor>>,
    tokens: FloatArray,
    elapsed: FloatArray,
    seasonal: FloatArray,
    state: LayerState,
  ): Absorbed;
  /**
   * Quantiles of the first rows of leads from the hidden features of one sample, on the CPU.
   *
   * @param count  rows that are taken, from the first on; at least 1
   * @returns                                                          [count, level]
   */
  decode(
    tensors: Readonly<Record<string, Tensor>>,
    hidden: FloatArray,
    leads: LeadRows,
    count: number,
  ): Float32Array<ArrayBuffer>;
}

/** The decoder's rows, in the order [batch, pick, lead]. */
interface Rows {
  readonly features: OpInput;
  readonly anchors: OpInput;
  readonly valid: OpInput;
  readonly scale: OpInput;
}

function needed(tensors: BackboneTensors, name: string): OpInput {
  const tensor = tensors[name];
  if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
  return tensor;
}

/** Decoding on the CPU runs as ops, so that the kernels of the matrices are used. */
const host = openCpu();

function linear(device: Device, a: OpInput, b: OpInput, bias?: OpInput): DeviceTensor {
  return runOp(device, matmul, { a, b, bias }, { transposeB: true }).c;
}

/**
 * Quantiles of rows.
 *
 * @param hidden                                                              [pick, head]
 * @param leads   rows of a pick
 * @returns                                                       [row, level]
 */
function decodeOn(
  device: Device,
  tensors: BackboneTensors,
  hidden: DeviceTensor,
  rows: Rows,
  leads: number,
): DeviceTensor {
  const [picks = 0, head = 0] = hidden.shape;
  const of = (name: string): OpInput => {
    const tensor = needed(tensors, `decoder.${name}`);
    return "buffer" in tensor ? tensor : asDtype(tensor, hidden.dtype);
  };
  const scope = openScope(device);
  try {
    const lead = linear(scope, rows.features, of("lead.weight"));
    const b = reshape(lead, [picks, leads, head]);
    const { out } = runOp(scope, addRows, { a: hidden, b }, { activation: "silu" });
    const z = reshape(out, [picks * leads, head]);
    const mixed = linear(scope, z, of("mlp.weight"), of("mlp.bias"));
    const { y } = runOp(scope, activation, { x: mixed }, { kind: "silu" });
    const sum = runOp(scope, add, { a: z, b: y }, {}).out;
    const columns = linear(scope, sum, of("out.weight"), of("out.bias"));
    const { anchors, valid, scale } = rows;
    return scope.keep(runOp(scope, anchorMixture, { z: columns, anchors, valid, scale }, {}).q);
  } finally {
    scope.release();
  }
}

/** The clock of each layer: samples' and season's in turn, or the samples' alone. */
export function clocksOf<T>({ kind, depth }: NeuralConfig, elapsed: T, seasonal: T): T[] {
  const isSeasonal = (layer: number) => kind === "s5" && layer % 2 === 1;
  return Array.from({ length: depth }, (_, layer) => isSeasonal(layer) ? seasonal : elapsed);
}

/** A backbone with the decoder after it. */
class DecodedBackbone implements Network {
  readonly config: NeuralConfig;
  readonly #backbone: Backbone;

  constructor(config: NeuralConfig) {
    this.config = config;
    this.#backbone = backboneOf(backboneConfigOf(config));
  }

  init(random: RandomState): Record<string, Tensor> {
    return neuralTensors(this.config, this.#backbone, random);
  }

  *shapes(): Iterable<readonly [name: string, shape: Shape]> {
    yield* this.#backbone.shapes();
    yield* decoderShapes(this.config);
  }

  initialState(batch = 1, dtype: Dtype = "f32"): LayerState {
    return this.#backbone.initialState(batch, dtype);
  }

  stateBytes(dtype: Dtype = "f32"): number {
    return this.#backbone.stateBytes(1, dtype);
  }

  forward(
    device: Device,
    tensors: BackboneTensors,
    input: NeuralInput,
    recompute?: BackboneOptions["recompute"],
  ): DeviceTensor {
    const { sizes: { batch, length, picks, leads }, elapsed, seasonal } = input;
    const rows = batch * picks * leads;
    const scope = openScope(device);
    // On a CPU the parameters say what to compute in.
    const { dtype } = needed(tensors, "output.bias");
    const of = (shape: Shape, data: Float32Array) => asDtype(tensorOf(shape, data), dtype);
    const up = (shape: Shape, data: Float32Array) => scope.upload(of(shape, data));
    const clock = (data: Float32Array) => of([batch, length], data);
    try {
      const tokens = up([batch, length, TOKEN_FEATURES], input.tokens);
      const { y, state } = this.#backbone.forward(scope, tensors, tokens, {
        dtScale: clocksOf(this.config, clock(elapsed), clock(seasonal)),
        picks: up([batch, picks], input.picks),
        recompute,
      });
      for (const tensor of Object.values(state)) scope.free(tensor);
      const hidden = reshape(y, [batch * picks, this.config.head]);
      const decoded = decodeOn(scope, tensors, hidden, {
        features: up([rows, LEAD_FEATURES], input.features),
        anchors: up([rows, ANCHORS], input.anchors),
        valid: up([rows, ANCHORS], input.valid),
        scale: up([rows], input.scale),
      }, leads);
      return scope.keep(decoded);
    } finally {
      scope.release();
    }
  }

  stepHidden(
    tensors: Readonly<Record<string, Tensor>>,
    token: FloatArray,
    elapsed: number,
    seasonal: number,
    state: LayerState,
  ): FloatArray {
    expectAxis("token", TOKEN_FEATURES, token.length);
    return this.#backbone.step(tensors, token, state, clocksOf(this.config, elapsed, seasonal));
  }

  absorb(
    device: CpuDevice,
    tensors: Readonly<Record<string, Tensor>>,
    tokens: FloatArray,
    elapsed: FloatArray,
    seasonal: FloatArray,
    state: LayerState,
  ): Absorbed {
    const length = elapsed.length;
    const { dtype } = Object.values(state)[0]!;
    const given = (shape: Shape, data: FloatArray) => asDtype(tensorOf(shape, data), dtype);
    const clock = (data: FloatArray) => given([1, length], data);
    const result = this.#backbone.forward(
      device,
      tensors,
      given([1, length, TOKEN_FEATURES], tokens),
      {
        state,
        dtScale: clocksOf(this.config, clock(elapsed), clock(seasonal)),
        picks: given([1, 1], Float64Array.of(length - 1)),
      },
    );
    const taken = (tensor: DeviceTensor): Tensor => {
      const { shape } = tensor;
      const data = device.dataOf(tensor).slice();
      device.free(tensor);
      return { shape, dtype, data };
    };
    return {
      hidden: taken(result.y).data,
      state: Object.fromEntries(
        Object.entries(result.state).map(([name, tensor]) => [name, taken(tensor)]),
      ),
    };
  }

  decode(
    tensors: Readonly<Record<string, Tensor>>,
    hidden: FloatArray,
    leads: LeadRows,
    count: number,
  ): Float32Array<ArrayBuffer> {
    const of = (data: Float32Array, ...width: number[]) =>
      tensorOf([count, ...width], data.subarray(0, count * (width[0] ?? 1)));
    const scope = openScope(host);
    try {
      const a = scope.upload(asDtype(tensorOf([1, this.config.head], hidden), "f32"));
      const decoded = decodeOn(scope, tensors, a, {
        features: of(leads.features, LEAD_FEATURES),
        anchors: of(leads.anchors, ANCHORS),
        valid: of(leads.valid, ANCHORS),
        scale: of(leads.scale),
      }, count);
      return Float32Array.from(host.dataOf(decoded));
    } finally {
      scope.release();
    }
  }
}

/** The network of a configuration, whole and checked as {@linkcode parseNeural} gives it. */
export function networkOf(config: NeuralConfig): Network {
  return new DecodedBackbone(config);
}
