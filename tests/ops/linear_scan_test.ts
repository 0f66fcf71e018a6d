import assert from "node:assert/strict";
import { InvalidValueError, ShapeError } from "../../src/base/errors.ts";
import { seedRandom } from "../../src/base/random.ts";
import { decays, leftHalfPlane, normal } from "../../src/ops/_helpers/cases.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { linearScan } from "../../src/ops/linear_scan.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { runOp } from "../../src/ops/run.ts";
import { relativeError } from "../../src/ops/self_check.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { distance, filled, run, steps, t } from "./_run.ts";

const random = seedRandom(7);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const bank = {
  A: f64(decays(random, [3, 4], 0.5, 0.99)),
  B: f64(normal(random, [3, 4, 2])),
  C: f64(normal(random, [3, 4, 2])),
  D: f64(normal(random, [3])),
};
const u = f64(normal(random, [2, 23, 3]));

/** The two computations differ in nothing, so f64 must agree to the bit or nearly so. */
const EXACT = 1e-13;

Deno.test("linearScan() of one real mode is the geometric sum", async () => {
  const { y, state } = await run(linearScan, {
    u: t([1, 4, 1], [1, 1, 1, 1]),
    A: t([1, 1, 2], [0.5, 0]),
    B: t([1, 1, 2], [1, 0]),
    C: t([1, 1, 2], [1, 0]),
  }, { variant: "lti" });
  assert.deepEqual([...y!.data], [2, 3, 3.5, 3.75]);
  assert.deepEqual([...state!.data], [1.875, 0]);
});

Deno.test("linearScan() continues from a carried state", async () => {
  const whole = await run(linearScan, { u, ...bank }, { variant: "lti" });
  for (const cut of [1, 8, 22]) {
    const first = await run(linearScan, { u: steps(u, 0, cut), ...bank }, { variant: "lti" });
    const rest = await run(
      linearScan,
      { u: steps(u, cut, 23), ...bank, x0: first.state! },
      { variant: "lti" },
    );
    assert.ok(distance(rest.y!.data, steps(whole.y!, cut, 23).data) < EXACT);
    assert.ok(distance(rest.state!.data, whole.state!.data) < EXACT);
  }
});

Deno.test("linearScan() takes half steps under a held input as one whole step (zoh)", async () => {
  const lambda = f64(leftHalfPlane(random, [1, 4], 2, 8));
  const rest = { B: bank.B, C: bank.C };
  const one = (tensor: Tensor) => t([1, 4, 2], tensor.data.subarray(0, 8));
  const inputs = { A: lambda, B: one(rest.B), C: one(rest.C) };
  const params = { variant: "perStep", discretization: "zoh" } as const;
  const whole = await run(linearScan, {
    ...inputs,
    u: t([1, 1, 1], [0.7]),
    dt: t([1, 1, 1], [0.4]),
  }, params);
  const halves = await run(linearScan, {
    ...inputs,
    u: t([1, 2, 1], [0.7, 0.7]),
    dt: t([1, 2, 1], [0.2, 0.2]),
  }, params);
  assert.ok(distance(whole.state!.data, halves.state!.data) < EXACT);
});

Deno.test("linearScan() of lambda 0 integrates", async () => {
  const { state } = await run(linearScan, {
    u: t([1, 3, 1], [1, 2, 3]),
    dt: t([1, 3, 1], [0.5, 0.25, 1]),
    A: t([1, 1, 2], [0, 0]),
    B: t([1, 1, 2], [1, 0]),
    C: t([1, 1, 2], [1, 0]),
  }, { variant: "perStep", discretization: "zoh" });
  assert.deepEqual([...state!.data], [4, 0]);
});

Deno.test("linearScan() does not mix rows of the batch", async () => {
  const both = await run(linearScan, { u, ...bank }, { variant: "lti" });
  const changed = filled([2, 23, 3], (i) => i < 23 * 3 ? u.data[i]! : 9);
  const other = await run(linearScan, { u: changed, ...bank }, { variant: "lti" });
  const half = 23 * 3;
  assert.deepEqual(both.y!.data.subarray(0, half), other.y!.data.subarray(0, half));
});

Deno.test("linearScan() names the axis or the parameter at fault", async () => {
  const lti = { variant: "lti" } as const;
  const fails = (inputs: Record<string, Tensor>, params: unknown, error: object) =>
    assert.rejects(() => run(linearScan, { u, ...bank, ...inputs }, params), error);
  await fails({ B: t([3, 5, 2], new Array(30).fill(0)) }, lti, {
    name: "ShapeError",
    axis: "B.state",
  });
  await fails({ x0: t([1, 3, 4, 2], new Array(24).fill(0)) }, lti, { axis: "x0.batch" });
  await fails({ dt: u }, lti, InvalidValueError);
  await fails({}, { variant: "perStep" }, { field: "dt" });
  await fails({ u: t([3], [1, 2, 3]) }, lti, ShapeError);
});

gpuTest("linearScan() runs very many rows whole, without chunks, there and back", async (gpu) => {
  const [batch, length, feature, state] = [8, 66, 3072, 1];
  const wave = (shape: number[], scale: number) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = scale * Math.sin(i);
    return tensorOf(shape, data);
  };
  const inputs = {
    u: wave([batch, length, feature], 1),
    A: wave([feature, state, 2], 0.6),
    B: wave([feature, state, 2], 1),
    C: wave([feature, state, 2], 1),
  };
  const params = { variant: "lti" } as const;
  const shapes = Object.fromEntries(Object.entries(inputs).map(([k, x]) => [k, x.shape]));
  const plans = [linearScan, linearScan.backward!].map((way) =>
    way.launch(shapes as any, params, gpu.limits).passes.map((pass) => pass.entry)
  );
  assert.deepEqual(plans[0], ["apply_chunks", "apply_rest"]);
  assert.deepEqual(plans[1]!.slice(0, 3), ["apply_chunks", "apply_rest", "sum_responses"]);
  const cpu = openCpu();
  const scope = openScope(gpu);
  const actual = runOp(scope, linearScan, inputs, params);
  const expected = runOp(cpu, linearScan, inputs, params);
  for (const name of linearScan.outputs) {
    const [a, b] = await Promise.all([scope.read(actual[name]), cpu.read(expected[name])]);
    assert.ok(relativeError(a.data, b.data) <= linearScan.tolerance, name);
  }
  scope.release();
  const wide = { name: "many rows", params, inputs: () => inputs };
  const gradients = await gradientsOn(gpu, linearScan, wide, "f32");
  const exact = await gradientsOn(cpu, linearScan, wide, "f64");
  for (const [name, gradient] of Object.entries(exact)) {
    const error = relativeError(gradients[name]!, gradient);
    assert.ok(error <= linearScan.backward!.tolerance, `gradient of ${name} is off by ${error}`);
  }
});
