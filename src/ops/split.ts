/**
 * All parts of the last axis, each a tensor of its own: how a projection's output is taken apart.
 *
 *   part_p[.., i] = x[.., first_p + i]        first_p = sizes_0 + … + sizes_(p−1),  i < sizes_p
 *   gradX         = the gradients of the parts beside each other
 *
 * One pass reads x once and writes every part once; the way back is one pass, too. A `slice` for
 * each part would write gradX whole, mostly zeros, once for each, and add these up: for two halves
 * that moves 3.5 times the bytes. Parts beyond `sizes` are empty.
 *
 * Tolerance: a copy, exact.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { type Backward, defineOp, gradientName, type Named, type OpCase, type Pass } from "./op.ts";

/** Parameters of {@linkcode split}. */
export interface SplitParams {
  /** Size of each part, 1 to {@linkcode SPLIT_PARTS_MAX} of them; their sum is the last axis. */
  readonly sizes: readonly number[];
}

type Part = "part0" | "part1" | "part2" | "part3" | "part4" | "part5";
const PARTS: readonly Part[] = ["part0", "part1", "part2", "part3", "part4", "part5"];

/** Most parts of one split. */
export const SPLIT_PARTS_MAX = PARTS.length;

type Shapes = Named<"x", never, Shape>;

function outputShapes({ x }: Shapes, { sizes }: SplitParams): { readonly [key in Part]: Shape } {
  const width = lastAxis("x", x);
  if (!(sizes.length >= 1 && sizes.length <= SPLIT_PARTS_MAX)) {
    throw new InvalidValueError("sizes.length", sizes.length, `1 to ${SPLIT_PARTS_MAX}`);
  }
  sizes.forEach((size, p) => {
    if (!(Number.isInteger(size) && size >= 1)) {
      throw new InvalidValueError(`sizes[${p}]`, size, "an integer of at least 1");
    }
  });
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sum !== width) throw new InvalidValueError("sizes", `${sizes}`, `a sum of ${width}`);
  const shapes = PARTS.map((part, p) => {
    const size = sizes[p];
    return [part, size === undefined ? [0] : [...x.slice(0, -1), size]];
  });
  return Object.fromEntries(shapes) as { readonly [key in Part]: Shape };
}

/** Calls `move` with the row's start of every part in x and in the part. */
function eachRow(
  { x }: Shapes,
  { sizes }: SplitParams,
  move: (part: number, inX: number, inPart: number, size: number) => void,
): void {
  const width = lastAxis("x", x);
  for (let row = 0; row < rowsOf(x); row++) {
    let first = row * width;
    sizes.forEach((size, p) => {
      move(p, first, row * size, size);
      first += size;
    });
  }
}

/** The pass between x and its parts, in either direction. */
function pass(
  { x }: Shapes,
  { sizes }: SplitParams,
  names: { readonly x: string; readonly part: (p: number) => string },
  limits: GpuLimits,
  back: boolean,
): Pass {
  const vector = vectorOf(...sizes);
  const bounds: Record<string, number> = {};
  let first = 0;
  sizes.forEach((size, p) => {
    bounds[`FIRST${p}`] = first;
    first += size / vector;
    bounds[`END${p}`] = first;
  });
  const count = sizeOf(x) / vector;
  return {
    entry: "move_parts",
    constants: {
      GROUP: WIDE_GROUP,
      VECTOR: vector,
      BACK: back ? 1 : 0,
      PARTS: sizes.length,
      WIDTH: first,
      ...bounds,
    },
    dims: { count },
    bindings: [`x=${names.x}`, ...sizes.map((_, p) => `part${p}=${names.part(p)}`)],
    workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
  };
}

const backward: Backward<SplitParams, "x", never, Part> = {
  needs: [],
  cpu(given, { gradX }, shapes, params) {
    const parts = PARTS.map((part) => given[gradientName(part)]!);
    eachRow(shapes, params, (p, inX, inPart, size) => {
      gradX!.set(parts[p]!.subarray(inPart, inPart + size), inX);
    });
  },
  launch: (shapes, params, limits) => ({
    scratch: {},
    passes: [pass(shapes, params, { x: "gradX", part: (p) => `gradPart${p}` }, limits, true)],
  }),
  tolerance: 0,
};

function drawn(
  name: string,
  leading: readonly number[],
  sizes: readonly number[],
): OpCase<SplitParams, "x", never> {
  const width = sizes.reduce((a, b) => a + b, 0);
  return {
    name,
    params: { sizes },
    inputs: (random) => ({ x: normal(random, [...leading, width]) }),
  };
}

/** Parts of the last axis; equation at the head of this file. */
export const split = defineOp<SplitParams, "x", never, Part>({
  name: "split",
  inputs: ["x"],
  optional: [],
  outputs: PARTS,
  outputShapes,
  cpu({ x }, outputs, shapes, params) {
    const parts: FloatArray[] = PARTS.map((part) => outputs[part]);
    eachRow(shapes, params, (p, inX, inPart, size) => {
      parts[p]!.set(x.subarray(inX, inX + size), inPart);
    });
  },
  launch: (shapes, params, limits) => ({
    scratch: {},
    passes: [pass(shapes, params, { x: "x", part: (p) => `part${p}` }, limits, false)],
  }),
  work: ({ x }) => sizeOf(x),
  sized: (work) =>
    drawn(`${work} elements`, [Math.max(1, Math.round(work / 96))], [16, 8, 24, 12, 20, 16]),
  cases: [
    { ...drawn("halves, four at a time", [2, 9], [8, 8]), quick: true },
    drawn("odd sizes", [65], [3, 1, 9]),
    drawn("even sizes, one row", [1], [2, 6, 4, 2]),
    drawn("six parts", [3, 43], [1, 2, 3, 4, 5, 6]),
    drawn("one part", [5], [13]),
  ],
  tolerance: 0,
  backward,
});
