import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { LimitError } from "../../src/base/errors.ts";
import { openPlanner, WEBGPU_LIMITS } from "../../src/cli/family/planner.ts";
import type { Launch } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/mod.ts";
import { LAYERS } from "../../src/layers/mod.ts";
import { openServing, Serving } from "../../src/models/serving.ts";
import { openChain } from "../../src/models/serving_chain.ts";
import { openParts } from "../../src/models/serving_parts.ts";
import { gpuTest } from "../_gpu.ts";
import { withLimits } from "../ops/_run.ts";
import { assertStates, backbone, drawInput, FUSED, parametersOf, serveBeside } from "./_serving.ts";

const cpu = openCpu({ poison: true, simd: false });

/** Bindings of this many streams of {@linkcode FUSED}, and a batch of so many. */
const FEW = 8;

Deno.test("openParts() serves what one plan does, whichever parts a batch names", async () => {
  const model = backbone(["s5", "s4d"]);
  const tensors = parametersOf(model);
  const capacity = 7;
  const opened: number[] = [];
  const plan = openParts(capacity, 3, (rows) => {
    opened.push(rows);
    return openChain(cpu, model, tensors, rows);
  });
  assert.deepEqual(opened, [3, 3, 1]);
  const parted = new Serving(cpu, model, plan, { tensors, capacity, obstacle: "parts" });
  const whole = openServing(cpu, model, tensors, { capacity, plan: "chain" });
  for (const serving of [parted, whole]) serving.open(capacity);
  const random = seedRandom(2);
  for (const slots of [[0, 1, 2, 3, 4, 5, 6], [6, 0, 5, 2], [4], [5, 3], [2, 6]]) {
    const inputs = Float32Array.from(slots.flatMap(() => drawInput(model, random)));
    const clocks = [slots.map((slot) => 0.5 + slot), slots.map(() => 2)];
    const [a, b] = await Promise.all(
      [parted, whole].map((serving) => serving.step({ slots, inputs, clocks })),
    );
    assert.deepEqual(a, b);
  }
  parted.write(1, await parted.read(6));
  assert.deepEqual(await parted.read(1), await whole.read(6));
  assert.deepEqual(await parted.read(4), await whole.read(4));
  for (const serving of [parted, whole]) serving.close();
});

Deno.test("openParts() gives back what it opened when a part does not fit", () => {
  let held = 0;
  const model = backbone(["s5"]);
  const open = (rows: number) => {
    if (held === 2) throw new LimitError("budgetBytes", 1, 2);
    held++;
    const plan = openChain(cpu, model, parametersOf(model), rows);
    return { ...plan, free: () => (held--, plan.free()) };
  };
  assert.throws(() => openParts(7, 3, open), { limitName: "budgetBytes" });
  assert.equal(held, 0);
});

gpuTest("openServing() splits streams whose states are more than a binding holds", async (gpu) => {
  const [largest] = Object.values(FUSED.initialState(FEW, "f32"))
    .map(({ data }) => 4 * data.length).sort((a, b) => b - a);
  const weights = Object.values(parametersOf(FUSED)).map(({ data }) => 4 * data.length);
  const limits = { ...gpu.limits, bindingBytesMax: Math.max(largest!, ...weights) };
  const narrow = withLimits(gpu, limits);
  const tensors = parametersOf(FUSED);
  const capacity = 5 * FEW;
  const parted = openServing(narrow, FUSED, tensors, { capacity });
  const whole = openServing(gpu, FUSED, tensors, { capacity });
  assert.ok(parted.launches(capacity)!.length > whole.launches(capacity)!.length);
  assert.equal(parted.launches(1)!.length, whole.launches(1)!.length);
  const random = seedRandom(3);
  for (const serving of [parted, whole]) serving.open(capacity);
  const all = Int32Array.from({ length: capacity }, (_, i) => i);
  for (const slots of [all, all.toReversed(), all.filter((slot) => slot % 3 > 0)]) {
    const inputs = Array.from(slots, () => drawInput(FUSED, random)).flat();
    const [a, b] = await Promise.all(
      [parted, whole].map((serving) => serving.step({ slots, inputs })),
    );
    assert.deepEqual(a, b);
  }
  for (const slot of [0, 17, capacity - 1]) {
    assertStates(await parted.read(slot), await whole.read(slot), `stream ${slot}`, 0);
  }
  for (const serving of [parted, whole]) serving.close();
  narrow.release();
});

gpuTest("openServing() serves in parts what Backbone.step() gives", async (gpu) => {
  const narrow = withLimits(gpu, { ...gpu.limits, bindingBytesMax: 4096 });
  await serveBeside(narrow, FUSED);
  narrow.release();
});

for (const { name } of LAYERS) {
  Deno.test(`openChain() stays within WebGPU's limits over 131,072 streams: ${name}`, async () => {
    const streams = 131_072;
    const { device } = openPlanner(WEBGPU_LIMITS);
    const issued: Launch[] = [];
    const dispatch = (launches: readonly Launch[]) => {
      issued.push(...launches);
      device.dispatch(launches);
    };
    const model = backbone([name]);
    const tensors = parametersOf(model);
    const options = { capacity: streams, plan: "chain" } as const;
    const serving = openServing({ ...device, dispatch }, model, tensors, options);
    const slots = serving.open(streams);
    const y = await serving.step({ slots, inputs: new Float32Array(3 * streams) });
    assert.equal(y.length, 2 * streams);
    assert.ok(issued.length > 0);
    const most = Math.max(...issued.flatMap(({ workgroups }) => workgroups));
    assert.ok(most <= WEBGPU_LIMITS.workgroupsPerAxisMax);
    serving.close();
  });
}
