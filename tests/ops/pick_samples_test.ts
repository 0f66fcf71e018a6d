import assert from "node:assert/strict";
import { pickSamples } from "../../src/ops/pick_samples.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("pickSamples() takes samples by their places, the same one twice if asked", async () => {
  const x = filled([2, 3, 2], (i) => i);
  const { out } = await run(pickSamples, { x, at: t([2, 3], [2, 0, 2, 1, 1, 9]) }, {});
  assert.deepEqual(out!.shape, [2, 3, 2]);
  assert.deepEqual([...out!.data], [4, 5, 0, 1, 4, 5, 8, 9, 8, 9, 10, 11]);
});

Deno.test("pickSamples() names what is at fault", async () => {
  const x = filled([2, 3, 2], (i) => i);
  await assert.rejects(() => run(pickSamples, { x, at: t([1, 1], [0]) }, {}), {
    axis: "at.batch",
  });
  const none = filled([2, 0, 2], () => 0);
  await assert.rejects(() => run(pickSamples, { x: none, at: t([2, 1], [0, 0]) }, {}), {
    axis: "x.length",
  });
});
