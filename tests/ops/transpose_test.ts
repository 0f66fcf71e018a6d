import assert from "node:assert/strict";
import { transpose } from "../../src/ops/transpose.ts";
import { DEFAULT_LIMITS, filled, run } from "./_run.ts";

Deno.test("transpose() swaps the last two axes of each matrix", async () => {
  const { out } = await run(transpose, { x: filled([2, 2, 3], (i) => i) }, {});
  assert.deepEqual(out!.shape, [2, 3, 2]);
  assert.deepEqual([...out!.data], [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
});

Deno.test("transpose() twice is where it began", async () => {
  const x = filled([3, 7, 19], (i) => i * i);
  const { out } = await run(transpose, { x }, {});
  const again = await run(transpose, { x: out! }, {});
  assert.deepEqual(again.out, x);
});

Deno.test("transpose() refuses what has no two axes", async () => {
  const x = filled([5], (i) => i);
  await assert.rejects(() => run(transpose, { x }, {}), { field: "x.rank" });
});

Deno.test("transpose() has a workgroup for each tile, over two axes where one has a limit", () => {
  const groups = (x: number[]) => transpose.launch({ x }, {}, DEFAULT_LIMITS).passes[0]!.workgroups;
  assert.deepEqual(groups([3, 33, 16]), [9, 1, 1]);
  const [across, down] = groups([1 << 20, 32]);
  assert.ok(across <= 65_535 && across * down >= 2 * 65_536);
});
