import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { runOp } from "../../src/ops/mod.ts";
import { crossEntropy } from "../../src/ops/cross_entropy.ts";
import { asDtype } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("crossEntropy() is minus the log of the class's share", async () => {
  const logits = t([2, 3], [1, 2, 5, 4, 4, 2].map(Math.log));
  const { loss, correct } = await run(crossEntropy, { logits, targets: t([2], [2, 2]) }, {});
  assert.ok(distance(loss!.data, [-(Math.log(5 / 8) + Math.log(2 / 10)) / 2]) < 1e-15);
  assert.equal(correct!.data[0], 1);
});

Deno.test("crossEntropy() counts hits by weight, and of equal logits only the first", async () => {
  const logits = t([3, 2], [0, 0, 0, 0, 0, 9]);
  const inputs = { logits, targets: t([3], [0, 1, 1]), weights: t([3], [2, 3, 0.5]) };
  const { correct, total } = await run(crossEntropy, inputs, {});
  assert.equal(correct!.data[0], 2.5);
  assert.equal(total!.data[0], 5.5);
});

Deno.test("crossEntropy() keeps the loss of a sure row in single precision", async () => {
  const cpu = openCpu();
  const logits = asDtype(t([1, 3], [25, 0, 0]), "f32");
  const targets = asDtype(t([1], [0]), "f32");
  const { loss } = runOp(cpu, crossEntropy, { logits, targets }, {});
  const value = (await cpu.read(loss)).data[0]!;
  // A difference of logarithms would round to 0 at 2.8e-11 beside 25.
  assert.ok(Math.abs(value / (2 * Math.exp(-25)) - 1) < 1e-6);
});

Deno.test("crossEntropy() passes nothing back from rows that are missing", async () => {
  const testCase = crossEntropy.cases.find(({ name }) => name === "missing targets")!;
  const gradients = await gradientsOn(openCpu(), crossEntropy, testCase, "f64");
  const rows = gradients.targets!;
  const logits = gradients.logits!;
  assert.ok(logits.every(Number.isFinite) && rows.every((value) => value === 0));
  for (let row = 0; row < rows.length; row++) {
    const own = logits.subarray(row * 16, (row + 1) * 16);
    assert.equal(own.every((value) => value === 0), row % 3 === 0, `row ${row}`);
  }
});

gpuTest("crossEntropy() takes more rows than one axis of workgroups holds", async (gpu) => {
  const rows = 65_537;
  const logits = filled([rows, 33], (i) => Math.fround(Math.sin(i * 0.37)));
  const targets = filled([rows], (i) => i % 33);
  const exact = await run(crossEntropy, { logits, targets }, {});
  const scope = openScope(gpu);
  const inputs = { logits: asDtype(logits, "f32"), targets: asDtype(targets, "f32") };
  const outputs = runOp(scope, crossEntropy, inputs, {});
  const loss = (await scope.read(outputs.loss)).data;
  const correct = (await scope.read(outputs.correct)).data;
  scope.release();
  assert.ok(distance(loss, exact.loss!.data) < 5e-6 * exact.loss!.data[0]!);
  // A count of ones, exact in f32; equal logits are the same numbers on both sides.
  assert.equal(correct[0], exact.correct!.data[0]);
  assert.deepEqual(takeFaults(), []);
});
