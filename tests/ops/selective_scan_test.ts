import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/cpu.ts";
import type { DeviceTensor, GpuLimits } from "../../src/device/device.ts";
import { normal, uniform } from "../../src/ops/_helpers/cases.ts";
import type { Sizes } from "../../src/ops/_helpers/selective_scan_backward.ts";
import {
  backwardForms,
  FLOW_FORMS,
  forwardForms,
  SCAN_FORMS,
  type ScanForm,
} from "../../src/ops/_helpers/selective_scan_forms.ts";
import { tiledBackwardPlan, tiledPlan } from "../../src/ops/_helpers/selective_scan_tiled.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { linearScan } from "../../src/ops/linear_scan.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import { runOp } from "../../src/ops/run.ts";
import { selectiveScan } from "../../src/ops/selective_scan.ts";
import { relativeError } from "../../src/ops/self_check.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { DEFAULT_LIMITS, distance, filled, run, steps, t } from "./_run.ts";

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

/** What the forms ask a device for. */
const WIDE: GpuLimits = {
  ...DEFAULT_LIMITS,
  workgroupBytesMax: 49_152,
  storageBuffersMax: 32,
  bindingBytesMax: 2 ** 31 - 4,
  subgroupSize: 32,
};

/** Sizes of a call with one group of B and of C. */
function sizesOf(batch: number, feature: number, length: number, state = 16): Sizes {
  return { batch, length, feature, state, parts: 1, groupB: 1, groupC: 1 };
}

Deno.test("forwardForms() chooses by rows, cuts few rows into chunks, and leaves the rest", () => {
  const { many, middling, few, deep } = SCAN_FORMS;
  assert.deepEqual(forwardForms(sizesOf(64, 2048, 512), WIDE)?.apply, many);
  assert.equal(forwardForms(sizesOf(64, 2048, 512), WIDE)?.chunk, 512);
  assert.deepEqual(forwardForms(sizesOf(8, 2048, 2048), WIDE)?.apply, middling);
  const long = forwardForms(sizesOf(1, 256, 65_536), WIDE)!;
  assert.deepEqual([long.apply, long.chunk], [many, 128]);
  assert.deepEqual(forwardForms(sizesOf(1, 32, 64), WIDE)?.apply, few);
  assert.deepEqual(forwardForms(sizesOf(8, 2048, 2048, 128), WIDE)?.apply, deep);
  // Complex, fixed or odd states, a device without subgroups: the general passes.
  const sizes = sizesOf(8, 2048, 2048);
  for (const other of [{ parts: 2 }, { groupB: 0 }, { groupC: 0 }, { state: 6 }, { state: 516 }]) {
    assert.equal(forwardForms({ ...sizes, ...other }, WIDE), undefined);
  }
  assert.equal(forwardForms(sizes, { ...WIDE, subgroupSize: 0 }), undefined);
  assert.equal(forwardForms(sizes, { ...WIDE, storageBuffersMax: 8 }), undefined);
});

Deno.test("forms keep a workgroup's features in one group of B and of C", () => {
  for (
    const [feature, groupB, groupC] of [[12, 3, 2], [96, 2, 1], [10, 5, 1], [7, 7, 7]] as const
  ) {
    const sizes = { ...sizesOf(1, feature, 100), groupB, groupC };
    for (const { apply } of [forwardForms(sizes, WIDE)!, backwardForms(sizes, WIDE)!]) {
      for (const group of [groupB, groupC]) {
        const ofGroup = feature / group;
        assert.ok(group === 1 || ofGroup % (apply.features * apply.lanes) === 0, `${feature}`);
      }
    }
  }
});

Deno.test("backwardForms() leaves states that a lane cannot hold and too much memory", () => {
  assert.ok(backwardForms(sizesOf(8, 2048, 2048), WIDE));
  assert.equal(backwardForms(sizesOf(8, 2048, 2048, 128), WIDE), undefined);
  // The states of every eighth step are kept: 2 * 64 * 2048 * 16 * 4 bytes of them.
  const sizes = sizesOf(2, 2048, 512);
  assert.ok(backwardForms(sizes, { ...WIDE, bindingBytesMax: 1 << 24 }));
  assert.equal(backwardForms(sizes, { ...WIDE, bindingBytesMax: (1 << 24) - 1 }), undefined);
});

/** The scan in a given form, with chunks of so many steps. */
function formed(chunk: number, form: ScanForm): AnyOp {
  const callOf = (shapes: Record<string, Shape>) => {
    const [batch, length, feature] = shapes["u"] as [number, number, number];
    const sizes = sizesOf(batch, feature, length, shapes["A"]![1]);
    return { sizes, shapes, softplus: true };
  };
  const { apply } = FLOW_FORMS;
  const before = chunk < 64 ? FLOW_FORMS.keepChunks : FLOW_FORMS.keep;
  return {
    ...(selectiveScan as AnyOp),
    launch: (shapes) => tiledPlan(callOf(shapes), { before: form, apply: form, chunk }),
    backward: {
      ...(selectiveScan as AnyOp).backward!,
      launch(shapes, _, { subgroupSize }) {
        const team = Math.min(8, subgroupSize / apply.parts);
        return tiledBackwardPlan(callOf(shapes), { before, apply: { ...apply, team }, chunk });
      },
    },
  };
}

gpuTest("every form of the tiled scan is the f64 twin, there and back", async (gpu) => {
  const cpu = openCpu({ simd: false });
  const testCase = selectiveScan.cases.find(({ name }) => name === "sixteen states")!;
  const tensors = testCase.inputs(seedRandom(3));
  const doubles = Object.fromEntries(
    Object.entries(tensors).map(([name, x]) => [name, f64(x as Tensor)]),
  );
  const exact = runOp(cpu, selectiveScan, doubles as typeof tensors, params);
  const gradients = await gradientsOn(cpu, selectiveScan as AnyOp, testCase, "f64");
  const { few, middling, many } = SCAN_FORMS;
  for (const [i, [scan, form]] of Object.entries({ few, middling, many }).entries()) {
    // Chunks of three tiles, and one that is longer than the scan.
    const op = formed(i % 2 === 0 ? 24 : 128, form);
    const outputs = runOp(gpu, op, tensors, params) as Record<string, DeviceTensor>;
    for (const [name, tensor] of Object.entries(exact)) {
      const found = await gpu.read(outputs[name]!);
      const error = relativeError(found.data, (await cpu.read(tensor)).data);
      assert.ok(error <= selectiveScan.tolerance, `${scan}: ${name} is off by ${error}`);
    }
    for (const [name, gradient] of Object.entries(await gradientsOn(gpu, op, testCase, "f32"))) {
      const error = relativeError(gradient, gradients[name]!);
      assert.ok(error <= selectiveScan.backward!.tolerance, `${scan}: ${name} is off by ${error}`);
    }
  }
});
