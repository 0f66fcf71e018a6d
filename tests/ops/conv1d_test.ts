import assert from "node:assert/strict";
import { conv1d, CONV1D_WIDTH_MAX } from "../../src/ops/conv1d.ts";
import { runBackward } from "../../src/ops/run.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { distance, filled, run, steps, t } from "./_run.ts";

const identity = { activation: "identity" } as const;

Deno.test("conv1d() multiplies the current sample by the last tap", async () => {
  const { y, state } = await run(conv1d, {
    u: t([1, 4, 1], [1, 2, 3, 4]),
    weight: t([1, 3], [100, 10, 1]),
    x0: t([1, 1, 2], [8, 9]),
  }, identity);
  assert.deepEqual([...y!.data], [891, 912, 123, 234]);
  assert.deepEqual([...state!.data], [3, 4]);
});

Deno.test("conv1d() continues from its state, also after fewer samples than taps", async () => {
  const u = filled([2, 9, 3], (i) => Math.sin(i));
  const weight = filled([3, 4], (i) => Math.cos(i));
  const whole = await run(conv1d, { u, weight }, { activation: "silu" });
  for (const cut of [1, 2, 5]) {
    const first = await run(conv1d, { u: steps(u, 0, cut), weight }, { activation: "silu" });
    const rest = await run(
      conv1d,
      { u: steps(u, cut, 9), weight, x0: first.state! },
      { activation: "silu" },
    );
    assert.equal(distance(rest.y!.data, steps(whole.y!, cut, 9).data), 0);
    assert.equal(distance(rest.state!.data, whole.state!.data), 0);
  }
});

Deno.test("conv1d() refuses windows that are too wide, and other shapes", async () => {
  const u = filled([1, 4, 2], () => 1);
  const wide = filled([2, CONV1D_WIDTH_MAX + 1], () => 1);
  await assert.rejects(() => run(conv1d, { u, weight: wide }, identity), { field: "weight.width" });
  const other = filled([3, 4], () => 1);
  await assert.rejects(() => run(conv1d, { u, weight: other }, identity), {
    axis: "weight.feature",
  });
});

gpuTest("conv1d of no rows has gradients of 0 for its weight and bias", async (gpu) => {
  for (const [batch, length] of [[2, 0], [0, 3]] as const) {
    const empty = tensorOf([batch, length, 3], new Float32Array(0));
    const given = {
      u: empty,
      weight: tensorOf([3, 2], new Float32Array(6).fill(1)),
      bias: tensorOf([3], new Float32Array(3)),
      gradY: empty,
      gradState: tensorOf([batch, 3, 1], new Float32Array(batch * 3).fill(1)),
    };
    const shapes = { u: empty.shape, weight: [3, 2], bias: [3] };
    const gradients = runBackward(gpu, conv1d, given, shapes, { activation: "silu" });
    assert.deepEqual((await gpu.read(gradients["gradWeight"]!)).data, new Float32Array(6));
    assert.deepEqual((await gpu.read(gradients["gradBias"]!)).data, new Float32Array(3));
    for (const tensor of Object.values(gradients)) gpu.free(tensor);
  }
});
