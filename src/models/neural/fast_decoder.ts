/**
 * The decoder of `network.ts` on one core: quantiles of many leads from the hidden features of one
 * sample, with the weights in the memory of the SIMD kernels.
 */
import {
  denseBytes,
  type DenseMatrix,
  denseMatrixBytes,
  type DenseUnit,
} from "../../device/mod.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { needTensor } from "./fast_mixer.ts";
import { ANCHORS, LEAD_FEATURES, type LeadRows, LEVELS } from "./shapes.ts";

/** Leads that go through a layer together. */
const BLOCK_LEADS = 64;

/** Logits of the anchors, the spread, the levels. */
const COLUMNS = ANCHORS + 1 + LEVELS.length;

/**
 * Where leads are decoded roughly: every one of the first, every second one after them, every sixth
 * one from there on. Between two such the columns lie on a straight line, and are mixed with each
 * lead's own anchors.
 */
const EVERY_LEAD = 4;
const EVERY_SECOND_LEAD = 12;
const FAR_STRIDE = 6;

/** The rows among `count` that are decoded themselves; the last one always is. */
export function knotRows(count: number): number[] {
  const knots: number[] = [];
  for (let row = 0; row < count - 1;) {
    knots.push(row);
    row += row < EVERY_LEAD - 1 ? 1 : row < EVERY_SECOND_LEAD - 1 ? 2 : FAR_STRIDE;
  }
  return [...knots, count - 1];
}

/** Bytes of weights and scratch that {@linkcode FastDecoder} places. */
export function fastDecoderBytes(head: number): number {
  const matrices = denseMatrixBytes(head, LEAD_FEATURES) + denseMatrixBytes(head, head) +
    denseMatrixBytes(COLUMNS, head);
  const rows = (count: number) => denseBytes(BLOCK_LEADS * count);
  const mixed = 2 * rows(ANCHORS) + rows(1) + rows(LEVELS.length) + denseBytes(LEVELS.length);
  const scratch = rows(LEAD_FEATURES) + 2 * rows(head) + rows(COLUMNS) + mixed;
  return matrices + denseBytes(head) + denseBytes(COLUMNS) + scratch;
}

/** See the top of this file. */
export class FastDecoder {
  readonly #unit: DenseUnit;
  readonly #head: number;
  readonly #lead: DenseMatrix;
  readonly #mlp: DenseMatrix;
  readonly #mlpBias: Float32Array;
  readonly #out: DenseMatrix;
  readonly #outBias: Float32Array;
  readonly #given: Float32Array;
  readonly #z: Float32Array;
  readonly #mixed: Float32Array;
  readonly #columns: Float32Array;
  /** What the mixture takes and gives. */
  readonly #mixture: Record<"anchors" | "valid" | "scale" | "q" | "offsets", Float32Array>;
  /** Columns of all leads where only some are decoded. */
  #between = new Float32Array(BLOCK_LEADS * COLUMNS);
  #knots: readonly number[] = [];
  #quantiles = new Float32Array(BLOCK_LEADS * LEVELS.length);

  /** @throws {InvalidValueError} a tensor is missing */
  constructor(unit: DenseUnit, head: number, tensors: Readonly<Record<string, Tensor>>) {
    const of = (name: string) => needTensor(tensors, `decoder.${name}`).data;
    this.#unit = unit;
    this.#head = head;
    this.#lead = unit.matrix(of("lead.weight"), head, LEAD_FEATURES);
    this.#mlp = unit.matrix(of("mlp.weight"), head, head);
    this.#mlpBias = unit.place(of("mlp.bias"));
    this.#out = unit.matrix(of("out.weight"), COLUMNS, head);
    this.#outBias = unit.place(of("out.bias"));
    this.#given = unit.floats(BLOCK_LEADS * LEAD_FEATURES);
    this.#z = unit.floats(BLOCK_LEADS * head);
    this.#mixed = unit.floats(BLOCK_LEADS * head);
    this.#columns = unit.floats(BLOCK_LEADS * COLUMNS);
    this.#mixture = {
      anchors: unit.floats(BLOCK_LEADS * ANCHORS),
      valid: unit.floats(BLOCK_LEADS * ANCHORS),
      scale: unit.floats(BLOCK_LEADS),
      q: unit.floats(BLOCK_LEADS * LEVELS.length),
      offsets: unit.floats(LEVELS.length),
    };
  }

  /**
   * Quantiles of the first `count` leads; overwritten by the next call.
   *
   * @param hidden                                                                 [head]
   * @returns                                                     [count, LEVELS.length]
   */
  decode(hidden: Float32Array, leads: LeadRows, count: number): Float32Array {
    const quantiles = this.#roomFor(count);
    for (let from = 0; from < count; from += BLOCK_LEADS) {
      const rows = Math.min(BLOCK_LEADS, count - from);
      this.#given.set(
        leads.features.subarray(from * LEAD_FEATURES, (from + rows) * LEAD_FEATURES),
      );
      this.#block(hidden, rows);
      this.#mix(leads, from, rows);
    }
    return quantiles;
  }

  /** The same for leads 1, 2, 3, … of which only {@linkcode knotRows} are decoded themselves. */
  decodeRoughly(hidden: Float32Array, leads: LeadRows, count: number): Float32Array {
    const quantiles = this.#roomFor(count);
    if (this.#knots.at(-1) !== count - 1) this.#knots = knotRows(count);
    if (this.#between.length < count * COLUMNS) this.#between = new Float32Array(count * COLUMNS);
    const [knots, between] = [this.#knots, this.#between];
    const ofRow = (row: number) =>
      leads.features.subarray(row * LEAD_FEATURES, (row + 1) * LEAD_FEATURES);
    for (let from = 0; from < knots.length; from += BLOCK_LEADS) {
      const rows = Math.min(BLOCK_LEADS, knots.length - from);
      for (let i = 0; i < rows; i++) this.#given.set(ofRow(knots[from + i]!), i * LEAD_FEATURES);
      this.#block(hidden, rows);
      for (let i = 0; i < rows; i++) {
        const columns = this.#columns.subarray(i * COLUMNS, (i + 1) * COLUMNS);
        between.set(columns, knots[from + i]! * COLUMNS);
      }
    }
    for (let i = 1; i < knots.length; i++) this.#fillBetween(knots[i - 1]!, knots[i]!);
    for (let from = 0; from < count; from += BLOCK_LEADS) {
      const rows = Math.min(BLOCK_LEADS, count - from);
      this.#columns.set(between.subarray(from * COLUMNS, (from + rows) * COLUMNS));
      this.#mix(leads, from, rows);
    }
    return quantiles;
  }

  /** Columns of the rows between two that are decoded. */
  #fillBetween(first: number, last: number): void {
    const between = this.#between;
    for (let row = first + 1; row < last; row++) {
      const share = (row - first) / (last - first);
      for (let k = 0; k < COLUMNS; k++) {
        between[row * COLUMNS + k] = between[first * COLUMNS + k]! * (1 - share) +
          between[last * COLUMNS + k]! * share;
      }
    }
  }

  #roomFor(count: number): Float32Array {
    const size = count * LEVELS.length;
    if (this.#quantiles.length < size) this.#quantiles = new Float32Array(size);
    return this.#quantiles.subarray(0, size);
  }

  /** Columns of the first rows of `#given`. */
  #block(hidden: Float32Array, rows: number): void {
    const unit = this.#unit;
    const head = this.#head;
    const z = this.#z;
    const mixed = this.#mixed;
    for (let row = 0; row < rows; row++) z.set(hidden, row * head);
    unit.addProduct(z, this.#given, this.#lead, rows);
    unit.activate("silu", z, z, rows * head);
    unit.product(mixed, z, this.#mlp, rows, this.#mlpBias);
    unit.activate("silu", mixed, mixed, rows * head);
    for (let i = 0; i < rows * head; i++) mixed[i] = mixed[i]! + z[i]!;
    unit.product(this.#columns, mixed, this.#out, rows, this.#outBias);
  }

  /** Mixes leads `from … from + rows − 1`, whose columns are the first rows of `#columns`. */
  #mix(leads: LeadRows, from: number, rows: number): void {
    const { anchors, valid, scale, q } = this.#mixture;
    const [first, last] = [from * ANCHORS, (from + rows) * ANCHORS];
    anchors.set(leads.anchors.subarray(first, last));
    valid.set(leads.valid.subarray(first, last));
    scale.set(leads.scale.subarray(from, from + rows));
    this.#unit.anchorMixture({ ...this.#mixture, z: this.#columns }, rows, ANCHORS);
    this.#quantiles.set(q.subarray(0, rows * LEVELS.length), from * LEVELS.length);
  }
}
