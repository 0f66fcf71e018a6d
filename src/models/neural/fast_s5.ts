/** An S5 layer of `fast_body.ts`: blocks of samples of one stream, in f32. */
import {
  denseBytes,
  type DenseMatrix,
  denseMatrixBytes,
  type DenseUnit,
} from "../../device/mod.ts";
import type { S5Config } from "../../layers/s5.ts";
import { discretizeDiagonal } from "../../ssm/discretize.ts";
import type { FloatArray, Tensor } from "../../tensor/tensor.ts";
import { BLOCK_ROWS, type FastMixer, lastRows, needTensor, type Tensors } from "./fast_mixer.ts";

/** Elapsed times whose transitions a layer keeps. */
export const TRANSITIONS_MAX = 256;

/** Real part that `clip` keeps the poles under, as in the layer. */
const DECAY_MIN = 1e-4;

function polesOf(config: S5Config, re: FloatArray, im: FloatArray): Float64Array {
  const lambda = new Float64Array(2 * re.length);
  for (let i = 0; i < re.length; i++) {
    lambda[2 * i] = config.clip ? Math.min(re[i]!, -DECAY_MIN) : re[i]!;
    lambda[2 * i + 1] = im[i]!;
  }
  return lambda;
}

/** Transitions of a layer by elapsed time, the newest {@linkcode TRANSITIONS_MAX} kept. */
function transitions(config: S5Config, tensors: Tensors) {
  const of = (name: string) => needTensor(tensors, name).data;
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

function sizesOf(config: S5Config): { modes: number; gates: number } {
  const { activation, feature } = config;
  const halves = activation === "half_glu1" || activation === "half_glu2";
  return {
    modes: config.conjugatePairs ? config.state / 2 : config.state,
    gates: activation === "full_glu" ? 2 * feature : halves ? feature : 0,
  };
}

/** Bytes of weights and scratch that {@linkcode FastS5} places. */
export function fastS5Bytes(config: S5Config): number {
  const { feature } = config;
  const { modes, gates } = sizesOf(config);
  const matrices = denseMatrixBytes(2 * modes, feature) + denseMatrixBytes(feature, 2 * modes) +
    denseMatrixBytes(gates, feature);
  const scratch = denseBytes(BLOCK_ROWS * 2 * modes) + denseBytes(BLOCK_ROWS * feature) +
    denseBytes(BLOCK_ROWS * gates);
  return matrices + scratch + denseBytes(feature) + denseBytes(gates);
}

/** See `s5.ts` for the equations. */
export class FastS5 implements FastMixer {
  readonly stateLength: number;
  readonly #unit: DenseUnit;
  readonly #config: S5Config;
  readonly #drive: DenseMatrix;
  readonly #readout: DenseMatrix;
  readonly #D: Float32Array;
  readonly #gate: { readonly matrix: DenseMatrix; readonly bias: Float32Array } | null;
  readonly #transitionAfter: (scale: number) => Float64Array;
  readonly #pairs: Float32Array;
  readonly #gelu: Float32Array;
  readonly #gated: Float32Array;

  /** @throws {InvalidValueError} a tensor is missing */
  constructor(unit: DenseUnit, config: S5Config, tensors: Tensors) {
    const { feature } = config;
    const of = (name: string) => needTensor(tensors, name);
    const { modes, gates } = sizesOf(config);
    this.stateLength = 2 * modes;
    this.#unit = unit;
    this.#config = config;
    this.#drive = unit.matrix(driveRows(of("B")), 2 * modes, feature);
    this.#readout = unit.matrix(readoutRows(config, of("C")), feature, 2 * modes);
    this.#D = unit.place(of("D").data);
    this.#gate = gates === 0 ? null : {
      matrix: unit.matrix(of("gateWeight").data, gates, feature),
      bias: unit.place(of("gateBias").data),
    };
    this.#transitionAfter = transitions(config, tensors);
    this.#pairs = unit.floats(BLOCK_ROWS * 2 * modes);
    this.#gelu = unit.floats(BLOCK_ROWS * feature);
    this.#gated = unit.floats(BLOCK_ROWS * gates);
  }

  mix(
    y: Float32Array,
    u: Float32Array,
    state: Float32Array,
    clock: ArrayLike<number>,
    from: number,
    rows: number,
    wanted: number,
  ): void {
    const unit = this.#unit;
    const pairs = this.#pairs;
    const D = this.#D;
    const { feature } = this.#config;
    unit.product(pairs, u, this.#drive, rows);
    for (let row = 0; row < rows; row++) {
      scanRow(this.#transitionAfter(clock[from + row]!), state, pairs, row * state.length);
    }
    if (wanted === 0) return;
    for (let row = rows - wanted; row < rows; row++) {
      const at = row * feature;
      for (let d = 0; d < feature; d++) y[at + d] = D[d]! * u[at + d]!;
    }
    const out = lastRows(y, feature, rows, wanted);
    unit.addProduct(out, lastRows(pairs, state.length, rows, wanted), this.#readout, wanted);
    this.#activate(out, wanted);
  }

  /** y ← act(y), as the layer has it. */
  #activate(y: Float32Array, rows: number): void {
    const unit = this.#unit;
    const { activation, feature } = this.#config;
    if (activation === "identity") return;
    const gate = this.#gate;
    const g = gate === null ? y : this.#gelu;
    unit.activate("gelu_tanh", g, y, rows * feature);
    if (gate === null) return;
    const z = this.#gated;
    unit.product(z, g, gate.matrix, rows, gate.bias);
    if (activation === "full_glu") unit.gateHalves("sigmoid", y, z, rows, feature);
    else unit.gate("sigmoid", y, activation === "half_glu1" ? g : y, z, rows, feature);
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
