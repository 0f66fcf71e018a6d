import assert from "node:assert/strict";
import { OPS } from "../../src/ops/mod.ts";
import { defineOp } from "../../src/ops/op.ts";

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
    storageBuffersMax: 16,
    bindingBytesMax: 1 << 27,
    workgroupsPerAxisMax: 65535,
  };
  for (const op of OPS) {
    const sized = op.sized(1 << 12);
    const inputs = sized.inputs(new Uint32Array([1, 2, 3, 4]));
    const shapes = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, x.shape]));
    const plan = op.launch(shapes, sized.params, limits);
    const known = new Set([
      ...Object.keys(shapes),
      ...op.outputs,
      ...Object.keys(plan.scratch),
      ...Object.keys(plan.tables ?? {}),
    ]);
    const unknown = plan.passes.flatMap((pass) => pass.bindings).filter((name) => !known.has(name));
    assert.deepEqual(unknown, [], op.name);
    const bound = new Set(plan.passes.flatMap((pass) => pass.bindings));
    assert.ok(op.outputs.every((name) => bound.has(name)), `${op.name} leaves an output unbound`);
  }
});
