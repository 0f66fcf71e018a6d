import assert from "node:assert/strict";
import { diagonalScan, OPS } from "../../src/ops/mod.ts";
import { type AnyOp, defineOp, gradientName, type LaunchPlan, needsOf } from "../../src/ops/op.ts";

Deno.test("defineOp() gives the op back unchanged", () => {
  const op = OPS[0]!;
  assert.equal(defineOp(op), op);
});

Deno.test("ops have names of their own, and inputs and outputs that do not clash", () => {
  const names = OPS.map((op) => op.name);
  assert.equal(new Set(names).size, names.length);
  for (const op of OPS) {
    const tensors = [...op.inputs, ...op.optional, ...op.outputs];
    assert.equal(new Set(tensors).size, tensors.length, `${op.name}: ${tensors}`);
    assert.match(op.name, /^[a-z0-9_]+$/);
  }
});

Deno.test("launch plans bind only what the op or the plan has", () => {
  const limits = {
    workgroupBytesMax: 16384,
    invocationsMax: 256,
    storageBuffersMax: 32,
    bindingBytesMax: 1 << 27,
    workgroupsPerAxisMax: 65535,
    subgroupSize: 0,
    f16: false,
  };
  const check = (
    op: AnyOp,
    plan: LaunchPlan,
    given: readonly string[],
    outputs: readonly string[],
  ) => {
    const known = new Set([
      ...given,
      ...outputs,
      ...Object.keys(plan.scratch),
      ...Object.keys(plan.tables ?? {}),
    ]);
    // `variable=tensor` binds a tensor to a variable of another name.
    const bound = plan.passes.flatMap((pass) =>
      pass.bindings.map((name) => name.split("=").at(-1)!)
    );
    assert.deepEqual(bound.filter((name) => !known.has(name)), [], op.name);
    const unbound = outputs.filter((name) => !bound.includes(name));
    assert.deepEqual(unbound, [], `${op.name} leaves an output unbound`);
    for (const pass of plan.passes) assert.ok(pass.bindings.length <= limits.storageBuffersMax);
  };
  for (const op of OPS) {
    const sized = op.sized(1 << 12);
    const inputs = sized.inputs(new Uint32Array([1, 2, 3, 4]));
    const present = Object.entries(inputs).filter(([, x]) => x !== undefined);
    const shapes = Object.fromEntries(present.map(([name, x]) => [name, x.shape]));
    check(op, op.launch(shapes, sized.params, limits), Object.keys(shapes), op.outputs);
    if (op.backward === undefined) continue;
    const given = [
      ...needsOf(op.backward, sized.params),
      ...op.outputs.map(gradientName),
    ];
    const plan = op.backward.launch(shapes, sized.params, limits);
    check(op, plan, given, Object.keys(shapes).map(gradientName));
  }
});

Deno.test("gradientName() keeps the case of the rest of the name", () => {
  assert.equal(gradientName("x0"), "gradX0");
  assert.equal(gradientName("deltaBias"), "gradDeltaBias");
});

Deno.test("needsOf() names what a backward reads with its parameters", () => {
  const { backward } = diagonalScan;
  // With equal steps the drive itself is not read, so a tape does not keep it.
  assert.deepEqual(needsOf(backward!, { variant: "lti" }), ["A", "x0", "x"]);
  assert.deepEqual(needsOf(backward!, { variant: "perStep" }), ["v", "A", "dt", "x0", "x"]);
});
