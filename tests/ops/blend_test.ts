import assert from "node:assert/strict";
import { blend } from "../../src/ops/blend.ts";
import { run, t } from "./_run.ts";

Deno.test("blend() goes a share of the way", async () => {
  const inputs = { a: t([2], [0, 8]), b: t([2], [4, 0]) };
  assert.deepEqual([...(await run(blend, inputs, { share: 0.25 })).out!.data], [1, 6]);
  assert.deepEqual([...(await run(blend, inputs, { share: 0 })).out!.data], [0, 8]);
});

Deno.test("blend() refuses a share outside 0 to 1, and other shapes", async () => {
  const a = t([2], [0, 8]);
  await assert.rejects(() => run(blend, { a, b: a }, { share: 1.5 }), { field: "share" });
  await assert.rejects(() => run(blend, { a, b: t([1], [0]) }, { share: 0.5 }), /Axis "b.0"/);
});
