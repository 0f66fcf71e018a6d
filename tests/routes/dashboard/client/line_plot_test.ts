import assert from "node:assert/strict";
import { plotPaths, rangeOf } from "../../../../routes/dashboard/client/line_plot.ts";

const line = (ys: readonly (number | null)[], xs = ys.map((_, i) => i)) => ({ kind: "a", xs, ys });

Deno.test("rangeOf() is that of all lines, and none of missing values", () => {
  assert.deepEqual(rangeOf([line([1, null, 3]), line([-2, 0])]), [-2, 3]);
  assert.equal(rangeOf([line([null]), line([])]), null);
});

Deno.test("plotPaths() puts lines into one frame, and lifts the pen at gaps", () => {
  const paths = plotPaths([line([0, null, 1, 0.5]), line([1], [6])], [0, 1], 90);
  assert.deepEqual(paths, ["M3 87M241 3L360 45", "M717 3"]);
  assert.deepEqual(plotPaths([line([])], [0, 1], 90), [""]);
  // One place, one value: in the middle.
  assert.deepEqual(plotPaths([line([7], [5])], [7, 7], 90), ["M360 45"]);
});
