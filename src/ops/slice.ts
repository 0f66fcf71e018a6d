/**
 * A range of the last axis as a tensor of its own: how a projection's output is split into parts.
 *
 *   out[.., i] = x[.., start + i]        i < count
 *   gradX      = gradOut there, 0 elsewhere
 *
 * Tolerance: a copy, exact.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { lastAxis, rowsOf, type Shape } from "../tensor/shape.ts";
import { normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { type Backward, defineOp, type Pass } from "./op.ts";

/** Parameters of {@linkcode slice}. */
export interface SliceParams {
  /** First element of the range. */
  readonly start: number;
  /** Size of the range. */
  readonly count: number;
}

/** A pass over `size` floats of its output; its sizes are in Elements. */
function pass(
  entry: string,
  bindings: readonly string[],
  size: number,
  { x }: { readonly x: Shape },
  { start, count }: SliceParams,
  limits: GpuLimits,
): Pass {
  const width = lastAxis("x", x);
  const vector = vectorOf(width, start, count);
  return {
    entry,
    constants: { GROUP: WIDE_GROUP, VECTOR: vector },
    dims: {
      size: size / vector,
      width: width / vector,
      start: start / vector,
      count: Math.max(1, count / vector),
    },
    bindings,
    workgroups: spreadGroups(groupsFor(size / vector, WIDE_GROUP), limits),
  };
}

const backward: Backward<SliceParams, "x", never, "out"> = {
  needs: [],
  cpu({ gradOut }, { gradX }, shapes, { start, count }) {
    const width = lastAxis("x", shapes.x);
    gradX!.fill(0);
    for (let row = 0; row < rowsOf(shapes.x); row++) {
      gradX!.set(gradOut!.subarray(row * count, (row + 1) * count), row * width + start);
    }
  },
  launch(shapes, { start, count }, limits) {
    const size = rowsOf(shapes.x) * lastAxis("x", shapes.x);
    const bindings = ["x=gradOut", "out=gradX"];
    return {
      scratch: {},
      passes: [pass("spread_range", bindings, size, shapes, { start, count }, limits)],
    };
  },
  tolerance: 0,
};

/** Range of the last axis; equation at the head of this file. */
export const slice = defineOp<SliceParams, "x", never, "out">({
  name: "slice",
  inputs: ["x"],
  optional: [],
  outputs: ["out"],
  outputShapes(shapes, { start, count }): { out: Shape } {
    const width = lastAxis("x", shapes.x);
    if (!(Number.isInteger(start) && start >= 0 && start <= width)) {
      throw new InvalidValueError("start", start, `an integer from 0 to ${width}`);
    }
    if (!(Number.isInteger(count) && count >= 0 && start + count <= width)) {
      throw new InvalidValueError("count", count, `an integer from 0 to ${width - start}`);
    }
    return { out: [...shapes.x.slice(0, -1), count] };
  },
  cpu({ x }, { out }, shapes, { start, count }) {
    const width = lastAxis("x", shapes.x);
    const rows = rowsOf(shapes.x);
    for (let row = 0; row < rows; row++) {
      const at = row * width + start;
      out.set(x.subarray(at, at + count), row * count);
    }
  },
  launch(shapes, { start, count }, limits) {
    const size = rowsOf(shapes.x) * count;
    return {
      scratch: {},
      passes: [pass("copy_range", ["x", "out"], size, shapes, { start, count }, limits)],
    };
  },
  work: (shapes, { count }) => rowsOf(shapes.x) * count,
  sized: (work) => ({
    name: `${work} elements`,
    params: { start: 16, count: 32 },
    inputs: (random) => ({ x: normal(random, [Math.max(1, Math.round(work / 32)), 64]) }),
  }),
  cases: [
    {
      name: "middle",
      quick: true,
      params: { start: 3, count: 7 },
      inputs: (random) => ({ x: normal(random, [2, 9, 13]) }),
    },
    {
      name: "middle, four at a time",
      params: { start: 4, count: 8 },
      inputs: (random) => ({ x: normal(random, [3, 7, 16]) }),
    },
    {
      name: "all",
      params: { start: 0, count: 13 },
      inputs: (random) => ({ x: normal(random, [5, 13]) }),
    },
    {
      name: "last element",
      params: { start: 12, count: 1 },
      inputs: (random) => ({ x: normal(random, [65, 13]) }),
    },
  ],
  tolerance: 0,
  backward,
});
