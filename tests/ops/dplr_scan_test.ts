import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { leftHalfPlane, normal } from "../../src/ops/_helpers/cases.ts";
import { dplrScan } from "../../src/ops/dplr_scan.ts";
import { linearScan } from "../../src/ops/linear_scan.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled, run, steps } from "./_run.ts";

const random = seedRandom(14);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const LENGTH = 21;
const u = f64(normal(random, [2, LENGTH, 3]));
const fixed = {
  lambda: f64(leftHalfPlane(random, [3, 4], 2, 4)),
  P: f64(normal(random, [3, 2, 4, 2])),
  B: f64(normal(random, [3, 4, 2])),
  C: f64(normal(random, [3, 4, 2])),
  D: f64(normal(random, [3])),
};
const dt = filled([3], (i) => 0.1 * (i + 1));

Deno.test("dplrScan() goes on from a carried state", async () => {
  const whole = await run(dplrScan, { ...fixed, u, dt }, {});
  const first = await run(dplrScan, { ...fixed, dt, u: steps(u, 0, 9) }, {});
  const rest = await run(
    dplrScan,
    { ...fixed, dt, u: steps(u, 9, LENGTH), x0: first.state! },
    {},
  );
  assert.deepEqual(rest.y!.data, steps(whole.y!, 9, LENGTH).data);
  assert.deepEqual(rest.state!.data, whole.state!.data);
});

Deno.test("dplrScan() without a low-rank part is the bilinear linearScan()", async () => {
  const P = filled([3, 1, 4, 2], () => 0);
  const dense = await run(dplrScan, { ...fixed, P, u, dt }, {});
  const { lambda: A, B, C, D } = fixed;
  const spread = filled([2, LENGTH, 3], (i) => dt.data[i % 3]!);
  const diagonal = await run(linearScan, { u, A, B, C, D, dt: spread }, {
    variant: "perStep",
    discretization: "bilinear",
  });
  assert.ok(distance(dense.y!.data, diagonal.y!.data) < 1e-12);
});

Deno.test("dplrScan() names the axis or the parameter at fault", async () => {
  const fails = (change: Record<string, Tensor>, error: object) =>
    assert.rejects(() => run(dplrScan, { ...fixed, u, dt, ...change }, {}), error);
  await fails({ P: filled([3, 3, 4, 2], () => 0) }, { field: "P.rank" });
  await fails({ C: filled([3, 5, 2], () => 0) }, { axis: "C.half" });
  await fails({ dt: filled([2], () => 1) }, { axis: "dt.feature" });
});
