/** Keys and values of `attention`, as its twin and the twin of its backward find them. */
import type { FloatArray } from "../../tensor/tensor.ts";

/** Sizes of a call, checked. */
export interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly head: number;
  readonly group: number;
  readonly size: number;
  /** Carried keys. */
  readonly past: number;
}

/** Keys and values, or arrays of their form. */
export interface Rows {
  readonly k?: FloatArray | undefined;
  readonly v?: FloatArray | undefined;
  readonly keys0?: FloatArray | undefined;
  readonly values0?: FloatArray | undefined;
}

/** The array and the offset of a key or value; samples before the first are the carried ones. */
export function rowOf(
  rows: Rows,
  { length, group, size, past }: Sizes,
  kind: "k" | "v",
  b: number,
  j: number,
  g: number,
): [FloatArray, number] {
  if (j >= 0) return [rows[kind]!, ((b * length + j) * group + g) * size];
  const before = (kind === "k" ? rows.keys0 : rows.values0)!;
  return [before, ((b * past + past + j) * group + g) * size];
}
