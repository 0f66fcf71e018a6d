/**
 * Swaps the last two axes: how features, one beside the other at each sample, become series.
 *
 *   out[.., j, i] = x[.., i, j]          gradX[.., i, j] = gradOut[.., j, i]
 *
 * The shader carries a square tile through workgroup memory, so that reads and writes are both
 * along the rows of memory.
 *
 * Tolerance: a copy, exact.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `transpose` takes no parameters. */
export type TransposeParams = Record<string, never>;

type Shapes = Named<"x", never, Shape>;

/** Rows and columns of a tile, one invocation each element: 256 is what every device has. */
const TILE = 16;

/** Rows and columns of the matrices of x. */
function sidesOf({ x }: Shapes): [rows: number, columns: number] {
  if (x.length < 2) throw new InvalidValueError("x.rank", x.length, "at least 2");
  return x.slice(-2) as [number, number];
}

/** The twin of both ways: x [.., rows, columns], out [.., columns, rows]. */
function transposeInto(out: FloatArray, x: FloatArray, rows: number, columns: number): void {
  const size = rows * columns;
  for (let start = 0; start < x.length; start += size) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        out[start + j * rows + i] = x[start + i * columns + j]!;
      }
    }
  }
}

function transposePlan(
  count: number,
  [rows, columns]: readonly [number, number],
  limits: GpuLimits,
  bindings: readonly string[],
): LaunchPlan {
  const down = groupsFor(rows, TILE);
  const across = groupsFor(columns, TILE);
  const tiles = count === 0 ? 0 : count / (rows * columns) * down * across;
  return {
    scratch: {},
    passes: [{
      entry: "transpose",
      constants: { TILE, GROUP: TILE * TILE },
      dims: { tiles, rows, columns, down, across },
      bindings,
      workgroups: spreadGroups(tiles, limits),
    }],
  };
}

const backward: Backward<TransposeParams, "x", never, "out"> = {
  needs: [],
  cpu({ gradOut }, { gradX }, shapes) {
    const [rows, columns] = sidesOf(shapes);
    transposeInto(gradX!, gradOut!, columns, rows);
  },
  launch(shapes, _params, limits) {
    const [rows, columns] = sidesOf(shapes);
    const bindings = ["x=gradOut", "out=gradX"];
    return transposePlan(sizeOf(shapes.x), [columns, rows], limits, bindings);
  },
  tolerance: 0,
};

type Case = OpCase<TransposeParams, "x", never>;

function matrices(name: string, shape: Shape, change: Partial<Case> = {}): Case {
  return { name, params: {}, inputs: (random) => ({ x: normal(random, shape) }), ...change };
}

/** Swap of the last two axes; equation at the head of this file. */
export const transpose = defineOp<TransposeParams, "x", never, "out">({
  name: "transpose",
  inputs: ["x"],
  optional: [],
  outputs: ["out"],
  outputShapes(shapes): { out: Shape } {
    const [rows, columns] = sidesOf(shapes);
    return { out: [...shapes.x.slice(0, -2), columns, rows] };
  },
  cpu({ x }, { out }, shapes) {
    const [rows, columns] = sidesOf(shapes);
    transposeInto(out, x, rows, columns);
  },
  launch: (shapes, _params, limits) =>
    transposePlan(sizeOf(shapes.x), sidesOf(shapes), limits, ["x", "out"]),
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => matrices(`${work} elements`, [Math.max(1, Math.round(work / 32)), 32]),
  cases: [
    matrices("one number", [1, 1]),
    matrices("one tile", [16, 16]),
    matrices("one tile and one", [17, 17]),
    matrices("samples of features", [3, 37, 5], { quick: true }),
    matrices("series of features", [2, 2, 5, 70]),
    matrices("a row", [1, 65]),
    matrices("nothing", [2, 0, 3]),
    matrices("denormals", [5, 33], { inputs: (random) => ({ x: denormal(random, [5, 33]) }) }),
  ],
  tolerance: 0,
  backward,
});
