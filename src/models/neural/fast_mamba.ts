/** A Mamba block of `fast_body.ts`: blocks of samples of one stream, in f32. */
import {
  denseBytes,
  type DenseMatrix,
  denseMatrixBytes,
  type DenseUnit,
} from "../../device/mod.ts";
import type { MambaConfig } from "../../layers/mamba.ts";
import { BLOCK_ROWS, type FastMixer, lastRows, needTensor, type Tensors } from "./fast_mixer.ts";

/** Sizes that follow from a configuration. */
function sizesOf({ feature, expand, state, dtRank, width }: MambaConfig) {
  const inner = feature * expand;
  // The kernel takes four features and four states at a time; those that are not there stay 0.
  const [lanes, states] = [4 * Math.ceil(inner / 4), 4 * Math.ceil(state / 4)];
  return { inner, selected: dtRank + 2 * state, past: width - 1, lanes, states };
}

/** Bytes of weights and scratch that {@linkcode FastMamba} places. */
export function fastMambaBytes(config: MambaConfig): number {
  const { feature, dtRank } = config;
  const { inner, selected, lanes, states } = sizesOf(config);
  const matrices = denseMatrixBytes(2 * inner, feature) + denseMatrixBytes(selected, inner) +
    denseMatrixBytes(inner, dtRank) + denseMatrixBytes(feature, inner);
  const rows = (width: number) => denseBytes(BLOCK_ROWS * width);
  const scratch = rows(2 * inner) + 4 * rows(inner) + rows(selected) + rows(dtRank);
  const recurrence = 2 * denseBytes(lanes * states) + 4 * denseBytes(lanes) +
    2 * denseBytes(states);
  return matrices + scratch + denseBytes(2 * inner) + denseBytes(inner) + denseBytes(feature) +
    recurrence;
}

/** See `mamba.ts` for the equations. */
export class FastMamba implements FastMixer {
  readonly stateLength: number;
  readonly #unit: DenseUnit;
  readonly #config: MambaConfig;
  readonly #inProj: DenseMatrix;
  readonly #inBias: Float32Array | undefined;
  readonly #taps: Float32Array;
  readonly #tapBias: Float32Array;
  readonly #xProj: DenseMatrix;
  readonly #dtProj: DenseMatrix;
  readonly #dtBias: Float32Array;
  /** What the recurrence of one sample works on. */
  readonly #step: Record<"y" | "states" | "u" | "delta" | "A" | "B" | "C" | "D", Float32Array>;
  readonly #outProj: DenseMatrix;
  readonly #outBias: Float32Array | undefined;
  readonly #both: Float32Array;
  readonly #x: Float32Array;
  readonly #z: Float32Array;
  readonly #y: Float32Array;
  readonly #delta: Float32Array;
  readonly #selected: Float32Array;
  readonly #low: Float32Array;

  /** @throws {InvalidValueError} a tensor is missing */
  constructor(unit: DenseUnit, config: MambaConfig, tensors: Tensors) {
    const { feature, state, dtRank } = config;
    const { inner, selected, past, lanes, states } = sizesOf(config);
    const of = (name: string) => needTensor(tensors, name).data;
    this.stateLength = inner * past + lanes * states;
    this.#unit = unit;
    this.#config = config;
    this.#inProj = unit.matrix(of("inProj"), 2 * inner, feature);
    this.#inBias = config.bias ? unit.place(of("inBias")) : undefined;
    this.#taps = Float32Array.from(of("convWeight"));
    this.#tapBias = Float32Array.from(of("convBias"));
    this.#xProj = unit.matrix(of("xProj"), selected, inner);
    this.#dtProj = unit.matrix(of("dtProj"), inner, dtRank);
    this.#dtBias = unit.place(of("dtBias"));
    this.#outProj = unit.matrix(of("outProj"), feature, inner);
    this.#outBias = config.bias ? unit.place(of("outBias")) : undefined;
    const rows = (width: number) => unit.floats(BLOCK_ROWS * width);
    this.#both = rows(2 * inner);
    [this.#x, this.#z, this.#y, this.#delta] = [rows(inner), rows(inner), rows(inner), rows(inner)];
    this.#selected = rows(selected);
    this.#low = rows(dtRank);
    const lane = () => unit.floats(lanes);
    const [A, B, C] = [unit.floats(lanes * states), unit.floats(states), unit.floats(states)];
    of("logA").forEach((logA, i) => {
      const [d, n] = [Math.floor(i / state), i % state];
      A[((n >> 2) * lanes + d) * 4 + (n & 3)] = -Math.exp(logA);
    });
    const [y, u, delta, D] = [lane(), lane(), lane(), lane()];
    D.set(of("D"));
    this.#step = { y, states: unit.floats(lanes * states), u, delta, A, B, C, D };
  }

  mix(
    out: Float32Array,
    u: Float32Array,
    state: Float32Array,
    clock: ArrayLike<number>,
    from: number,
    rows: number,
    wanted: number,
  ): void {
    const unit = this.#unit;
    const { dtRank, feature } = this.#config;
    const { inner, selected, past } = sizesOf(this.#config);
    const [x, z, y, delta, low] = [this.#x, this.#z, this.#y, this.#delta, this.#low];
    unit.product(this.#both, u, this.#inProj, rows, this.#inBias);
    const window = state.subarray(0, inner * past);
    for (let row = 0; row < rows; row++) this.#convolve(window, row);
    unit.activate("silu", x, x, rows * inner);
    unit.product(this.#selected, x, this.#xProj, rows);
    for (let row = 0; row < rows; row++) {
      const at = row * selected;
      low.set(this.#selected.subarray(at, at + dtRank), row * dtRank);
    }
    unit.product(delta, low, this.#dtProj, rows, this.#dtBias);
    unit.activate("softplus", delta, delta, rows * inner);
    const own = state.subarray(inner * past);
    const { states } = this.#step;
    states.set(own);
    for (let row = 0; row < rows; row++) this.#select(clock[from + row]!, row);
    own.set(states);
    if (wanted === 0) return;
    const gated = lastRows(y, inner, rows, wanted);
    unit.gate("silu", gated, gated, lastRows(z, inner, rows, wanted), wanted, inner);
    const last = lastRows(out, feature, rows, wanted);
    unit.product(last, gated, this.#outProj, wanted, this.#outBias);
  }

  /** The convolution of one sample, and its gate's input. */
  #convolve(window: Float32Array, row: number): void {
    const { width } = this.#config;
    const { inner, past } = sizesOf(this.#config);
    const [both, taps, x, z] = [this.#both, this.#taps, this.#x, this.#z];
    const first = 2 * row * inner;
    for (let d = 0; d < inner; d++) {
      const value = both[first + d]!;
      let sum = this.#tapBias[d]!;
      const at = d * past;
      for (let j = 0; j < past; j++) sum += taps[d * width + j]! * window[at + j]!;
      x[row * inner + d] = sum + taps[d * width + past]! * value;
      for (let j = 1; j < past; j++) window[at + j - 1] = window[at + j]!;
      if (past > 0) window[at + past - 1] = value;
      z[row * inner + d] = both[first + inner + d]!;
    }
  }

  /** h ← exp(delta·A)·h + delta·B·x and y = C·h + D·x for one sample. */
  #select(elapsed: number, row: number): void {
    const { state, dtRank } = this.#config;
    const { inner, selected } = sizesOf(this.#config);
    const { y, u, delta, B, C } = this.#step;
    const first = row * inner;
    const chosen = row * selected + dtRank;
    for (let d = 0; d < inner; d++) {
      u[d] = this.#x[first + d]!;
      delta[d] = this.#delta[first + d]! * elapsed;
    }
    for (let n = 0; n < state; n++) {
      B[n] = this.#selected[chosen + n]!;
      C[n] = this.#selected[chosen + state + n]!;
    }
    this.#unit.selectiveStep(this.#step);
    for (let d = 0; d < inner; d++) this.#y[first + d] = y[d]!;
  }
}
