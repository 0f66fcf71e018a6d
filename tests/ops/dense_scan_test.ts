import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { normal } from "../../src/ops/_helpers/cases.ts";
import { denseScan } from "../../src/ops/dense_scan.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { filled, run, steps, t } from "./_run.ts";

const random = seedRandom(16);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const LENGTH = 21;
const u = f64(normal(random, [2, LENGTH, 3]));
const fixed = {
  A: f64(normal(random, [3, 4, 4], 0.3)),
  B: f64(normal(random, [3, 4])),
  C: f64(normal(random, [3, 2, 4])),
  D: f64(normal(random, [3, 2])),
};

Deno.test("denseScan() goes on from a carried state", async () => {
  const whole = await run(denseScan, { ...fixed, u }, {});
  const first = await run(denseScan, { ...fixed, u: steps(u, 0, 9) }, {});
  const rest = await run(
    denseScan,
    { ...fixed, u: steps(u, 9, LENGTH), x0: first.state! },
    {},
  );
  assert.deepEqual(rest.y!.data, steps(whole.y!, 9, LENGTH).data);
  assert.deepEqual(rest.state!.data, whole.state!.data);
});

Deno.test("denseScan() with a system for each sample is the same where they are equal", async () => {
  const whole = await run(denseScan, { ...fixed, u }, {});
  const spread = (x: Tensor) => filled([2, LENGTH, ...x.shape], (i) => x.data[i % x.data.length]!);
  const each = await run(
    denseScan,
    { ...fixed, A: spread(fixed.A), B: spread(fixed.B), u },
    {},
  );
  assert.deepEqual(each.y!.data, whole.y!.data);
});

Deno.test("denseScan() of an impulse gives the Krylov matrix", async () => {
  const { y } = await run(denseScan, {
    u: t([1, 3, 1], [1, 0, 0]),
    A: t([1, 2, 2], [1, 2, 0, 3]),
    B: t([1, 2], [1, 1]),
    C: t([1, 2, 2], [1, 0, 0, 1]),
  }, {});
  assert.deepEqual([...y!.data], [1, 1, 3, 3, 9, 9]);
});

Deno.test("denseScan() names the axis at fault", async () => {
  const fails = (change: Record<string, Tensor>, error: object) =>
    assert.rejects(() => run(denseScan, { ...fixed, u, ...change }, {}), error);
  await fails({ A: filled([3, 4, 5], () => 0) }, { axis: "A.state" });
  await fails({ B: filled([2, 4], () => 0) }, { axis: "B.feature" });
  await fails({ D: filled([3, 3], () => 0) }, { axis: "D.channel" });
});
