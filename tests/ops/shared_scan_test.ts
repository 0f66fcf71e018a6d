import assert from "node:assert/strict";
import { denseScan } from "../../src/ops/dense_scan.ts";
import { sharedScan } from "../../src/ops/shared_scan.ts";
import { distance, filled, run, steps, t } from "./_run.ts";

const STATE = 4;
const u = filled([2, 9, 3], (i) => Math.sin(i * 1.3));
const A = filled([STATE, STATE], (i) => 0.2 * Math.cos(i * i));
const B = filled([STATE], (i) => 1 / (i + 1));

Deno.test("sharedScan() is dense_scan with the same system for every feature", async () => {
  const shared = await run(sharedScan, { u, A, B }, {});
  const dense = await run(denseScan, {
    u,
    A: filled([3, STATE, STATE], (i) => A.data[i % A.data.length]!),
    B: filled([3, STATE], (i) => B.data[i % STATE]!),
    C: filled([3, STATE, STATE], (i) => i % (STATE * STATE) % (STATE + 1) === 0 ? 1 : 0),
  }, {});
  assert.deepEqual(shared.states!.shape, [2, 9, 3, STATE]);
  assert.ok(distance(shared.states!.data, dense.y!.data) < 1e-14);
  assert.ok(distance(shared.state!.data, dense.state!.data) < 1e-14);
});

Deno.test("sharedScan() with equal systems at every sample is that of one system", async () => {
  const one = await run(sharedScan, { u, A, B }, {});
  const each = await run(sharedScan, {
    u,
    A: filled([2, 9, STATE, STATE], (i) => A.data[i % A.data.length]!),
    B: filled([2, 9, STATE], (i) => B.data[i % STATE]!),
  }, {});
  assert.deepEqual(each.states!.data, one.states!.data);
});

Deno.test("sharedScan() goes on from a carried state", async () => {
  const whole = await run(sharedScan, { u, A, B }, {});
  const first = await run(sharedScan, { u: steps(u, 0, 4), A, B }, {});
  const second = await run(sharedScan, { u: steps(u, 4, 9), A, B, x0: first.state! }, {});
  assert.deepEqual(second.state!.data, whole.state!.data);
});

Deno.test("sharedScan() names the axis at fault", async () => {
  const short = t([3], [1, 2, 3]);
  await assert.rejects(() => run(sharedScan, { u, A, B: short }, {}), { axis: "B.state" });
  const wide = filled([2, 8, STATE, STATE], () => 0);
  await assert.rejects(() => run(sharedScan, { u, A: wide, B }, {}), { axis: "A.length" });
});
