import assert from "node:assert/strict";
import { squaredNorm } from "../../src/ops/squared_norm.ts";
import { run, t } from "./_run.ts";

Deno.test("squaredNorm() adds the squares of all axes", async () => {
  const { norm } = await run(squaredNorm, { x: t([2, 2], [1, -2, 3, -4]) }, {});
  assert.deepEqual(norm!.shape, [1]);
  assert.equal(norm!.data[0], 30);
});
