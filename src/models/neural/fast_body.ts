/**
 * A backbone of S5 layers at work on one stream at a time, on one core: the same map as
 * `Backbone.step`, in f32, with the weights packed into the memory of the SIMD kernels.
 *
 * Samples go through each layer {@linkcode BLOCK_ROWS} at a time, so that a weight is read once for
 * all of them. A product's sums have one order whatever the rows, so a block is its samples one by
 * one, bit for bit: the state is a function of the samples alone.
 */
import { InvalidValueError } from "../../base/errors.ts";
import {
  type DenseActivation,
  denseBytes,
  type DenseMatrix,
  denseMatrixBytes,
  type DenseUnit,
} from "../../device/mod.ts";
import type { S5Activation, S5Config } from "../../layers/s5.ts";
import { discretizeDiagonal } from "../../ssm/discretize.ts";
import type { FloatArray, Tensor } from "../../tensor/tensor.ts";
import { NORM_EPS } from "../backbone.ts";
import type { BackboneConfig } from "../backbone_config.ts";

/** Samples that go through a layer together. */
export const BLOCK_ROWS = 32;

/** Elapsed times whose transitions a layer keeps. */
export const TRANSITIONS_MAX = 256;

/** Which clock a layer runs on: elapsed slots, or elapsed slots by the season. */
export type LayerClock = "samples" | "season";

type Tensors = Readonly<Record<string, Tensor>>;

/** A linear layer. */
interface Affine {
  readonly matrix: DenseMatrix;
  readonly bias: Float32Array | undefined;
}

/** A norm; null where the backbone has none. */
type Norm = { readonly weight: Float32Array; readonly bias: Float32Array | undefined } | null;

/** One S5 layer. */
interface FastLayer {
  readonly clock: LayerClock;
  readonly modes: number;
  readonly norm: Norm;
  readonly drive: DenseMatrix;
  readonly readout: DenseMatrix;
  readonly D: Float32Array;
  readonly activation: S5Activation;
  readonly gate: Affine | null;
  readonly mlp:
    | { readonly norm: Norm; readonly up: DenseMatrix; readonly down: DenseMatrix }
    | null;
  /** Abar and the factor of the drive for samples `scale` apart.                  [mode, 4] */
  readonly transitionAfter: (scale: number) => Float64Array;
}

/** Real part that `clip` keeps the poles under, as in the layer. */
const DECAY_MIN = 1e-4;

/** @throws {InvalidValueError} a tensor is missing */
export function needTensor(tensors: Tensors, name: string): Tensor {
  const tensor = tensors[name];
  if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
  return tensor;
}

function polesOf(config: S5Config, re: FloatArray, im: FloatArray): Float64Array {
  const lambda = new Float64Array(2 * re.length);
  for (let i = 0; i < re.length; i++) {
    lambda[2 * i] = config.clip ? Math.min(re[i]!, -DECAY_MIN) : re[i]!;
    lambda[2 * i + 1] = im[i]!;
  }
  return lambda;
}

/** Transitions of a layer by elapsed time, the newest {@linkcode TRANSITIONS_MAX} kept. */
function transitions(config: S5Config, tensors: Tensors, prefix: string) {
  const of = (name: string) => needTensor(tensors, `${prefix}mixer.${name}`).data;
  const lambda = polesOf(config, of("lambdaRe"), of("lambdaIm"));
  const steps = Float64Array.from(of("logDt"), Math.exp);
  const ones = lambda.map((_, i) => 1 - i % 2);
  const kept = new Map<number, Float64Array>();
  return (scale: number): Float64Array => {
    const known = kept.get(scale);
    if (known !== undefined) return known;
    const dt = steps.map((step) => step * scale);
    const { Abar, Bbar } = discretizeDiagonal(lambda, ones, dt, { method: config.discretization });
    const made = new Float64Array(2 * lambda.length);
    for (let i = 0; i < lambda.length; i++) {
      const at = 4 * (i >> 1) + (i & 1);
      made[at] = Abar[i]!;
      made[at + 2] = Bbar[i]!;
    }
    // The oldest goes: a Map keeps the order of insertion.
    if (kept.size >= TRANSITIONS_MAX) kept.delete(kept.keys().next().value!);
    kept.set(scale, made);
    return made;
  };
}

/** B as rows of real and imaginary parts.                        [2·mode, feature] */
function driveRows({ data, shape }: Tensor): Float64Array {
  const [modes = 0, feature = 0] = shape;
  const rows = new Float64Array(2 * modes * feature);
  for (let n = 0; n < modes; n++) {
    for (let d = 0; d < feature; d++) {
      rows[2 * n * feature + d] = data[2 * (n * feature + d)]!;
      rows[(2 * n + 1) * feature + d] = data[2 * (n * feature + d) + 1]!;
    }
  }
  return rows;
}

/** y = (2·)Re(C·x) on (re, im) pairs.                            [feature, 2·mode] */
function readoutRows({ conjugatePairs }: S5Config, { data }: Tensor): Float64Array {
  const scale = conjugatePairs ? 2 : 1;
  return Float64Array.from(data, (value, i) => i % 2 === 0 ? scale * value : -scale * value);
}

/** Whether a backbone is one that {@linkcode FastBody} runs; else the field that is not. */
export function fastObstacle(config: BackboneConfig): string | undefined {
  if (config.input.kind !== "signal") return `input.kind ${config.input.kind}`;
  if (config.output.pool !== "none") return `output.pool ${config.output.pool}`;
  for (const { name, config: layer } of config.layers) {
    if (name !== "s5") return `layer ${name}`;
    if ((layer as unknown as S5Config).bidirectional) return "bidirectional";
  }
  return undefined;
}

/** Bytes of weights and scratch that {@linkcode FastBody} places. */
export function fastBodyBytes(config: BackboneConfig): number {
  const { width, mlp, input, output } = config;
  const feature = input.kind === "signal" ? input.feature : 0;
  const vectors = denseBytes(width);
  let bytes = denseMatrixBytes(width, feature) + denseMatrixBytes(output.size, width);
  bytes += denseBytes(output.size) + 8 * vectors;
  for (const { config: layer } of config.layers) {
    const { modes, gates } = sizesOf(layer as unknown as S5Config);
    bytes += denseMatrixBytes(2 * modes, width) + denseMatrixBytes(width, 2 * modes) + 6 * vectors;
    bytes += denseMatrixBytes(gates, width) + denseBytes(gates);
    bytes += denseMatrixBytes(2 * mlp, width) + denseMatrixBytes(width, mlp);
  }
  const widest = Math.max(
    2 * width,
    2 * mlp,
    output.size,
    ...config.layers.map(({ config }) => 2 * sizesOf(config as unknown as S5Config).modes),
  );
  return bytes + 5 * denseBytes(BLOCK_ROWS * widest) + denseBytes(BLOCK_ROWS * feature);
}

function sizesOf(config: S5Config): { modes: number; gates: number } {
  const { activation, feature } = config;
  const halves = activation === "half_glu1" || activation === "half_glu2";
  return {
    modes: config.conjugatePairs ? config.state / 2 : config.state,
    gates: activation === "full_glu" ? 2 * feature : halves ? feature : 0,
  };
}

/** See the top of this file. */
export class FastBody {
  /** Numbers of the state: two a mode, layer after layer. */
  readonly stateLength: number;
  readonly #unit: DenseUnit;
  readonly #width: number;
  readonly #mlp: number;
  readonly #feature: number;
  readonly #outputs: number;
  readonly #kind: BackboneConfig["norm"];
  readonly #input: Affine;
  readonly #layers: readonly FastLayer[];
  readonly #norm: Norm;
  readonly #output: Affine;
  readonly #scratch: {
    readonly given: Float32Array;
    readonly x: Float32Array;
    readonly u: Float32Array;
    readonly a: Float32Array;
    readonly b: Float32Array;
    readonly y: Float32Array;
  };

  /**
   * @param config  whole and checked, one that {@linkcode fastObstacle} has nothing against
   * @param clocks  one a layer
   * @throws {InvalidValueError} a tensor is missing
   */
  constructor(
    unit: DenseUnit,
    config: BackboneConfig,
    tensors: Tensors,
    clocks: readonly LayerClock[],
  ) {
    const obstacle = fastObstacle(config);
    if (obstacle !== undefined || config.input.kind !== "signal") {
      throw new InvalidValueError("network", obstacle, "a backbone of causal S5 layers");
    }
    this.#unit = unit;
    this.#width = config.width;
    this.#mlp = config.mlp;
    this.#feature = config.input.feature;
    this.#outputs = config.output.size;
    this.#kind = config.norm;
    const affine = (name: string, outputs: number, inputs: number): Affine => ({
      matrix: unit.matrix(needTensor(tensors, `${name}.weight`).data, outputs, inputs),
      bias: unit.place(needTensor(tensors, `${name}.bias`).data),
    });
    this.#input = affine("input", config.width, this.#feature);
    this.#layers = config.layers.map(({ config: layer }, i) =>
      this.#layer(config, layer as unknown as S5Config, tensors, `layers.${i}.`, clocks[i]!)
    );
    this.#norm = this.#normOf(tensors, "norm");
    this.#output = affine("output", config.output.size, config.width);
    this.stateLength = this.#layers.reduce((sum, { modes }) => sum + 2 * modes, 0);
    const modes = Math.max(...this.#layers.map((layer) => layer.modes));
    const widest = Math.max(2 * config.width, 2 * config.mlp, config.output.size, 2 * modes);
    const rows = () => unit.floats(BLOCK_ROWS * widest);
    const given = unit.floats(BLOCK_ROWS * this.#feature);
    this.#scratch = { given, x: rows(), u: rows(), a: rows(), b: rows(), y: rows() };
  }

  #normOf(tensors: Tensors, name: string): Norm {
    if (this.#kind === "none") return null;
    const place = (part: string) => this.#unit.place(needTensor(tensors, `${name}.${part}`).data);
    return { weight: place("weight"), bias: this.#kind === "layer" ? place("bias") : undefined };
  }

  #layer(
    { width, mlp }: BackboneConfig,
    config: S5Config,
    tensors: Tensors,
    prefix: string,
    clock: LayerClock,
  ): FastLayer {
    const unit = this.#unit;
    const of = (name: string) => needTensor(tensors, `${prefix}mixer.${name}`);
    const { modes, gates } = sizesOf(config);
    return {
      clock,
      modes,
      norm: this.#normOf(tensors, `${prefix}norm`),
      drive: unit.matrix(driveRows(of("B")), 2 * modes, width),
      readout: unit.matrix(readoutRows(config, of("C")), width, 2 * modes),
      D: unit.place(of("D").data),
      activation: config.activation,
      gate: gates === 0 ? null : {
        matrix: unit.matrix(of("gateWeight").data, gates, width),
        bias: unit.place(of("gateBias").data),
      },
      mlp: mlp === 0 ? null : {
        norm: this.#normOf(tensors, `${prefix}mlp.norm`),
        up: unit.matrix(needTensor(tensors, `${prefix}mlp.up`).data, 2 * mlp, width),
        down: unit.matrix(needTensor(tensors, `${prefix}mlp.down`).data, width, mlp),
      },
      transitionAfter: transitions(config, tensors, prefix),
    };
  }

  /**
   * Advances the state over samples.
   *
   * @param state     advanced in place                                     [stateLength]
   * @param tokens                                                    [count, feature]
   * @param elapsed   slots since the sample before                              [count]
   * @param seasonal  the same on the season's clock                             [count]
   * @param hidden    when given, receives the outputs                  [count, output]
   */
  absorb(
    state: Float32Array,
    tokens: Float32Array,
    elapsed: ArrayLike<number>,
    seasonal: ArrayLike<number>,
    count: number,
    hidden?: Float32Array,
  ): void {
    for (let from = 0; from < count; from += BLOCK_ROWS) {
      const rows = Math.min(BLOCK_ROWS, count - from);
      this.#block(state, tokens, elapsed, seasonal, from, rows, hidden);
    }
  }

  #block(
    state: Float32Array,
    tokens: Float32Array,
    elapsed: ArrayLike<number>,
    seasonal: ArrayLike<number>,
    from: number,
    rows: number,
    hidden: Float32Array | undefined,
  ): void {
    const unit = this.#unit;
    const { given, x, u, y } = this.#scratch;
    const feature = this.#feature;
    given.set(tokens.subarray(from * feature, (from + rows) * feature));
    unit.product(x, given, this.#input.matrix, rows, this.#input.bias);
    let at = 0;
    for (const layer of this.#layers) {
      const part = state.subarray(at, at + 2 * layer.modes);
      this.#mix(layer, part, layer.clock === "season" ? seasonal : elapsed, from, rows);
      if (layer.mlp !== null) this.#feed(layer.mlp, rows);
      at += 2 * layer.modes;
    }
    if (hidden === undefined) return;
    this.#normalise(this.#norm, u, rows);
    unit.product(y, u, this.#output.matrix, rows, this.#output.bias);
    hidden.set(y.subarray(0, rows * this.#outputs), from * this.#outputs);
  }

  #normalise(norm: Norm, out: Float32Array, rows: number): void {
    const { x } = this.#scratch;
    if (norm === null) out.set(x.subarray(0, rows * this.#width));
    else if (norm.bias === undefined) this.#unit.rmsNorm(out, x, norm.weight, rows, NORM_EPS);
    else this.#unit.layerNorm(out, x, norm.weight, norm.bias, rows, NORM_EPS);
  }

  /** x += member(norm(x)). */
  #mix(
    layer: FastLayer,
    state: Float32Array,
    clock: ArrayLike<number>,
    from: number,
    rows: number,
  ): void {
    const unit = this.#unit;
    const { u, a, y } = this.#scratch;
    const width = this.#width;
    this.#normalise(layer.norm, u, rows);
    unit.product(a, u, layer.drive, rows);
    for (let row = 0; row < rows; row++) {
      scanRow(layer.transitionAfter(clock[from + row]!), state, a, row * state.length);
    }
    for (let row = 0; row < rows; row++) {
      const at = row * width;
      for (let d = 0; d < width; d++) y[at + d] = layer.D[d]! * u[at + d]!;
    }
    unit.addProduct(y, a, layer.readout, rows);
    this.#activate(layer, rows);
  }

  /** x += act(y), as the layer has it. */
  #activate({ activation, gate }: FastLayer, rows: number): void {
    const unit = this.#unit;
    const { x, a, b, y } = this.#scratch;
    const width = this.#width;
    let out = y;
    if (activation !== "identity") {
      const gelu: DenseActivation = "gelu_tanh";
      unit.activate(gelu, a, y, rows * width);
      out = a;
    }
    if (gate !== null) {
      unit.product(b, out, gate.matrix, rows, gate.bias);
      if (activation === "full_glu") unit.gateHalves("sigmoid", out, b, rows, width);
      else unit.gate("sigmoid", out, activation === "half_glu2" ? y : a, b, rows, width);
    }
    for (let i = 0; i < rows * width; i++) x[i] = x[i]! + out[i]!;
  }

  /** x += down·(value·silu(gate)). */
  #feed(mlp: NonNullable<FastLayer["mlp"]>, rows: number): void {
    const { x, u, a, b } = this.#scratch;
    this.#normalise(mlp.norm, u, rows);
    this.#unit.product(b, u, mlp.up, rows);
    this.#unit.gateHalves("silu", a, b, rows, this.#mlp);
    this.#unit.addProduct(x, a, mlp.down, rows);
  }
}

/** state ← Abar∘state + factor∘drive, and the state in the drive's place. */
function scanRow(
  transition: Float64Array,
  state: Float32Array,
  rows: Float32Array,
  from: number,
): void {
  for (let n = 0; n < state.length; n += 2) {
    const at = 2 * n;
    const vr = rows[from + n]!;
    const vi = rows[from + n + 1]!;
    const xr = state[n]!;
    const xi = state[n + 1]!;
    const ar = transition[at]!;
    const ai = transition[at + 1]!;
    const fr = transition[at + 2]!;
    const fi = transition[at + 3]!;
    const re = Math.fround(ar * xr - ai * xi + fr * vr - fi * vi);
    const im = Math.fround(ar * xi + ai * xr + fr * vi + fi * vr);
    state[n] = re;
    state[n + 1] = im;
    rows[from + n] = re;
    rows[from + n + 1] = im;
  }
}
