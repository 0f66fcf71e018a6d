import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { leftHalfPlane, normal, uniform } from "../../src/ops/_helpers/cases.ts";
import { dplrKernel } from "../../src/ops/dplr_kernel.ts";
import { dplrScan } from "../../src/ops/dplr_scan.ts";
import { dplrTruncate } from "../../src/ops/dplr_truncate.ts";
import { dplrStep, truncatedOutput } from "../../src/ssm/dplr.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { distance, filled, run } from "./_run.ts";

const random = seedRandom(15);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const shared = {
  lambda: f64(leftHalfPlane(random, [2, 4], 2, 9)),
  P: f64(normal(random, [2, 2, 4, 2])),
  B: f64(normal(random, [2, 4, 2])),
  dt: f64(uniform(random, [2], 0.01, 0.1)),
};
const C = f64(normal(random, [2, 4, 2]));

/** Ctilde of both features. */
function truncated(length: number): Tensor {
  const rows = [0, 1].flatMap((d) => {
    const of = (tensor: Tensor, width: number) => tensor.data.slice(d * width, (d + 1) * width);
    const system = {
      lambda: of(shared.lambda, 8),
      P: of(shared.P, 16),
      B: of(shared.B, 8),
      half: 4,
      rank: 2,
    };
    return [...truncatedOutput(dplrStep(system, shared.dt.data[d]!), of(C, 8), length)];
  });
  return tensorOf([2, 4, 2], Float64Array.from(rows));
}

Deno.test("dplrKernel() is the response of dplrScan() to an impulse", async () => {
  for (const length of [1, 2, 32, 45, 256]) {
    const { kernel } = await run(dplrKernel, { ...shared, C: truncated(length) }, { length });
    const u = filled([1, length, 2], (i) => i < 2 ? 1 : 0);
    const { y } = await run(dplrScan, { ...shared, C, u }, {});
    const turned = filled([2, length], (i) => y!.data[(i % length) * 2 + Math.floor(i / length)]!);
    // Two algorithms with sums of some hundred terms near 10.
    assert.ok(distance(kernel!.data, turned.data) < 1e-11, `length ${length}`);
  }
});

Deno.test("dplrKernel() gives the same taps whatever the damping", async () => {
  const length = 64;
  const tapsOf = async (damping: number) => {
    const { Ctilde } = await run(dplrTruncate, { ...shared, C }, { length, damping });
    return (await run(dplrKernel, { ...shared, C: Ctilde! }, { length, damping })).kernel!;
  };
  const plain = await tapsOf(0);
  // Sums of some hundred terms near 10, whose errors grow by exp(damping).
  for (const damping of [1, 3]) {
    const damped = await tapsOf(damping);
    assert.ok(distance(damped.data, plain.data) < 1e-11, `damping ${damping}`);
  }
  for (const damping of [-1, 9, NaN]) {
    await assert.rejects(() => run(dplrKernel, { ...shared, C }, { length, damping }), {
      field: "damping",
    });
  }
});

Deno.test("dplrKernel() names the parameter at fault", async () => {
  const fails = (length: number) =>
    assert.rejects(() => run(dplrKernel, { ...shared, C }, { length }), { field: "length" });
  for (const length of [0, 1.5, 1 << 17]) await fails(length);
});
