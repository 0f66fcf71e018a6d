import assert from "node:assert/strict";
import { type FamilyMember, familyMembers } from "../../../src/cli/family/member.ts";
import { apart, exampleOf, findOut, gradientsOf } from "../../../src/cli/family/probe.ts";
import { runForward } from "../../../src/cli/family/probe.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { tensorOf } from "../../../src/tensor/tensor.ts";

const member = familyMembers().find(({ name }) => name === "mamba")!;
const { forms } = member;

/** The member with some of its forms replaced. */
const broken = (parts: Partial<FamilyMember["forms"]>): FamilyMember => ({
  ...member,
  forms: { ...forms, ...parts },
});

Deno.test("findOut() finds all that a whole member does", async () => {
  const found = await findOut(member);
  assert.deepEqual(found.faults, []);
  assert.ok(found.parallel && found.recurrent && found.carried);
  assert.deepEqual(found.cpu, ["f64", "f32"]);
  assert.ok(found.ops.includes("selective_scan") && found.simd.includes("selective_scan"));
  assert.deepEqual(found.gradient.missed, []);
  assert.ok(found.gradient.reached.includes("x0.ssm"));
  assert.ok(found.webgpu.everywhere && found.webgpu.gradient);
});

Deno.test("findOut() finds a step that is off by a millionth", async () => {
  const found = await findOut(broken({
    step: (...args) => forms.step(...args).map((value) => value * (1 + 1e-6)),
  }));
  assert.ok(found.parallel && found.carried && !found.recurrent);
});

Deno.test("findOut() finds a form that forgets its carried state", async () => {
  const found = await findOut(broken({
    forward: (device, params, u) => forms.forward(device, params, u),
  }));
  assert.ok(!found.carried && !found.recurrent);
  assert.deepEqual(found.gradient.missed, ["x0.conv", "x0.ssm"]);
});

Deno.test("findOut() finds outputs that are not numbers", async () => {
  const found = await findOut(broken({
    init: (...args) => {
      const params = forms.init(...args);
      const D = tensorOf(params.tensors["D"]!.shape, params.tensors["D"]!.data.map(() => NaN));
      return { ...params, tensors: { ...params.tensors, D } };
    },
  }));
  assert.ok(!found.parallel && !found.recurrent && !found.carried);
  assert.deepEqual([found.gradient.reached.includes("u"), found.simd], [false, []]);
});

Deno.test("findOut() counts a form that throws as absent and says what it threw", async () => {
  const found = await findOut(broken({
    forward: () => {
      throw new RangeError("no way forward");
    },
  }));
  assert.ok(!found.parallel && !found.recurrent && !found.webgpu.forward);
  assert.ok(found.faults.some((fault) => /mamba, parallel form: no way forward/.test(fault)));
});

Deno.test("findOut() asks nothing of a smoother that needs later samples", async () => {
  const smoother = familyMembers().find(({ name }) => name === "kalman_smoother")!;
  const found = await findOut(smoother);
  assert.deepEqual([found.parallel, found.recurrent, found.carried], [true, null, null]);
  assert.ok(found.ops.includes("kalman_smoother") && found.gradient.missed.length === 0);
  const asked = await findOut({ ...smoother, needsAll: false });
  assert.deepEqual([asked.recurrent, asked.carried], [false, false]);
});

Deno.test("findOut() counts the work of a further sample", async () => {
  const { ops, workPerSample } = await findOut(member);
  const { feature, state, dtRank } = member.config as unknown as Record<string, number>;
  const inner = 2 * feature!;
  // The four products, the window of 4, SiLU, the scan's states, and slices by rows are all.
  const products = inner * (2 * feature! + dtRank! + 2 * state! + dtRank! + feature!);
  const rest = inner * 4 + inner * state!;
  assert.ok(ops.includes("conv1d"));
  assert.ok(workPerSample >= products + rest && workPerSample < 1.05 * (products + rest));
});

Deno.test("gradientsOf() names u, the parameters and the carried state", async () => {
  const example = exampleOf(member);
  const gradients = await gradientsOf(openCpu({ simd: false }), example, "f64");
  const names = ["u", ...Object.keys(example.params.tensors), "x0.conv", "x0.ssm"];
  assert.deepEqual(Object.keys(gradients), names);
  assert.deepEqual(gradients["u"]!.shape, example.u.shape);
});

Deno.test("runForward() gives outputs and states by name", async () => {
  const example = exampleOf(member);
  const { u, state } = example;
  const outcome = await runForward(openCpu(), example, u, state, "f64");
  assert.deepEqual(Object.keys(outcome), ["y", "state conv", "state ssm"]);
});

Deno.test("exampleOf() is the same at every call", () => {
  assert.deepEqual(exampleOf(member), exampleOf(member));
});

Deno.test("apart() is the worst tensor's error over its largest value", () => {
  const of = (...values: number[]) => tensorOf([values.length], Float64Array.from(values));
  assert.equal(apart({ a: of(1, 2), b: of(3) }, { a: of(1, 4), b: of(3) }), 0.5);
  assert.equal(apart({ a: of(NaN) }, { a: of(1) }), Infinity);
  assert.equal(apart({ a: of(1) }, { a: of(NaN) }), Infinity);
  assert.equal(apart({}, { a: of(1) }), Infinity);
});
