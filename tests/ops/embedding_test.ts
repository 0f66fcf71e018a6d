import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { embedding } from "../../src/ops/embedding.ts";
import { runBackward } from "../../src/ops/run.ts";
import { asDtype } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("embedding() gives rows by number, under the ids' axes", async () => {
  const table = t([3, 2], [0, 1, 10, 11, 20, 21]);
  const { out } = await run(embedding, { table, ids: t([1, 2, 2], [2, 0, 1, 2]) }, {});
  assert.deepEqual(out!.shape, [1, 2, 2, 2]);
  assert.deepEqual([...out!.data], [20, 21, 0, 1, 10, 11, 20, 21]);
});

Deno.test("embedding() takes the nearest row of what is none", async () => {
  const table = t([2, 1], [5, 6]);
  const { out } = await run(embedding, { table, ids: t([5], [-3, 0.4, 0.5, 7, NaN]) }, {});
  assert.deepEqual([...out!.data], [5, 5, 6, 6, 5]);
});

Deno.test("embedding() adds the gradients of a row's positions", async () => {
  const cpu = openCpu({ poison: true });
  const given = { ids: t([4], [1, 0, 1, 1]), gradOut: filled([4, 2], (i) => i) };
  const shapes = { table: [3, 2], ids: [4] };
  const { gradTable } = runBackward(cpu, embedding, given, shapes, {});
  assert.deepEqual([...(await cpu.read(gradTable!)).data], [2, 3, 10, 13, 0, 0]);
});

Deno.test("embedding() needs a table of rows", async () => {
  const ids = t([1], [0]);
  await assert.rejects(() => run(embedding, { table: t([4], [1, 2, 3, 4]), ids }, {}), {
    axis: "rank of table",
  });
  await assert.rejects(() => run(embedding, { table: t([0, 4], []), ids }, {}), {
    axis: "table.vocabulary",
  });
});

gpuTest(
  "embedding() adds gradients of more rows than one axis of workgroups holds",
  async (gpu) => {
    const vocabulary = 70_001;
    const scope = openScope(gpu);
    const ids = asDtype(t([4], [0, 65_535, 70_000, 70_000]), "f32");
    const gradOut = asDtype(t([4, 1], [1, 2, 3, 4]), "f32");
    const shapes = { table: [vocabulary, 1], ids: [4] };
    const { gradTable } = runBackward(scope, embedding, { ids, gradOut }, shapes, {});
    const sums = (await scope.read(gradTable!)).data;
    scope.release();
    const rows = [...sums.keys()].filter((row) => sums[row] !== 0);
    assert.deepEqual(rows.map((row) => [row, sums[row]]), [[0, 1], [65_535, 2], [70_000, 7]]);
    assert.deepEqual(takeFaults(), []);
  },
);
