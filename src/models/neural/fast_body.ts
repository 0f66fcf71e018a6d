/**
 * A backbone of S5 layers or Mamba blocks at work on one stream at a time, on one core: the same
 * map as `Backbone.step`, in f32, with the weights packed into the memory of the SIMD kernels.
 *
 * Samples go through each layer {@linkcode BLOCK_ROWS} at a time, so that a weight is read once for
 * all of them. A product's sums have one order whatever the rows, so a block is its samples one by
 * one, bit for bit: the state is a function of the samples alone.
 */
import { InvalidValueError } from "../../base/errors.ts";
import { partOf } from "../../base/prefixes.ts";
import {
  denseBytes,
  type DenseMatrix,
  denseMatrixBytes,
  type DenseUnit,
} from "../../device/mod.ts";
import type { MambaConfig } from "../../layers/mamba.ts";
import type { S5Config } from "../../layers/s5.ts";
import { NORM_EPS } from "../backbone.ts";
import type { BackboneConfig } from "../backbone_config.ts";
import { FastMamba, fastMambaBytes } from "./fast_mamba.ts";
import { BLOCK_ROWS, type FastMixer, lastRows, needTensor, type Tensors } from "./fast_mixer.ts";
import { FastS5, fastS5Bytes } from "./fast_s5.ts";

/** Which clock a layer runs on: elapsed slots, or elapsed slots by the season. */
export type LayerClock = "samples" | "season";

/** A linear layer. */
interface Affine {
  readonly matrix: DenseMatrix;
  readonly bias: Float32Array;
}

/** A norm; null where the backbone has none. */
type Norm = { readonly weight: Float32Array; readonly bias: Float32Array | undefined } | null;

/** One layer and what is around it. */
interface FastLayer {
  readonly clock: LayerClock;
  readonly norm: Norm;
  readonly mixer: FastMixer;
  readonly mlp:
    | { readonly norm: Norm; readonly up: DenseMatrix; readonly down: DenseMatrix }
    | null;
}

type LayerConfig = BackboneConfig["layers"][number];

function mixerBytes({ name, config }: LayerConfig): number {
  if (name === "s5") return fastS5Bytes(config as unknown as S5Config);
  return fastMambaBytes(config as unknown as MambaConfig);
}

function openMixer(unit: DenseUnit, { name, config }: LayerConfig, tensors: Tensors): FastMixer {
  if (name === "s5") return new FastS5(unit, config as unknown as S5Config, tensors);
  return new FastMamba(unit, config as unknown as MambaConfig, tensors);
}

/** What keeps a backbone from being run here; undefined where nothing does. */
export function fastObstacle(config: BackboneConfig): string | undefined {
  if (config.input.kind !== "signal") return `input.kind ${config.input.kind}`;
  if (config.output.pool !== "none") return `output.pool ${config.output.pool}`;
  for (const { name, config: layer } of config.layers) {
    if (name !== "s5" && name !== "mamba") return `layer ${name}`;
    if (layer["bidirectional"] === true) return "bidirectional";
  }
  return undefined;
}

/** Bytes of weights and scratch that {@linkcode FastBody} places. */
export function fastBodyBytes(config: BackboneConfig): number {
  const { width, mlp, input, output } = config;
  const feature = input.kind === "signal" ? input.feature : 0;
  const rows = (count: number) => denseBytes(BLOCK_ROWS * count);
  const around = denseMatrixBytes(width, feature) + denseMatrixBytes(output.size, width) +
    denseBytes(output.size) + 3 * denseBytes(width);
  const scratch = rows(feature) + 3 * rows(width) + rows(2 * mlp) + rows(mlp) +
    denseBytes(output.size);
  const ofLayer = denseMatrixBytes(2 * mlp, width) + denseMatrixBytes(width, mlp) +
    4 * denseBytes(width);
  return config.layers.reduce(
    (sum, layer) => sum + ofLayer + mixerBytes(layer),
    around + scratch,
  );
}

/** See the top of this file. */
export class FastBody {
  /** Numbers of the state, layer after layer. */
  readonly stateLength: number;
  readonly #unit: DenseUnit;
  readonly #config: BackboneConfig;
  readonly #feature: number;
  readonly #input: Affine;
  readonly #layers: readonly FastLayer[];
  readonly #norm: Norm;
  readonly #output: Affine;
  readonly #given: Float32Array;
  readonly #x: Float32Array;
  readonly #u: Float32Array;
  readonly #y: Float32Array;
  readonly #up: Float32Array;
  readonly #gated: Float32Array;
  readonly #out: Float32Array;

  /**
   * @param config  whole and checked, one that {@linkcode fastObstacle} has nothing against
   * @param clocks  one a layer
   * @throws {InvalidValueError} a tensor is missing, or the backbone is none of these
   */
  constructor(
    unit: DenseUnit,
    config: BackboneConfig,
    tensors: Tensors,
    clocks: readonly LayerClock[],
  ) {
    const obstacle = fastObstacle(config);
    if (obstacle !== undefined || config.input.kind !== "signal") {
      throw new InvalidValueError("network", obstacle, "a backbone of causal S5 or Mamba layers");
    }
    const { width, mlp, output } = config;
    this.#unit = unit;
    this.#config = config;
    this.#feature = config.input.feature;
    const affine = (name: string, outputs: number, inputs: number): Affine => ({
      matrix: unit.matrix(needTensor(tensors, `${name}.weight`).data, outputs, inputs),
      bias: unit.place(needTensor(tensors, `${name}.bias`).data),
    });
    this.#input = affine("input", width, this.#feature);
    this.#layers = config.layers.map((layer, i) => ({
      clock: clocks[i]!,
      norm: this.#normOf(tensors, `layers.${i}.norm`),
      mixer: openMixer(unit, layer, partOf(tensors, `layers.${i}.mixer.`)),
      mlp: mlp === 0 ? null : {
        norm: this.#normOf(tensors, `layers.${i}.mlp.norm`),
        up: unit.matrix(needTensor(tensors, `layers.${i}.mlp.up`).data, 2 * mlp, width),
        down: unit.matrix(needTensor(tensors, `layers.${i}.mlp.down`).data, width, mlp),
      },
    }));
    this.#norm = this.#normOf(tensors, "norm");
    this.#output = affine("output", output.size, width);
    this.stateLength = this.#layers.reduce((sum, { mixer }) => sum + mixer.stateLength, 0);
    const rows = (count: number) => unit.floats(BLOCK_ROWS * count);
    this.#given = rows(this.#feature);
    [this.#x, this.#u, this.#y] = [rows(width), rows(width), rows(width)];
    [this.#up, this.#gated] = [rows(2 * mlp), rows(mlp)];
    this.#out = unit.floats(output.size);
  }

  #normOf(tensors: Tensors, name: string): Norm {
    const { norm } = this.#config;
    if (norm === "none") return null;
    const place = (part: string) => this.#unit.place(needTensor(tensors, `${name}.${part}`).data);
    return { weight: place("weight"), bias: norm === "layer" ? place("bias") : undefined };
  }

  /**
   * Advances the state over samples.
   *
   * @param state     advanced in place                                     [stateLength]
   * @param tokens                                                    [count, feature]
   * @param elapsed   slots since the sample before                              [count]
   * @param seasonal  the same on the season's clock                             [count]
   * @param hidden    when given, receives the output after the last sample      [output]
   */
  absorb(
    state: Float32Array,
    tokens: Float32Array,
    elapsed: ArrayLike<number>,
    seasonal: ArrayLike<number>,
    count: number,
    hidden?: Float32Array,
  ): void {
    const unit = this.#unit;
    const { width } = this.#config;
    const feature = this.#feature;
    for (let from = 0; from < count; from += BLOCK_ROWS) {
      const rows = Math.min(BLOCK_ROWS, count - from);
      this.#given.set(tokens.subarray(from * feature, (from + rows) * feature));
      unit.product(this.#x, this.#given, this.#input.matrix, rows, this.#input.bias);
      const isWanted = hidden !== undefined && from + rows === count;
      this.#advance(state, elapsed, seasonal, from, rows, isWanted ? 1 : 0);
      if (!isWanted) continue;
      this.#normalise(this.#norm, rows, 1);
      const last = lastRows(this.#u, width, rows, 1);
      unit.product(this.#out, last, this.#output.matrix, 1, this.#output.bias);
      hidden.set(this.#out);
    }
  }

  /**
   * Every layer in turn: x += member(norm(x)), x += down·(value·silu(gate)). Of the last layer only
   * the state is needed, and the last `wanted` rows of x.
   */
  #advance(
    state: Float32Array,
    elapsed: ArrayLike<number>,
    seasonal: ArrayLike<number>,
    from: number,
    rows: number,
    wanted: number,
  ): void {
    const unit = this.#unit;
    const { width, mlp } = this.#config;
    const [x, u, y] = [this.#x, this.#u, this.#y];
    const end = this.#layers.at(-1);
    let at = 0;
    for (const layer of this.#layers) {
      const count = layer === end ? wanted : rows;
      const part = state.subarray(at, at += layer.mixer.stateLength);
      const clock = layer.clock === "season" ? seasonal : elapsed;
      this.#normalise(layer.norm, rows, rows);
      layer.mixer.mix(y, u, part, clock, from, rows, count);
      for (let i = (rows - count) * width; i < rows * width; i++) x[i] = x[i]! + y[i]!;
      if (layer.mlp === null || count === 0) continue;
      this.#normalise(layer.mlp.norm, rows, count);
      unit.product(this.#up, lastRows(u, width, rows, count), layer.mlp.up, count);
      unit.gateHalves("silu", this.#gated, this.#up, count, mlp);
      unit.addProduct(lastRows(x, width, rows, count), this.#gated, layer.mlp.down, count);
    }
  }

  /** u = norm(x) for the last `count` of the rows. */
  #normalise(norm: Norm, rows: number, count: number): void {
    const { width } = this.#config;
    const x = lastRows(this.#x, width, rows, count);
    const u = lastRows(this.#u, width, rows, count);
    if (norm === null) u.set(x.subarray(0, count * width));
    else if (norm.bias === undefined) this.#unit.rmsNorm(u, x, norm.weight, count, NORM_EPS);
    else this.#unit.layerNorm(u, x, norm.weight, norm.bias, count, NORM_EPS);
  }
}
