import assert from "node:assert/strict";
import { backward, drawn, forward, indices, opNamed, sizedCall } from "../../bench/scenario.ts";
import { unfusedScan } from "../../bench/unfused_scan.ts";
import { openCpu, openScope } from "../../src/device/mod.ts";
import type { GpuDevice } from "../../src/device/mod.ts";
import type { Launch } from "../../src/device/device.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

const rows = [2, 40, 8];
const scan = {
  op: "selective_scan",
  params: { softplus: true },
  inputs: () => ({
    u: drawn(rows),
    delta: drawn(rows, -3, -1),
    A: drawn([8, 4], -4, -0.5),
    B: drawn([2, 40, 1, 4]),
    C: drawn([2, 40, 1, 4]),
  }),
};

gpuTest("forward(), backward() and unfusedScan() give launches that can be timed", async (gpu) => {
  if (!gpu.info.timestamps) return;
  const scenarios = [
    forward("ops", "scan", scan),
    backward("ops", "scan", scan),
    unfusedScan("issue", [1, 8, 40, 4]),
    forward("ops", "embedding", {
      op: "embedding",
      params: {},
      inputs: () => ({ table: drawn([16, 8]), ids: indices([1, 40], 16) }),
    }),
  ];
  for (const scenario of scenarios) {
    const scope = openScope(gpu) as GpuDevice & { release(): void };
    const times = await gpu.time(scenario.launches(scope), 2);
    scope.release();
    assert.ok(times.every((ms) => ms > 0), scenario.name);
  }
  assert.deepEqual(takeFaults(), []);
});

gpuTest("drawn() inputs lie in their range, indices() are whole", async (gpu) => {
  const scope = openScope(gpu) as GpuDevice & { release(): void };
  const issued: Launch[] = [];
  const read: Promise<{ data: ArrayLike<number> }>[] = [];
  // What is drawn is dispatched on the device that the scenario is given.
  const spy: GpuDevice = {
    ...scope,
    dispatch(launches) {
      issued.push(...launches);
      scope.dispatch(launches);
    },
    alloc(shape, dtype) {
      const tensor = scope.alloc(shape, dtype);
      read.push(Promise.resolve().then(() => scope.read(tensor)));
      return tensor;
    },
  };
  try {
    forward("ops", "embedding", {
      op: "embedding",
      params: {},
      inputs: () => ({ table: drawn([4096, 1], -2, 3), ids: indices([1, 4096], 7) }),
    }).launches(spy);
    const [table, ids] = await Promise.all(read.slice(0, 2)) as [
      { data: Float32Array },
      { data: Float32Array },
    ];
    assert.equal(issued.length, 2);
    assert.ok(table.data.every((value) => value >= -2 && value < 3));
    const mean = table.data.reduce((sum, value) => sum + value, 0) / 4096;
    assert.ok(Math.abs(mean - 0.5) < 0.1, `mean ${mean}`);
    assert.ok(ids.data.every((value) => Number.isInteger(value) && value >= 0 && value < 7));
    assert.equal(new Set(ids.data).size, 7);
  } finally {
    scope.release();
  }
});

Deno.test("scenarios run on a CPU too", () => {
  const device = openCpu();
  for (const make of [forward, backward]) make("ops", "scan", scan).onCpu!(device)();
});

Deno.test("sizedCall() draws its inputs once", () => {
  const call = sizedCall(opNamed("add"), 100);
  assert.equal(call.inputs(), call.inputs());
});

Deno.test("opNamed() refuses a name that is none", () => {
  assert.throws(() => opNamed("no_op"), /"no_op"|no_op/);
});
