import assert from "node:assert/strict";
import { list } from "../_source.ts";
import { openPlanner, WEBGPU_LIMITS } from "../../src/cli/family/planner.ts";
import { workgroupNeeds } from "../../src/cli/family/workgroup.ts";
import type { GpuDevice, Launch } from "../../src/device/device.ts";
import { PIPELINES_MAX, shaderFile, storageOf } from "../../src/device/pipelines.ts";
import { expandShader } from "../../src/device/wgsl.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { OPS, runOp } from "../../src/ops/mod.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import { caseInputs } from "../../src/ops/self_check.ts";

/** All launches of an op on a case, those of its backward too, as a device of few buffers has them. */
async function launchesOf(op: AnyOp, testCase: AnyOp["cases"][number]): Promise<Launch[]> {
  const issued: Launch[] = [];
  const { device } = openPlanner(WEBGPU_LIMITS);
  const listening: GpuDevice = {
    ...device,
    dispatch(launches) {
      issued.push(...launches);
      device.dispatch(launches);
    },
  };
  if (op.backward) await gradientsOn(listening, op, testCase, "f32");
  else runOp(listening, op, caseInputs(testCase, "f32"), testCase.params);
  return issued;
}

Deno.test("every launch of every op stays within WebGPU's default limits", async () => {
  for (const op of OPS) {
    for (const testCase of op.cases) {
      for (const launch of await launchesOf(op, testCase)) {
        const { shader, entry, constants, bindings } = launch;
        const place = `${op.name} ${testCase.name}, ${shader} ${entry}`;
        const text = expandShader(shader, constants, shaderFile);
        const { bytes, invocations } = workgroupNeeds(entry, text, constants);
        assert.ok(bytes <= WEBGPU_LIMITS.workgroupBytesMax, `${place}: ${bytes} bytes`);
        assert.ok(invocations <= WEBGPU_LIMITS.invocationsMax, `${place}: ${invocations} at once`);
        const buffers = Object.keys(bindings).length;
        assert.ok(buffers <= WEBGPU_LIMITS.storageBuffersMax, `${place}: ${buffers} buffers`);
        assert.ok(launch.workgroups.every((n) => n <= WEBGPU_LIMITS.workgroupsPerAxisMax), place);
      }
    }
  }
});

Deno.test("storageOf() reads the variables of a shader with its constants", () => {
  const variables = storageOf("add", { GROUP: 64, VECTOR: 1, REPEATS: 1 });
  assert.deepEqual([...variables.keys()], ["a", "b", "out"]);
  assert.equal(storageOf("add", { GROUP: 64, VECTOR: 1, REPEATS: 1 }), variables);
});

Deno.test("shaderFile() reads every shader, and a missing one is an error", () => {
  for (const path of list("shaders/**/*.wgsl")) {
    assert.ok(shaderFile(path.slice("shaders/".length, -".wgsl".length)).length > 0);
  }
  assert.throws(() => shaderFile("none"), Deno.errors.NotFound);
  assert.ok(PIPELINES_MAX >= 256);
});
