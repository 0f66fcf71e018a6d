import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { normal, uniform } from "../../src/ops/_helpers/cases.ts";
import { linearScan } from "../../src/ops/linear_scan.ts";
import { selectiveScan } from "../../src/ops/selective_scan.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled, run, steps, t } from "./_run.ts";

const random = seedRandom(11);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const LENGTH = 21;
const fixed = {
  A: f64(uniform(random, [6, 4], -3, -0.2)),
  D: f64(normal(random, [6])),
  deltaBias: f64(uniform(random, [6], -3, -1)),
};
const moving = {
  u: f64(normal(random, [2, LENGTH, 6])),
  delta: f64(normal(random, [2, LENGTH, 6])),
  B: f64(normal(random, [2, LENGTH, 2, 4])),
  C: f64(normal(random, [2, LENGTH, 2, 4])),
  z: f64(normal(random, [2, LENGTH, 6])),
};
const params = { softplus: true };
const cut = (from: number, to: number) =>
  Object.fromEntries(Object.entries(moving).map(([name, x]) => [name, steps(x, from, to)]));

Deno.test("selectiveScan() continues from a carried state", async () => {
  const whole = await run(selectiveScan, { ...fixed, ...moving }, params);
  const first = await run(selectiveScan, { ...fixed, ...cut(0, 9) }, params);
  const rest = await run(
    selectiveScan,
    { ...fixed, ...cut(9, LENGTH), x0: first.state! },
    params,
  );
  // The same additions in the same order.
  assert.ok(distance(rest.y!.data, steps(whole.y!, 9, LENGTH).data) < 1e-13);
  assert.ok(distance(rest.state!.data, whole.state!.data) < 1e-13);
});

Deno.test("selectiveScan() gives feature d the group of its block", async () => {
  const { state } = await run(selectiveScan, {
    u: t([1, 1, 4], [1, 1, 1, 1]),
    delta: t([1, 1, 4], [1, 1, 1, 1]),
    A: t([4, 1], [-1, -1, -1, -1]),
    B: t([1, 1, 2, 1], [5, 7]),
    C: t([1, 1, 1, 1], [1]),
  }, { softplus: false });
  assert.deepEqual([...state!.data], [5, 5, 7, 7]);
});

Deno.test("selectiveScan() with fixed parts is linearScan() with Euler's B", async () => {
  const dt = 0.3;
  const u = f64(normal(random, [1, 15, 2]));
  const A = f64(uniform(random, [2, 3], -3, -0.2));
  const B = f64(normal(random, [2, 3]));
  const C = f64(normal(random, [2, 3]));
  const real = (x: Tensor, map: (v: number) => number) =>
    t([2, 3, 2], [...x.data].flatMap((v) => [map(v), 0]));
  const selective = await run(selectiveScan, {
    u,
    delta: filled([1, 15, 2], () => dt),
    A,
    B,
    C,
  }, { softplus: false });
  const linear = await run(linearScan, {
    u,
    A: real(A, (v) => Math.exp(dt * v)),
    B: real(B, (v) => dt * v),
    C: real(C, (v) => v),
  }, { variant: "lti", conjugatePairs: false });
  assert.ok(distance(selective.y!.data, linear.y!.data) < 1e-13);
});

Deno.test("selectiveScan() keeps softplus linear above 20", async () => {
  const one = (v: number) => t([1, 1, 1], [v]);
  const { state } = await run(selectiveScan, {
    u: one(1),
    delta: one(25),
    A: t([1, 1], [-1]),
    B: t([1, 1], [1]),
    C: t([1, 1], [1]),
  }, params);
  assert.equal(state!.data[0], 25);
});

Deno.test("selectiveScan() names the axis or the parameter at fault", async () => {
  const fails = (inputs: Record<string, Tensor>, error: object) =>
    assert.rejects(() => run(selectiveScan, { ...fixed, ...moving, ...inputs }, params), error);
  await fails({ A: filled([5, 4], () => -1) }, { axis: "A.feature" });
  await fails({ delta: filled([2, LENGTH, 5], () => 1) }, { axis: "delta.feature" });
  await fails({ B: filled([2, LENGTH, 4, 4], () => 1) }, {
    message: 'B.group is "4", expected a divisor of the 6 features',
  });
  await fails({ x0: filled([2, 6, 3], () => 1) }, { axis: "x0.state" });
});
