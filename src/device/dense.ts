/**
 * Kernels for a network that sees one sample, or a few, at a time: the module of `simd.ts` over a
 * memory of its own in which the weights stay, so that a step copies nothing.
 *
 * Rows together and rows one by one give the same bits: an output adds its products in one order,
 * and everything else is done row by row. So a state does not depend on how its samples came.
 */
import { invariant } from "../base/invariant.ts";
import { simdModule } from "./simd.ts";

/** A matrix in the kernels' memory, in panels of eight outputs. */
export interface DenseMatrix {
  readonly packed: Float32Array;
  readonly outputs: number;
  readonly inputs: number;
}

/** Codes of the pointwise functions; src/ops/_helpers/activation.ts has the same. */
const CODES = { silu: 1, gelu_tanh: 3, softplus: 4, sigmoid: 5 } as const;

/** The pointwise functions that a {@linkcode DenseUnit} has. */
export type DenseActivation = keyof typeof CODES;

const PAGE_BYTES = 65_536;
const ALIGN_BYTES = 64;
/** Columns of a panel: `COLUMNS` in simd/assembly/row_product.ts. */
const PANEL = 8;

type Kernel = (...args: number[]) => void;

function aligned(floats: number): number {
  return Math.ceil(4 * floats / ALIGN_BYTES) * ALIGN_BYTES;
}

/** Bytes that an array takes in a {@linkcode DenseUnit}. */
export function denseBytes(floats: number): number {
  return aligned(floats);
}

/** Bytes that a matrix takes in a {@linkcode DenseUnit}. */
export function denseMatrixBytes(outputs: number, inputs: number): number {
  return aligned(Math.ceil(outputs / PANEL) * PANEL * inputs);
}

/** A memory of a fixed size, and the kernels over it. All arrays given must come from it. */
export class DenseUnit {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Readonly<Record<string, Kernel>>;
  readonly #end: number;
  // Address 0 of the module means "not given".
  #next = ALIGN_BYTES;

  /**
   * @param bytes  of all arrays that will be asked for, as {@linkcode denseBytes} counts them
   * @throws {Error} the processor has no SIMD, or there is no memory left
   */
  constructor(bytes: number) {
    const pages = Math.ceil((bytes + ALIGN_BYTES) / PAGE_BYTES);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#end = pages * PAGE_BYTES;
    const instance = new WebAssembly.Instance(simdModule(), { env: { memory: this.#memory } });
    this.#kernels = instance.exports as unknown as Record<string, Kernel>;
  }

  /** An array of zeros in this memory, for good. */
  floats(length: number): Float32Array {
    const start = this.#next;
    this.#next += aligned(length);
    invariant(this.#next <= this.#end, "a dense unit is asked for more than it was made for");
    return new Float32Array(this.#memory.buffer, start, length);
  }

  /** A copy in this memory. */
  place(values: ArrayLike<number>): Float32Array {
    const array = this.floats(values.length);
    array.set(values);
    return array;
  }

  /** @param weight  [outputs, inputs] */
  matrix(weight: ArrayLike<number>, outputs: number, inputs: number): DenseMatrix {
    invariant(weight.length === outputs * inputs, "a weight has outputs times inputs numbers");
    const packed = this.floats(Math.ceil(outputs / PANEL) * PANEL * inputs);
    for (let o = 0; o < outputs; o++) {
      const from = (o - o % PANEL) * inputs + o % PANEL;
      for (let i = 0; i < inputs; i++) packed[from + i * PANEL] = weight[o * inputs + i]!;
    }
    return { packed, outputs, inputs };
  }

  /** out = bias + a·Wᵀ for `rows` rows.           a [rows, inputs], out [rows, outputs] */
  product(
    out: Float32Array,
    a: Float32Array,
    matrix: DenseMatrix,
    rows: number,
    bias?: Float32Array,
  ): void {
    const { packed, outputs, inputs } = matrix;
    const start = bias?.byteOffset ?? 0;
    this.#run("row_product", a, packed.byteOffset, start, out, rows, outputs, inputs, 0);
  }

  /** out = out + a·Wᵀ. */
  addProduct(out: Float32Array, a: Float32Array, matrix: DenseMatrix, rows: number): void {
    const { packed, outputs, inputs } = matrix;
    this.#run("row_product", a, packed.byteOffset, 0, out, rows, outputs, inputs, 1);
  }

  /** Equation: src/ops/layer_norm.ts.                                      [rows, feature] */
  layerNorm(
    out: Float32Array,
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array,
    rows: number,
    eps: number,
  ): void {
    const { layer_norm: norm } = this.#kernels;
    const { byteOffset, length } = weight;
    norm!(0, rows, 0, x.byteOffset, byteOffset, bias.byteOffset, out.byteOffset, length, eps);
  }

  /** Equation: src/ops/rms_norm.ts.                                        [rows, feature] */
  rmsNorm(
    out: Float32Array,
    x: Float32Array,
    weight: Float32Array,
    rows: number,
    eps: number,
  ): void {
    const { rms_norm: norm } = this.#kernels;
    const { byteOffset, length } = weight;
    norm!(0, rows, 0, x.byteOffset, byteOffset, 0, out.byteOffset, length, length, 0, eps);
  }

  /** out = act(x); the two may be one. */
  activate(kind: DenseActivation, out: Float32Array, x: Float32Array, count: number): void {
    this.#kernels.activation!(0, 1, 0, x.byteOffset, out.byteOffset, count, count, CODES[kind], 1);
  }

  /** out = y·act(z) by rows of `width`. */
  gate(
    kind: DenseActivation,
    out: Float32Array,
    y: Float32Array,
    z: Float32Array,
    rows: number,
    width: number,
  ): void {
    const { gate } = this.#kernels;
    gate!(0, rows, 0, y.byteOffset, z.byteOffset, out.byteOffset, width, width, 0, CODES[kind]);
  }

  /** out = y·act(z) where each row of `yz` is y, then z.                 [rows, 2·width] */
  gateHalves(
    kind: DenseActivation,
    out: Float32Array,
    yz: Float32Array,
    rows: number,
    width: number,
  ): void {
    const { gate } = this.#kernels;
    const at = yz.byteOffset;
    gate!(0, rows, 0, at, at, out.byteOffset, width, 2 * width, width, CODES[kind]);
  }

  /**
   * Equation: src/ops/anchor_mixture.ts.
   *
   * @param q        receives the quantiles                            [rows, level]
   * @param z                                              [rows, anchor + 1 + level]
   * @param anchors  likewise valid                                   [rows, anchor]
   * @param scale                                                             [rows]
   * @param offsets  scratch                                                 [level]
   */
  anchorMixture(
    { q, z, anchors, valid, scale, offsets }: Readonly<
      Record<"q" | "z" | "anchors" | "valid" | "scale" | "offsets", Float32Array>
    >,
    rows: number,
    anchor: number,
  ): void {
    const arrays = [z, anchors, valid, scale, q].map((array) => array.byteOffset);
    const { byteOffset, length } = offsets;
    this.#kernels.anchor_mixture!(0, rows, byteOffset, ...arrays, anchor, length);
  }

  /**
   * One sample of the selective recurrence: x = exp(delta·A)·x + delta·u·B, y = C·x + D·u. Features
   * and states are multiples of 4. Equation: src/ops/selective_state_update.ts.
   *
   * @param states  advanced in place                  [state/4, feature, 4]
   * @param A                                          [state/4, feature, 4]
   * @param delta   likewise u, D and y                            [feature]
   * @param B       likewise C                                       [state]
   */
  selectiveStep(
    { y, states, u, delta, A, B, C, D }: Readonly<
      Record<"y" | "states" | "u" | "delta" | "A" | "B" | "C" | "D", Float32Array>
    >,
  ): void {
    const { selective_state_update: update } = this.#kernels;
    const inputs = [u, delta, A, B, C, D].map((array) => array.byteOffset);
    const noGateBiasOrSlots = [0, 0, 0];
    const outputs = [y.byteOffset, states.byteOffset];
    update!(0, 1, 0, ...inputs, ...noGateBiasOrSlots, ...outputs, 1, 1, D.length, B.length, 1, 0);
  }

  #run(
    name: string,
    a: Float32Array,
    b: number,
    bias: number,
    c: Float32Array,
    ...sizes: number[]
  ) {
    this.#kernels[name]!(a.byteOffset, b, bias, c.byteOffset, ...sizes);
  }
}
