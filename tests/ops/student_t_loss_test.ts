import assert from "node:assert/strict";
import { gaussianLoss } from "../../src/ops/gaussian_loss.ts";
import { studentTLoss } from "../../src/ops/student_t_loss.ts";
import { distance, run, t } from "./_run.ts";

const at = async (values: readonly [number, number, number], target: number) => {
  const predictions = t([1, 3], values);
  return (await run(studentTLoss, { predictions, targets: t([1], [target]) }, {})).loss!.data[0]!;
};

Deno.test("studentTLoss() with one degree of freedom is Cauchy's", async () => {
  for (const target of [-40, 0, 0.5, 3e9]) {
    const expected = Math.log(2 * Math.PI * (1 + ((target - 1) / 2) ** 2));
    const error = Math.abs(await at([1, Math.log(2), 0], target) - expected);
    assert.ok(error < 1e-14 * Math.max(1, expected));
  }
});

Deno.test("studentTLoss() with three degrees of freedom is their density", async () => {
  const density = (z: number) => 6 * Math.sqrt(3) / (Math.PI * (3 + z * z) ** 2);
  for (const z of [-3, 0, 1]) {
    assert.ok(Math.abs(await at([0, 0, Math.log(3)], z) + Math.log(density(z))) < 1e-14);
  }
});

Deno.test("studentTLoss() with very many degrees of freedom is Gaussian", async () => {
  const targets = t([3], [-2, 0.1, 4]);
  const many = t([3, 3], [0, 0.5, 30, 0, 0.5, 30, 0, 0.5, 30]);
  const normal = t([3, 2], [0, 0.5, 0, 0.5, 0, 0.5]);
  const student = await run(studentTLoss, { predictions: many, targets }, {});
  const gaussian = await run(gaussianLoss, { predictions: normal, targets }, {});
  // They differ by z⁴/4ν, and ν is e^30.
  assert.ok(distance(student.loss!.data, gaussian.loss!.data) < 1e-11);
});

Deno.test("studentTLoss() stays finite for hardly any degrees of freedom", async () => {
  assert.ok(Number.isFinite(await at([0, 0, -60], 2)));
});
