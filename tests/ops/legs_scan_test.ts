import assert from "node:assert/strict";
import { openScope } from "../../src/device/scope.ts";
import { legsScan } from "../../src/ops/legs_scan.ts";
import { runOp } from "../../src/ops/run.ts";
import { asDtype } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { distance, filled, run, t } from "./_run.ts";

const STATE = 12;
const LENGTH = 20;

/** Samples of one row held for `holds` units of time each, from the beginning of time. */
function fromTheStart(values: readonly number[], holds: readonly number[]) {
  let now = 0;
  const times = holds.map((hold) => now += hold);
  const count = values.length;
  return { u: t([1, count, 1], values), dt: t([count, 1], holds), times: t([count, 1], times) };
}

const values = Array.from({ length: LENGTH }, (_, k) => Math.sin(3 * k) + k / 9);
const holds = values.map((_, k) => 0.5 + (k * 5) % 4);

/** ∫ p_n over [from, to] within [0, 1], by the antiderivative of Legendre's polynomials. */
function integralOf(n: number, from: number, to: number): number {
  const legendre = (degree: number, x: number): number => {
    let [older, newer] = [0, 1];
    for (let k = 0; k < degree; k++) {
      [older, newer] = [newer, ((2 * k + 1) * x * newer - k * older) / (k + 1)];
    }
    return newer;
  };
  if (n === 0) return to - from;
  const at = (z: number) => legendre(n + 1, 2 * z - 1) - legendre(n - 1, 2 * z - 1);
  return (at(to) - at(from)) / (2 * Math.sqrt(2 * n + 1));
}

Deno.test("legsScan() projects the held past on all of time", async () => {
  const { state } = await run(legsScan, fromTheStart(values, holds), { state: STATE });
  const end = holds.reduce((a, b) => a + b);
  const expected = Array.from({ length: STATE }, (_, n) => {
    let from = 0;
    return values.reduce((sum, value, k) => {
      const to = from + holds[k]! / end;
      const part = value * integralOf(n, from, to);
      from = to;
      return sum + part;
    }, 0);
  });
  // Twenty steps of twelve orthogonal products, of values near 1.
  assert.ok(distance(state!.data, expected) < 1e-13);
});

Deno.test("legsScan() does not care how fast a signal is played", async () => {
  const slow = await run(legsScan, fromTheStart(values, holds), { state: STATE });
  const fast = await run(
    legsScan,
    fromTheStart(values, holds.map((hold) => hold / 1024)),
    { state: STATE },
  );
  assert.deepEqual(fast.coefficients!.data, slow.coefficients!.data);
});

Deno.test("legsScan() sees a sample held in two parts as one", async () => {
  const once = await run(legsScan, fromTheStart(values, holds), { state: STATE });
  const twice = await run(
    legsScan,
    fromTheStart(values.flatMap((v) => [v, v]), holds.flatMap((h) => [h / 4, 3 * h / 4])),
    { state: STATE },
  );
  assert.ok(distance(twice.state!.data, once.state!.data) < 1e-13);
});

gpuTest("legsScan() begins at the beginning of time on a GPU, too", async (gpu) => {
  const inputs = fromTheStart(values, holds);
  const exact = await run(legsScan, inputs, { state: STATE });
  const scope = openScope(gpu);
  const single = Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [name, asDtype(tensor, "f32")]),
  ) as typeof inputs;
  const { coefficients } = runOp(scope, legsScan, single, { state: STATE });
  const onGpu = (await scope.read(coefficients)).data;
  scope.release();
  assert.ok(distance(onGpu, exact.coefficients!.data) < 2e-5 * 3);
  assert.deepEqual(takeFaults(), []);
});

Deno.test("legsScan() names what is at fault", async () => {
  const inputs = fromTheStart([1, 2], [1, 1]);
  await assert.rejects(() => run(legsScan, inputs, { state: 0 }), { field: "state" });
  await assert.rejects(() => run(legsScan, inputs, { state: 257 }), { field: "state" });
  const times = filled([2, 2], () => 1);
  await assert.rejects(() => run(legsScan, { ...inputs, times }, { state: 2 }), {
    axis: "times.batch",
  });
});
