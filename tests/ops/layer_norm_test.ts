import assert from "node:assert/strict";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("layerNorm() gives rows mean 0 and biased variance 1", async () => {
  const { out } = await run(layerNorm, { x: t([1, 3], [1, 2, 3]) }, { eps: 1e-300 });
  const edge = Math.sqrt(1.5);
  assert.ok(distance(out!.data, [-edge, 0, edge]) < 1e-15);
});

Deno.test("layerNorm() does not lose a small spread on a large offset", async () => {
  const x = filled([1, 8], (i) => 1e6 + i);
  const near = filled([1, 8], (i) => i);
  const a = await run(layerNorm, { x }, { eps: 1e-9 });
  const b = await run(layerNorm, { x: near }, { eps: 1e-9 });
  assert.ok(distance(a.out!.data, b.out!.data) < 1e-9);
});

Deno.test("layerNorm() names the axis or the parameter at fault", async () => {
  const x = filled([2, 6], () => 1);
  await assert.rejects(() => run(layerNorm, { x }, { eps: -1 }), { field: "eps" });
  await assert.rejects(
    () => run(layerNorm, { x, bias: filled([5], () => 1) }, { eps: 1e-5 }),
    { axis: "bias.feature" },
  );
});
