/**
 * The weights of a Mamba block as `mamba_step` reads them: one flat array, four numbers along the
 * sum of a product to a vector, the vectors of neighbouring columns next to one another.
 *
 *   inProj    [feature/4, 2·inner, 4]   times the norm's weight; the columns of a, then those of z
 *   taps      [⌈width/4⌉, inner, 4]     of the convolution, the newest last
 *   lane      [inner, 4]                convBias, dtBias, D, 0
 *   dtProj    [⌈rank/4⌉, inner, 4]
 *   A         [state/4, inner, 4]       −exp(logA)/ln 2, so that exp(dt·A) is a power of two
 *   xProj     [inner/4, selected, 4]    r filled up to whole vectors, B, C
 *   outProj   [inner/4, feature, 4]
 *   biases    [inner, 4], [feature]     of a and z, 0, 0; of the output. Only with `bias`
 */
import { expectShape } from "../../tensor/shape.ts";
import type { FloatArray, Tensor } from "../../tensor/tensor.ts";

/** Sizes of a Mamba block. */
export interface MambaSizes {
  readonly feature: number;
  readonly inner: number;
  /** States of each inner feature. */
  readonly state: number;
  /** Taps of the convolution. */
  readonly width: number;
  readonly rank: number;
  readonly bias: boolean;
}

/** Fields of a sample's row that the step reads: slot, oldest input, elapsed time. */
export const ROW_FIELDS = 3;

/** Numbers to a vector. */
export const VECTOR = 4;

/** Where each part of the weights begins, in vectors, and how many vectors there are. */
export interface MambaOffsets {
  readonly inProj: number;
  readonly taps: number;
  readonly lane: number;
  readonly dtProj: number;
  readonly A: number;
  readonly xProj: number;
  readonly outProj: number;
  readonly bias: number;
  readonly outBias: number;
  readonly end: number;
}

/** Vectors of the step size's low rank. */
export function rankVectors({ rank }: MambaSizes): number {
  return Math.ceil(rank / VECTOR);
}

/** Columns of xProj with the rank filled up. */
export function selectedOf(sizes: MambaSizes): number {
  return VECTOR * rankVectors(sizes) + 2 * sizes.state;
}

/** The places of the parts. */
export function mambaOffsets(sizes: MambaSizes): MambaOffsets {
  const { feature, inner, state, width, bias } = sizes;
  let at = 0;
  const take = (vectors: number) => {
    const start = at;
    at += vectors;
    return start;
  };
  return {
    inProj: take((feature / VECTOR) * 2 * inner),
    taps: take(Math.ceil(width / VECTOR) * inner),
    lane: take(inner),
    dtProj: take(rankVectors(sizes) * inner),
    A: take((state / VECTOR) * inner),
    xProj: take((inner / VECTOR) * selectedOf(sizes)),
    outProj: take((inner / VECTOR) * feature),
    bias: take(bias ? inner : 0),
    outBias: take(bias ? feature / VECTOR : 0),
    end: at,
  };
}

/** A block's parameters by name, as the layer `mamba` has them, and the norm's weight before it. */
export interface MambaParts {
  readonly inProj: Tensor;
  readonly inBias?: Tensor | undefined;
  readonly convWeight: Tensor;
  readonly convBias: Tensor;
  readonly xProj: Tensor;
  readonly dtProj: Tensor;
  readonly dtBias: Tensor;
  readonly logA: Tensor;
  readonly D: Tensor;
  readonly outProj: Tensor;
  readonly outBias?: Tensor | undefined;
  /** All ones where the block has no norm or one without a weight. */
  readonly normWeight?: Tensor | undefined;
}

/**
 * Writes the columns of a product, each the sum over `count` inputs, at a place.
 *
 * @param value  of a column and an input
 */
function putColumns(
  out: FloatArray,
  place: { readonly at: number; readonly columns: number; readonly count: number },
  value: (column: number, input: number) => number,
): void {
  const { at, columns, count } = place;
  for (let k = 0; k < count; k++) {
    for (let column = 0; column < columns; column++) {
      const vector = at + Math.floor(k / VECTOR) * columns + column;
      out[VECTOR * vector + k % VECTOR] = value(column, k);
    }
  }
}

function checkParts(sizes: MambaSizes, parts: MambaParts): void {
  const { feature, inner, state, width, rank } = sizes;
  const expect = (name: string, shape: readonly number[], tensor: Tensor | undefined) => {
    const axes = shape.length === 1 ? ["feature"] : ["out", "in"];
    if (tensor !== undefined) expectShape(name, axes, shape, tensor.shape);
  };
  expect("inProj", [2 * inner, feature], parts.inProj);
  expect("inBias", [2 * inner], parts.inBias);
  expect("convWeight", [inner, width], parts.convWeight);
  expect("convBias", [inner], parts.convBias);
  expect("xProj", [rank + 2 * state, inner], parts.xProj);
  expect("dtProj", [inner, rank], parts.dtProj);
  expect("dtBias", [inner], parts.dtBias);
  expect("logA", [inner, state], parts.logA);
  expect("D", [inner], parts.D);
  expect("outProj", [feature, inner], parts.outProj);
  expect("outBias", [feature], parts.outBias);
  expect("normWeight", [feature], parts.normWeight);
}

/**
 * A block's weights in the layout above, f64.
 *
 * @throws {ShapeError} a parameter has another shape than the sizes say
 */
export function packMambaWeights(sizes: MambaSizes, parts: MambaParts): Float64Array {
  checkParts(sizes, parts);
  const { feature, inner, state, width, rank } = sizes;
  const at = mambaOffsets(sizes);
  const out = new Float64Array(VECTOR * at.end);
  const matrix = (tensor: Tensor, fanIn: number) => (row: number, k: number) =>
    tensor.data[row * fanIn + k]!;
  const inProj = matrix(parts.inProj, feature);
  const norm = parts.normWeight?.data;
  putColumns(
    out,
    { at: at.inProj, columns: 2 * inner, count: feature },
    (column, k) => inProj(column, k) * (norm ? norm[k]! : 1),
  );
  const columns = inner;
  putColumns(out, { at: at.taps, columns, count: width }, matrix(parts.convWeight, width));
  const lane = [parts.convBias.data, parts.dtBias.data, parts.D.data];
  putColumns(out, { at: at.lane, columns, count: 3 }, (d, part) => lane[part]![d]!);
  putColumns(out, { at: at.dtProj, columns, count: rank }, matrix(parts.dtProj, rank));
  const logA = matrix(parts.logA, state);
  putColumns(
    out,
    { at: at.A, columns, count: state },
    (d, n) => -Math.exp(logA(d, n)) * Math.LOG2E,
  );
  const padding = VECTOR * rankVectors(sizes) - rank;
  const xProj = matrix(parts.xProj, inner);
  putColumns(out, { at: at.xProj, columns: selectedOf(sizes), count: inner }, (column, k) => {
    if (column < rank) return xProj(column, k);
    return column < rank + padding ? 0 : xProj(column - padding, k);
  });
  putColumns(
    out,
    { at: at.outProj, columns: feature, count: inner },
    matrix(parts.outProj, inner),
  );
  if (!sizes.bias) return out;
  const inBias = parts.inBias!.data;
  putColumns(
    out,
    { at: at.bias, columns, count: 2 },
    (d, part) => inBias[part * inner + d]!,
  );
  out.set(parts.outBias!.data, VECTOR * at.outBias);
  return out;
}
