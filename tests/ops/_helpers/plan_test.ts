/**
 * Launches of more workgroups than an axis has are spread over two. A device that says it has the
 * fewest that the plans of a case bear reaches that with small tensors: outputs and gradients are
 * those of the same GPU with its own limits.
 */
import assert from "node:assert/strict";
import { LimitError } from "../../../src/base/errors.ts";
import { openPlanner, WEBGPU_LIMITS } from "../../../src/cli/family/planner.ts";
import type { GpuDevice, GpuLimits, Launch } from "../../../src/device/device.ts";
import { openScope } from "../../../src/device/scope.ts";
import { gradientsOn } from "../../../src/ops/difference_check.ts";
import { OPS, runOp } from "../../../src/ops/mod.ts";
import type { AnyOp } from "../../../src/ops/op.ts";
import { caseInputs, relativeError } from "../../../src/ops/self_check.ts";
import type { FloatArray } from "../../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../../_gpu.ts";
import { withLimits } from "../_run.ts";

/** Axes that are tried, from the shortest on. */
const AXES = [2, 3, 4, 6, 8, 12, 16, 24, 32];

/** Numbers of a case for ops whose own cases are of a few workgroups. */
const SIZE = 60_011;

/**
 * Ops whose axes of workgroups are counts of parameters, and `fft_conv` and `ssd`, whose batch has
 * an axis: one that is too short is a LimitError.
 */
const UNSPREAD = [
  "discretize",
  "dplr_truncate",
  "fft_conv",
  "mimo_system",
  "squared_norm",
  "ssd",
  "vandermonde",
];

type Case = AnyOp["cases"][number];

/** Outputs and gradients of a case. */
async function valuesOn(
  device: GpuDevice,
  op: AnyOp,
  testCase: Case,
): Promise<Record<string, FloatArray>> {
  const scope = openScope(device);
  const outputs = runOp(scope, op, caseInputs(testCase, "f32"), testCase.params);
  const values: Record<string, FloatArray> = {};
  for (const name of op.outputs) values[name] = (await scope.read(outputs[name]!)).data;
  scope.release();
  if (op.backward) {
    const gradients = await gradientsOn(device, op, testCase, "f32");
    for (const [name, data] of Object.entries(gradients)) values[`gradient of ${name}`] = data;
  }
  return values;
}

/** What a case and its backward launch on a device that computes nothing. */
async function launchesOf(op: AnyOp, testCase: Case, limits: GpuLimits): Promise<Launch[]> {
  const issued: Launch[] = [];
  const { device } = openPlanner(limits);
  const listening = {
    ...device,
    dispatch: (launches: readonly Launch[]) => void issued.push(...launches),
  };
  await valuesOn(listening, op, testCase);
  return issued;
}

/** The shortest axis that a case can be planned for, if it is spread there. */
async function shortestAxis(
  op: AnyOp,
  testCase: Case,
  limits: GpuLimits,
): Promise<number | undefined> {
  const shapes = (launches: Launch[]) => JSON.stringify(launches.map((each) => each.workgroups));
  const usual = shapes(await launchesOf(op, testCase, limits));
  for (const axis of AXES) {
    try {
      const own = await launchesOf(op, testCase, { ...limits, workgroupsPerAxisMax: axis });
      return shapes(own) === usual ? undefined : axis;
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
    }
  }
  return undefined;
}

/** The first case of an op that is spread on a device of short axes, and those axes. */
async function spreadCase(
  op: AnyOp,
  limits: GpuLimits,
): Promise<{ testCase: Case; axis: number } | undefined> {
  for (const testCase of [...op.cases, op.sized(SIZE)]) {
    if (testCase.name.includes("denormal")) continue;
    const axis = await shortestAxis(op, testCase, limits);
    if (axis !== undefined) return { testCase, axis };
  }
  return undefined;
}

Deno.test("ops spread their launches over two axes", async () => {
  const unspread: string[] = [];
  for (const op of OPS) {
    if (await spreadCase(op, WEBGPU_LIMITS) === undefined) unspread.push(op.name);
  }
  assert.deepEqual(unspread.sort(), UNSPREAD);
});

gpuTest("ops on a GPU of few workgroups an axis give what they give on all", async (gpu) => {
  for (const op of OPS) {
    const { testCase, axis } = await spreadCase(op, gpu.limits) ?? {};
    if (testCase === undefined || axis === undefined) continue;
    const narrow = withLimits(gpu, { ...gpu.limits, workgroupsPerAxisMax: axis });
    const expected = await valuesOn(gpu, op, testCase);
    const allowed = Math.max(op.tolerance, op.backward?.tolerance ?? 0);
    for (const [name, value] of Object.entries(await valuesOn(narrow, op, testCase))) {
      const error = relativeError(value, expected[name]!);
      assert.ok(error <= allowed, `${op.name}, ${axis} an axis: ${name} is off by ${error}`);
    }
    narrow.release();
  }
  assert.deepEqual(takeFaults(), []);
});
