/**
 * Rows of a table by number: what turns tokens into features.
 *
 *   out[.., :]        = table[ids[..], :]
 *
 *   gradTable[row, :] = Σ gradOut[.., :] over the positions whose id is `row`        gradIds = 0
 *
 * The table is [vocabulary, feature], ids are [..] (mostly [batch, length]), out is [.., feature].
 * Ids are whole numbers stored as floats, exact to 2^24; a fraction goes to the nearest row, and
 * what is out of range to the first or last (`expectIds` refuses such values on the host).
 *
 * On a GPU the gradient is gathered, not scattered: a workgroup looks for one row of the table in a
 * run of positions and adds what it finds in a fixed order, and the runs' sums are added after, so
 * there are no atomics and the bits are the same each time. Few rows take many short runs, many
 * rows few long ones.
 *
 * Tolerance: a copy; the gradient adds up to all positions in f32, 5e-6.
 */
import { LimitError, ShapeError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectRank, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";
import { constant, fill, normal } from "./_helpers/cases.ts";
import { IDS_MAX, nearestId } from "../tensor/ids.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `embedding` takes no parameters. */
export type EmbeddingParams = Record<string, never>;

type Shapes = Named<"table" | "ids", never, Shape>;

function outputShapes({ table, ids }: Shapes): { out: Shape } {
  expectRank("table", 2, table);
  const [vocabulary, feature] = table as [number, number];
  if (vocabulary < 1) throw new ShapeError("table.vocabulary", 1, vocabulary);
  if (vocabulary > IDS_MAX) throw new LimitError("IDS_MAX", IDS_MAX, vocabulary, "table");
  return { out: [...ids, feature] };
}

function cpu(
  { table, ids }: Named<"table" | "ids", never, FloatArray>,
  { out }: { readonly out: FloatArray },
  shapes: Shapes,
): void {
  const [vocabulary, feature] = shapes.table as [number, number];
  for (let i = 0; i < ids.length; i++) {
    const row = nearestId(ids[i]!, vocabulary) * feature;
    for (let j = 0; j < feature; j++) out[i * feature + j] = table[row + j]!;
  }
}

/** Positions that a workgroup of the backward goes through at a time: a tile of the shader. */
const TILE = 32 * POINTWISE_GROUP;
/** Elements of the partial sums, 64 MiB, which many rows of many features may need. */
const PARTIAL_MAX = 2 ** 24;

/** Into how many runs the positions are cut, and their length, a multiple of the tile. */
function runsOf(vocabulary: number, feature: number, positions: number) {
  const tiles = Math.max(1, Math.ceil(positions / TILE));
  const affordable = Math.max(1, Math.floor(PARTIAL_MAX / Math.max(1, vocabulary * feature)));
  const run = Math.ceil(tiles / Math.min(tiles, affordable)) * TILE;
  return { run, runs: Math.max(1, Math.ceil(positions / run)) };
}

function dimsOf(shapes: Shapes) {
  const [vocabulary, feature] = shapes.table as [number, number];
  const positions = sizeOf(shapes.ids);
  return { vocabulary, feature, positions, count: positions * feature };
}

function launch(shapes: Shapes, _params: EmbeddingParams, limits: GpuLimits): LaunchPlan {
  const dims = dimsOf(shapes);
  return {
    scratch: {},
    passes: [{
      entry: "gather",
      constants: { GROUP: POINTWISE_GROUP, SLICE: 0 },
      dims: { ...dims, run: 0 },
      bindings: ["table", "ids", "out"],
      workgroups: spreadGroups(groupsFor(dims.count, POINTWISE_GROUP), limits),
    }],
  };
}

const backward: Backward<EmbeddingParams, "table" | "ids", never, "out"> = {
  needs: ["ids"],
  cpu({ ids, gradOut }, { gradTable, gradIds }, shapes) {
    const [vocabulary, feature] = shapes.table as [number, number];
    const sums = new Float64Array(vocabulary * feature);
    for (let i = 0; i < ids!.length; i++) {
      const row = nearestId(ids![i]!, vocabulary) * feature;
      for (let j = 0; j < feature; j++) sums[row + j]! += gradOut![i * feature + j]!;
    }
    gradTable!.set(sums);
    gradIds!.fill(0);
  },
  launch(shapes, _params, limits) {
    const dims = dimsOf(shapes);
    const { vocabulary, feature, positions } = dims;
    const { run, runs } = runsOf(vocabulary, feature, positions);
    const blocks = groupsFor(feature, POINTWISE_GROUP);
    // Rows that fit on the first axis; the third takes the rest.
    const slice = Math.max(
      1,
      Math.min(vocabulary, Math.floor(limits.workgroupsPerAxisMax / blocks)),
    );
    const sums = runs === 1 ? "gradTable" : "runSums";
    const own: LaunchPlan = {
      scratch: runs === 1 ? {} : { runSums: runs * vocabulary * feature },
      passes: [{
        entry: "clear_ids",
        constants: { GROUP: POINTWISE_GROUP, SLICE: 0 },
        dims: { ...dims, run },
        bindings: ["gradIds"],
        workgroups: spreadGroups(groupsFor(positions, POINTWISE_GROUP), limits),
      }, {
        entry: "scatter",
        constants: { GROUP: POINTWISE_GROUP, SLICE: slice },
        dims: { ...dims, run },
        bindings: ["ids", "gradOut", `sums=${sums}`],
        workgroups: [slice * blocks, runs, groupsFor(vocabulary, slice)],
      }],
    };
    if (runs === 1) return own;
    const columns = vocabulary * feature;
    return joinPlans(
      own,
      columnSums({ target: "gradTable", left: "runSums", rows: runs, columns }),
    );
  },
  tolerance: 5e-6,
};

/** Ids in which some rows stand often, some once and some never. */
function spreadIds(shape: Shape, vocabulary: number): Tensor {
  return fill(shape, (i) => i % 3 === 0 ? 0 : (i * i) % vocabulary);
}

type Case = OpCase<EmbeddingParams, "table" | "ids", never>;

const drawn = (
  name: string,
  rows: Shape,
  vocabulary: number,
  feature: number,
  quick = false,
): Case => ({
  name,
  quick,
  params: {},
  inputs: (random) => ({
    table: normal(random, [vocabulary, feature]),
    ids: spreadIds(rows, vocabulary),
  }),
});

const cases: readonly Case[] = [
  drawn("one position, one row", [1, 1], 1, 3),
  drawn("several axes", [3, 7], 16, 5, true),
  drawn("a tile and one, two blocks of features", [1, TILE + 1], 5, POINTWISE_GROUP + 1),
  drawn("more rows than positions", [9], 300, 8),
  {
    name: "fractions and out of range",
    params: {},
    inputs: (random) => ({
      table: normal(random, [4, 3]),
      ids: fill([6], (i) => [-5, 0.4, 1.6, 2, 9, 1e30][i]!),
    }),
  },
  {
    name: "denormals",
    params: {},
    inputs: () => ({ table: constant([3, 2], 1e-40), ids: fill([5], (i) => i % 3) }),
  },
];

/** Rows of a table by number; equation at the head of this file. */
export const embedding = defineOp<EmbeddingParams, "table" | "ids", never, "out">({
  name: "embedding",
  inputs: ["table", "ids"],
  optional: [],
  outputs: ["out"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.ids) * shapes.table[1]!,
  sized: (work) => drawn(`${work} elements`, [1, Math.max(1, Math.round(work / 16))], 16, 16),
  cases,
  tolerance: 1e-7,
  backward,
});
