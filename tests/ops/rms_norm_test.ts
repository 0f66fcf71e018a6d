import assert from "node:assert/strict";
import { rmsNorm } from "../../src/ops/rms_norm.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("rmsNorm() gives rows a root mean square of 1", async () => {
  const { out } = await run(rmsNorm, { x: t([1, 2], [3, 4]) }, { eps: 1e-300 });
  const rms = Math.sqrt(12.5);
  assert.ok(distance(out!.data, [3 / rms, 4 / rms]) < 1e-15);
});

Deno.test("rmsNorm() of a group does not see the others", async () => {
  const params = { eps: 1e-5, groupSize: 2 };
  const near = await run(rmsNorm, { x: t([1, 4], [1, 2, 3, 4]) }, params);
  const far = await run(rmsNorm, { x: t([1, 4], [1, 2, 300, 4]) }, params);
  assert.deepEqual(near.out!.data.subarray(0, 2), far.out!.data.subarray(0, 2));
});

Deno.test("rmsNorm() does not change with the input's scale", async () => {
  const x = filled([3, 16], (i) => Math.sin(3 * i));
  const large = filled([3, 16], (i) => 1e6 * Math.sin(3 * i));
  const a = await run(rmsNorm, { x }, { eps: 1e-30 });
  const b = await run(rmsNorm, { x: large }, { eps: 1e-30 });
  assert.ok(distance(a.out!.data, b.out!.data) < 1e-14);
});

Deno.test("rmsNorm() names the parameter at fault", async () => {
  const x = filled([2, 6], () => 1);
  await assert.rejects(() => run(rmsNorm, { x }, { eps: 0 }), { field: "eps" });
  await assert.rejects(() => run(rmsNorm, { x }, { eps: 1, groupSize: 4 }), { field: "groupSize" });
});
