import assert from "node:assert/strict";
import { matmul } from "../../src/ops/matmul.ts";
import { normMatmul } from "../../src/ops/norm_matmul.ts";
import { rmsNorm } from "../../src/ops/rms_norm.ts";
import { distance, filled, run } from "./_run.ts";

Deno.test("normMatmul() is the norm and the product of what comes of it", async () => {
  const x = filled([2, 3, 5], (i) => Math.sin(i));
  const weight = filled([5], (i) => 1 + i);
  const b = filled([4, 5], (i) => Math.cos(i));
  const bias = filled([4], (i) => i);
  const { c } = await run(normMatmul, { x, weight, b, bias }, { eps: 0.1 });
  const { out } = await run(rmsNorm, { x, weight }, { eps: 0.1 });
  const apart = await run(matmul, { a: out!, b, bias }, { transposeB: true });
  assert.deepEqual(c!.shape, [2, 3, 4]);
  assert.ok(distance(c!.data, apart["c"]!.data) < 1e-14);
});

Deno.test("normMatmul() does not change when a row is scaled, as long as eps is small", async () => {
  const weight = filled([6], () => 1);
  const b = filled([3, 6], (i) => Math.cos(i));
  const at = (scale: number) =>
    run(normMatmul, { x: filled([1, 6], (i) => scale * (i + 1)), weight, b }, { eps: 1e-20 });
  assert.ok(distance((await at(1))["c"]!.data, (await at(1000))["c"]!.data) < 1e-12);
});

Deno.test("normMatmul() names the axis or the value at fault", async () => {
  const x = filled([2, 3], () => 1);
  const fails = (shapes: Record<string, number[]>, error: object, eps = 1e-5) =>
    assert.rejects(() => {
      const given = { weight: [3], b: [4, 3], ...shapes };
      const tensors = Object.entries(given).map(([name, shape]) => [name, filled(shape, () => 1)]);
      return run(normMatmul, { x, ...Object.fromEntries(tensors) }, { eps });
    }, error);
  await fails({ weight: [2] }, { axis: "weight.feature" });
  await fails({ b: [4, 2] }, { axis: "b.feature" });
  await fails({ bias: [3] }, { axis: "bias.n" });
  await fails({}, { field: "eps" }, 0);
});
