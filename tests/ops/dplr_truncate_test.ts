import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { leftHalfPlane, normal } from "../../src/ops/_helpers/cases.ts";
import { dplrKernel } from "../../src/ops/dplr_kernel.ts";
import { dplrTruncate } from "../../src/ops/dplr_truncate.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled, run } from "./_run.ts";

const random = seedRandom(15);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const system = {
  lambda: f64(leftHalfPlane(random, [2, 4], 2, 4)),
  P: f64(normal(random, [2, 2, 4, 2])),
  dt: filled([2], (i) => 0.05 * (i + 1)),
};
const C = f64(normal(random, [2, 4, 2]));
const B = f64(normal(random, [2, 4, 2]));

Deno.test("dplrTruncate() makes kernels of other lengths have the same taps", async () => {
  const kernelOf = async (length: number) => {
    const { Ctilde } = await run(dplrTruncate, { ...system, C }, { length });
    return (await run(dplrKernel, { ...system, B, C: Ctilde! }, { length })).kernel!.data;
  };
  const long = await kernelOf(256);
  for (const length of [2, 16, 64]) {
    const short = await kernelOf(length);
    for (const d of [0, 1]) {
      const [a, b] = [short.subarray(d * length, (d + 1) * length), long.subarray(d * 256)];
      // Sums of some hundred terms near 10.
      assert.ok(distance(a, b.subarray(0, length)) < 1e-11, `length ${length}`);
    }
  }
});

Deno.test("dplrTruncate() keeps the digits of a system that hardly moves", async () => {
  const lambda = filled([1, 1, 2], (i) => i === 0 ? -1e-9 : 0);
  const inputs = {
    lambda,
    P: filled([1, 1, 1, 2], () => 0),
    C: filled([1, 1, 2], (i) => i === 0 ? 1 : 0),
    dt: filled([1], () => 1e-3),
  };
  const { Ctilde } = await run(dplrTruncate, inputs, { length: 1024 });
  // 1 − Abar^1024 = −expm1(−1024e-12) up to the third order of 1e-12.
  const expected = -Math.expm1(-1.024e-9);
  assert.ok(Math.abs(Ctilde!.data[0]! / expected - 1) < 1e-14);
});

Deno.test("dplrTruncate() names the parameter at fault", async () => {
  const fails = (length: number) =>
    assert.rejects(() => run(dplrTruncate, { ...system, C }, { length }), { field: "length" });
  for (const length of [0, 1, 48, 1 << 17]) await fails(length);
  const P = filled([2, 3, 4, 2], () => 0);
  await assert.rejects(() => run(dplrTruncate, { ...system, C, P }, { length: 8 }), {
    field: "P.rank",
  });
});
