import { InvalidValueError } from "../../base/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** Samples that go through a layer together. */
export const BLOCK_ROWS = 32;

/** Parameters by name. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** @throws {InvalidValueError} a tensor is missing */
export function needTensor(tensors: Tensors, name: string): Tensor {
  const tensor = tensors[name];
  if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
  return tensor;
}

/** A layer of a backbone on one stream: its weights, and scratch for a block of samples. */
export interface FastMixer {
  /** Numbers of its state. */
  readonly stateLength: number;
  /**
   * y = layer(u) for the samples `from` to `from + rows` of a run, at most {@linkcode BLOCK_ROWS}.
   *
   * @param y       written in its last `wanted` rows, another array than u  [rows, feature]
   * @param state   advanced in place, over all rows                           [stateLength]
   * @param clock   elapsed time of each sample of the run
   * @param wanted  rows at the end whose y is asked for
   */
  mix(
    y: Float32Array,
    u: Float32Array,
    state: Float32Array,
    clock: ArrayLike<number>,
    from: number,
    rows: number,
    wanted: number,
  ): void;
}

/**
 * The last `wanted` of `rows` rows, not copied.                                     [wanted, width]
 *
 * @param array  [rows, width], or longer
 */
export function lastRows(
  array: Float32Array,
  width: number,
  rows: number,
  wanted: number,
): Float32Array {
  return wanted === rows ? array : array.subarray((rows - wanted) * width, rows * width);
}
