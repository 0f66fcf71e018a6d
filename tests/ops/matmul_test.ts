import assert from "node:assert/strict";
import { matmul } from "../../src/ops/matmul.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("matmul() multiplies, transposes and adds the bias", async () => {
  const a = t([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = t([3, 2], [7, 8, 9, 10, 11, 12]);
  const expected = [58, 64, 139, 154];
  assert.deepEqual([...(await run(matmul, { a, b }, {})).c!.data], expected);
  const aT = t([3, 2], [1, 4, 2, 5, 3, 6]);
  const bT = t([2, 3], [7, 9, 11, 8, 10, 12]);
  const both = { transposeA: true, transposeB: true };
  assert.deepEqual([...(await run(matmul, { a: aT, b: bT }, both)).c!.data], expected);
  const biased = await run(matmul, { a, b, bias: t([2], [100, 200]) }, {});
  assert.deepEqual([...biased.c!.data], [158, 264, 239, 354]);
});

Deno.test("matmul() keeps leading axes", async () => {
  const { c } = await run(matmul, {
    a: filled([2, 3, 5, 4], (i) => i),
    b: filled([4, 6], () => 1),
  }, {});
  assert.deepEqual(c!.shape, [2, 3, 5, 6]);
});

Deno.test("matmul() names the axis or the rank at fault", async () => {
  const a = filled([2, 3], () => 1);
  const fails = (b: number[], params: object, error: object) =>
    assert.rejects(() => run(matmul, { a, b: filled(b, () => 1) }, params), error);
  await fails([4, 2], {}, { axis: "b.k" });
  await fails([3], {}, { field: "b.rank" });
  await assert.rejects(
    () => run(matmul, { a, b: filled([3, 2], () => 1), bias: filled([3], () => 1) }, {}),
    { axis: "bias.n" },
  );
  await assert.rejects(
    () =>
      run(matmul, {
        a: filled([2, 3, 4], () => 1),
        b: filled([3, 2], () => 1),
      }, { transposeA: true }),
    { field: "a.rank" },
  );
});
