import assert from "node:assert/strict";
import { formatGradients, gradientRow, gradientsCommand } from "../../src/cli/gradients.ts";
import { defineOp } from "../../src/ops/op.ts";
import { adam, gate } from "../../src/ops/mod.ts";
import { run } from "./_run.ts";

Deno.test("gradientRow() names the inputs, the cases and the worst error", async () => {
  const row = await gradientRow(gate);
  assert.ok(row.passed && row.worst! > 0 && row.worst! < 1e-6);
  assert.deepEqual([...row.inputs].sort(), ["y", "z"]);
  assert.ok(row.cases > 2 && row.worstAt!.includes(": "));
});

Deno.test("gradientRow() finds a gradient that is off by a thousandth", async () => {
  const wrong = defineOp({
    ...gate,
    backward: {
      ...gate.backward!,
      cpu(given, gradients, shapes, params) {
        gate.backward!.cpu(given, gradients, shapes, params);
        gradients.gradY!.forEach((value, i) => gradients.gradY![i] = 1.001 * value);
      },
    },
  });
  const row = await gradientRow(wrong);
  assert.ok(!row.passed && row.worst! > 1e-4 && row.worstAt!.endsWith(": y"));
  assert.match(formatGradients([row]), /FAILED[^]*1 ops are off/);
});

Deno.test("gradientRow() of an op without a gradient says so", async () => {
  const row = await gradientRow(adam);
  assert.deepEqual([row.inputs, row.cases, row.worst, row.passed], [[], 0, null, true]);
});

Deno.test("driftline gradients prints a row for each op asked for", async () => {
  const { code, out } = await run(gradientsCommand, "--op", "add", "--json");
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out).map((row: { op: string }) => row.op), ["add"]);
  const refused = await run(gradientsCommand, "--op", "none");
  assert.equal(refused.code, 2);
  assert.match(refused.error, /--op none: one of/);
});
