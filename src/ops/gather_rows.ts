/**
 * Rows of one table or of two, by number: what takes some streams' states out of those of all, and
 * puts them back.
 *
 *   out[i] = a[rows[i]]                 for rows[i] < count of rows of a
 *   out[i] = b[rows[i] − count of a]    for the others
 *
 * A row is all that follows the first axis, the same shape in both tables. Numbers of rows are
 * whole numbers stored as floats, as in `embedding`, exact to 2^24; a fraction goes to the nearest
 * row, and what is out of range to the first or last. States are carried, not learned: there is no
 * way back.
 *
 * Tolerance: a copy, exact.
 */
import { LimitError, ShapeError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { IDS_MAX, nearestId } from "../tensor/ids.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { fill, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `gatherRows` takes no parameters. */
export type GatherRowsParams = Record<string, never>;

type Shapes = Named<"a" | "rows", "b", Shape>;

function sizesOf({ a, b, rows }: Shapes) {
  expectRank("rows", 1, rows);
  if (a.length < 1) throw new ShapeError("rank of a", 1, a.length);
  const [rowsA, ...row] = a as [number, ...number[]];
  if (b) expectShape("b", ["row", ...row.map((_, i) => `${i + 1}`)], [b[0]!, ...row], b);
  const rowsAll = rowsA + (b ? b[0]! : 0);
  if (rowsAll < 1) throw new ShapeError("rows of a and b", 1, rowsAll);
  if (rowsAll > IDS_MAX) throw new LimitError("IDS_MAX", IDS_MAX, rowsAll, "rows of a and b");
  return { rowsA, rowsAll, width: sizeOf(row), out: [rows[0]!, ...row] };
}

function launch(shapes: Shapes, _params: GatherRowsParams, limits: GpuLimits): LaunchPlan {
  const { rowsA, rowsAll, width, out } = sizesOf(shapes);
  const count = sizeOf(out);
  const b = shapes.b ? ["b"] : [];
  return {
    scratch: {},
    passes: [{
      entry: "gather",
      constants: { GROUP: POINTWISE_GROUP, HAS_B: b.length },
      dims: { count, width: Math.max(1, width), rowsA, rowsAll },
      bindings: ["a", "rows", ...b, "out"],
      workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
    }],
  };
}

type RowsCase = OpCase<GatherRowsParams, "a" | "rows", "b">;

function rowsCase(name: string, a: Shape, rowsB: number | undefined, rows: readonly number[]) {
  const made: RowsCase = {
    name,
    quick: rowsB !== undefined,
    params: {},
    inputs: (random) => ({
      a: normal(random, a),
      ...(rowsB !== undefined && { b: normal(random, [rowsB, ...a.slice(1)]) }),
      rows: fill([rows.length], (i) => rows[i]!),
    }),
  };
  return made;
}

/** Rows by number; equation and shapes at the head of this file. */
export const gatherRows = defineOp<GatherRowsParams, "a" | "rows", "b", "out">({
  name: "gather_rows",
  inputs: ["a", "rows"],
  optional: ["b"],
  outputs: ["out"],
  outputShapes: (shapes) => ({ out: sizesOf(shapes).out }),
  /**
   * The twin.
   *
   *   a     [rowA, ..]
   *   b     [rowB, ..]
   *   rows  [n]
   *   out   [n, ..]
   */
  cpu(
    { a, b, rows }: Named<"a" | "rows", "b", FloatArray>,
    { out }: { readonly out: FloatArray },
    shapes: Shapes,
  ): void {
    const { rowsA, rowsAll, width } = sizesOf(shapes);
    for (let i = 0; i < rows.length; i++) {
      const row = nearestId(rows[i]!, rowsAll);
      const [table, at] = row < rowsA ? [a, row] : [b!, row - rowsA];
      out.set(table.subarray(at * width, (at + 1) * width), i * width);
    }
  },
  launch,
  work: (shapes) => sizeOf(sizesOf(shapes).out),
  sized: (work) => {
    const count = Math.max(1, Math.round(work / 64));
    const rows = Array.from({ length: count }, (_, i) => (i * 7) % (count + 5));
    return rowsCase(`${work} elements`, [count, 8, 8], 5, rows);
  },
  cases: [
    rowsCase("one row of one", [1, 3], undefined, [0]),
    rowsCase("some rows, one of them twice", [5, 4, 3], undefined, [4, 0, 0, 2]),
    rowsCase("rows put back", [6, 7], 3, [0, 6, 2, 7, 8, 5]),
    rowsCase("rows of the second table alone", [2, 65], 2, [3, 2]),
    rowsCase("numbers between rows and out of range", [3, 2], 2, [0.4, 0.6, -2, 9, 2.5]),
  ],
  tolerance: 0,
});
