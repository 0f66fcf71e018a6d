import assert from "node:assert/strict";
import { DESKTOP_LIMITS, openPlanner, WEBGPU_LIMITS } from "../../../src/cli/family/planner.ts";
import type { Launch } from "../../../src/device/device.ts";
import { add, runOp, selectiveScan } from "../../../src/ops/mod.ts";
import type { AnyOp } from "../../../src/ops/op.ts";
import { caseInputs } from "../../../src/ops/self_check.ts";
import { seedRandom } from "../../../src/base/random.ts";
import { DEFAULT_LIMITS, t } from "../../ops/_run.ts";

Deno.test("openPlanner() follows an op without computing", async () => {
  const planner = openPlanner(WEBGPU_LIMITS);
  const { out } = runOp(planner.device, add, { a: t([2], [1, 2]), b: t([2], [3, 4]) }, {});
  assert.deepEqual(planner.runs.map(({ op }) => op.name), ["add"]);
  assert.equal(planner.launches, 1);
  assert.equal(planner.buffers, 3);
  assert.deepEqual([...(await planner.device.read(out)).data], [0, 0]);
});

Deno.test("openPlanner() refuses what binds more buffers than its limits", () => {
  assert.deepEqual(WEBGPU_LIMITS, DEFAULT_LIMITS);
  const full = selectiveScan.sized(64);
  const inputs = full.inputs(seedRandom(1));
  const few = openPlanner({ ...WEBGPU_LIMITS, storageBuffersMax: 1 });
  assert.throws(() => runOp(few.device, selectiveScan, inputs, full.params), {
    name: "LimitError",
  });
  // Two hold what is read and what is written, as the launches that copy need.
  const two = openPlanner({ ...WEBGPU_LIMITS, storageBuffersMax: 2 });
  runOp(two.device, selectiveScan, inputs, full.params);
  assert.equal(two.buffers, 2);
  const many = openPlanner(DESKTOP_LIMITS);
  runOp(many.device, selectiveScan, inputs, full.params);
  assert.ok(many.buffers > 8 && many.buffers <= DESKTOP_LIMITS.storageBuffersMax);
});

Deno.test("openPlanner() refuses what the shader does not have", () => {
  const { device } = openPlanner(WEBGPU_LIMITS);
  const [a, b, out] = [
    device.alloc([2], "f32"),
    device.alloc([2], "f32"),
    device.alloc([2], "f32"),
  ];
  const bindings = Object.fromEntries(
    Object.entries({ a, b, out }).map(([name, { buffer }]) => [name, { buffer, bytes: 8 }]),
  );
  const plan = add.launch({ a: [2], b: [2] }, {}, WEBGPU_LIMITS).passes[0]!;
  const launch: Launch = { ...plan, shader: "add", bindings };
  device.dispatch([launch]);
  assert.throws(
    () => device.dispatch([{ ...launch, entry: "nowhere" }]),
    /no entry point "nowhere"/,
  );
  const { a: bound } = bindings;
  assert.throws(
    () => device.dispatch([{ ...launch, bindings: { other: bound! } }]),
    /declares no storage variable "other"/,
  );
  const large = { ...bindings, a: { ...bound!, bytes: 2 ** 28 } };
  assert.throws(() => device.dispatch([{ ...launch, bindings: large }]), /binds 268435456 bytes/);
});

Deno.test("openPlanner() refuses larger workgroups than its limits", () => {
  const op: AnyOp = selectiveScan;
  const full = op.sized(5000);
  const shapes = Object.fromEntries(
    Object.entries(caseInputs(full, "f32")).map(([name, { shape }]) => [name, shape]),
  );
  const pass = op.launch(shapes, full.params, WEBGPU_LIMITS).passes.at(-1)!;
  const launch: Launch = { ...pass, shader: op.name, bindings: {} };
  openPlanner(WEBGPU_LIMITS).device.dispatch([launch]);
  for (const limitName of ["workgroupBytesMax", "invocationsMax"] as const) {
    const { device } = openPlanner({ ...WEBGPU_LIMITS, [limitName]: 1 });
    assert.throws(() => device.dispatch([launch]), { name: "LimitError", limitName });
  }
});
