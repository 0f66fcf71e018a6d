import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import {
  DIFFERENCE_TOLERANCE,
  differenceErrors,
  gradientsOn,
  isDifferentiable,
} from "../../src/ops/difference_check.ts";
import { activation, add } from "../../src/ops/mod.ts";
import { defineOp } from "../../src/ops/op.ts";

Deno.test("differenceErrors() gives every input's error, small where the gradient is right", async () => {
  const errors = await differenceErrors(add, add.cases[0]!);
  assert.deepEqual(Object.keys(errors), ["a", "b"]);
  assert.ok(Object.values(errors).every((error) => error < DIFFERENCE_TOLERANCE));
});

Deno.test("differenceErrors() of a gradient that is not a number is infinite", async () => {
  const wrong = defineOp({
    ...add,
    backward: { ...add.backward!, cpu: (_, gradients) => gradients.gradA!.fill(NaN) },
  });
  assert.equal((await differenceErrors(wrong, add.cases[0]!))["a"], Infinity);
});

Deno.test("gradientsOn() has the size of the inputs, in the dtype asked for", async () => {
  const testCase = activation.cases[0]!;
  const { x } = await gradientsOn(openCpu(), activation, testCase, "f32");
  assert.ok(x instanceof Float32Array && x.length > 0);
});

Deno.test("isDifferentiable() leaves out cases at points without differences", () => {
  assert.ok(!isDifferentiable({ ...add.cases[0]!, name: "zeros and denormals" }));
  assert.ok(isDifferentiable({ ...add.cases[0]!, name: "one tile" }));
});
