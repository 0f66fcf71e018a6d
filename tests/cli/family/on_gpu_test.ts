import assert from "node:assert/strict";
import { familyMembers } from "../../../src/cli/family/member.ts";
import { gpuErrors } from "../../../src/cli/family/on_gpu.ts";
import { gpuTest } from "../../_gpu.ts";
import { DEFAULT_LIMITS, withLimits } from "../../ops/_run.ts";

const member = familyMembers().find(({ name }) => name === "kalman_filter")!;

gpuTest("gpuErrors() finds a member as near to its twins as f32 allows", async (gpu) => {
  const errors = await gpuErrors(gpu, member);
  assert.ok(errors.passed && errors.forward > 0 && errors.gradient > 0, JSON.stringify(errors));
});

gpuTest("gpuErrors() finds a member that does something else on a GPU", async (gpu) => {
  const { forms } = member;
  const broken: typeof forms = {
    ...forms,
    forward: (device, params, u, options) => {
      const result = forms.forward(device, params, u, options);
      // The state's mean in place of the output has its shape but for the count of states.
      const y = device.kind === "webgpu" ? result.state["mean"]! : result.y;
      return { ...result, y };
    },
  };
  const errors = await gpuErrors(gpu, { ...member, forms: broken });
  assert.ok(!errors.passed);
});

gpuTest("gpuErrors() finds every member right within WebGPU's default limits", async (gpu) => {
  const narrow = withLimits(gpu, DEFAULT_LIMITS);
  for (const every of familyMembers()) {
    const errors = await gpuErrors(narrow, every);
    assert.ok(errors.passed, `${every.name}: ${JSON.stringify(errors)}`);
  }
  narrow.release();
});
