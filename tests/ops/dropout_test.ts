import assert from "node:assert/strict";
import { openScope } from "../../src/device/scope.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { runOp } from "../../src/ops/run.ts";
import { asDtype } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { filled, run } from "./_run.ts";

const COUNT = 40_000;
const ones = filled([COUNT], () => 1);

const kept = async (params: object) =>
  [...(await run(dropout, { x: ones }, params)).out!.data].map((value) => value !== 0);

Deno.test("dropout() drops its share and keeps the mean", async () => {
  const { out } = await run(dropout, { x: ones }, { rate: 0.2, seed: 5, step: 9 });
  const mean = [...out!.data].reduce((a, b) => a + b) / COUNT;
  // Four standard deviations of a mean of 40000 draws of variance 0.25.
  assert.ok(Math.abs(mean - 1) < 4 * Math.sqrt(0.25 / COUNT));
  assert.ok(out!.data.every((value) => value === 0 || value === 1 / 0.8));
});

Deno.test("dropout() draws anew for each seed, step and neighbour", async () => {
  const first = await kept({ rate: 0.5, seed: 1, step: 1 });
  const others = [
    await kept({ rate: 0.5, seed: 2, step: 1 }),
    await kept({ rate: 0.5, seed: 1, step: 2 }),
    [...first.slice(1), first[0]!],
  ];
  for (const other of others) {
    const same = first.filter((value, i) => value === other[i]).length / COUNT;
    assert.ok(Math.abs(same - 0.5) < 4 * Math.sqrt(0.25 / COUNT));
  }
  assert.deepEqual(await kept({ rate: 0.5, seed: 1, step: 1 }), first);
});

gpuTest("dropout() drops the very same elements on a GPU", async (gpu) => {
  const params = { rate: 0.37, seed: 123_456, step: 4_000_000_000 };
  const scope = openScope(gpu);
  const { out } = runOp(scope, dropout, { x: asDtype(ones, "f32") }, params);
  const onGpu = [...(await scope.read(out)).data].map((value) => value !== 0);
  scope.release();
  assert.deepEqual(onGpu, await kept(params));
});

Deno.test("dropout() names the parameter at fault", async () => {
  await assert.rejects(() => kept({ rate: 1, seed: 0, step: 0 }), { field: "rate" });
  await assert.rejects(() => kept({ rate: 0.5, seed: -1, step: 0 }), { field: "seed" });
  await assert.rejects(() => kept({ rate: 0.5, seed: 0, step: 0.5 }), { field: "step" });
});
