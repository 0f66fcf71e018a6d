import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import type { GpuDevice, SimdPlan } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { activation } from "../../src/ops/activation.ts";
import { add } from "../../src/ops/add.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { putRows } from "../../src/ops/put_rows.ts";
import { prepareOp, runBackward, runInto, runOp } from "../../src/ops/run.ts";
import { type FloatArray, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { withLimits } from "./_run.ts";

const f32 = (shape: number[], values: number[]) => tensorOf(shape, Float32Array.from(values));

Deno.test("runOp() chains on the CPU and keeps the dtype", async () => {
  const cpu = openCpu();
  const a = tensorOf([2, 2], Float64Array.from([1, 2, 3, 4]));
  const { c } = runOp(cpu, matmul, { a, b: a }, {});
  const { out } = runOp(cpu, add, { a: c, b: a }, {});
  const result = await cpu.read(out);
  assert.equal(result.dtype, "f64");
  assert.deepEqual([...result.data], [8, 12, 18, 26]);
});

Deno.test("runOp() refuses a missing input and mixed dtypes", () => {
  const cpu = openCpu();
  const a = f32([2], [1, 2]);
  const b = tensorOf([2], Float64Array.from([1, 2]));
  assert.throws(() => runOp(cpu, add, { a } as any, {}), /needs input "b"/);
  assert.throws(() => runOp(cpu, add, { a, b }, {}), /"b" is f64, the others are f32/);
});

gpuTest("runOp() chains on the GPU without a readback and frees what it made", async (gpu) => {
  const used = gpu.memory.used;
  const scope = openScope(gpu);
  const a = f32([2, 2], [1, 2, 3, 4]);
  const { c } = runOp(scope, matmul, { a, b: a }, {});
  const { out } = runOp(scope, add, { a: c, b: a }, {});
  assert.deepEqual([...(await scope.read(out)).data], [8, 12, 18, 26]);
  scope.release();
  assert.equal(gpu.memory.used, used);
});

gpuTest("prepareOp() gives launches that may be issued again", async (gpu) => {
  const scope = openScope(gpu) as GpuDevice & ReturnType<typeof openScope>;
  const x = scope.upload(f32([3], [1, 2, 3]));
  const { launches, outputs } = prepareOp(scope, add, { a: x, b: x }, {});
  for (let i = 0; i < 600; i++) gpu.dispatch(launches);
  assert.deepEqual([...(await scope.read(outputs.out)).data], [2, 4, 6]);
  scope.release();
});

gpuTest("prepareOp() packs tensors where the adapter binds few storage buffers", async (gpu) => {
  const a = f32([2, 1], [1, 2]);
  const narrow = withLimits(gpu, { ...gpu.limits, storageBuffersMax: 2 });
  const { launches, outputs } = prepareOp(narrow, add, { a, b: f32([1], [3]) }, {});
  assert.deepEqual(launches.map(({ entry }) => entry), ["copy_words", "copy_words", "add"]);
  assert.ok(launches.every(({ bindings }) => Object.keys(bindings).length === 2));
  gpu.dispatch(launches);
  assert.deepEqual([...(await gpu.read(outputs.out)).data], [4, 5]);
  narrow.release();
});

gpuTest("prepareOp() refuses fewer storage buffers than kinds of tensors", (gpu) => {
  const narrow = withLimits(gpu, { ...gpu.limits, storageBuffersMax: 1 });
  const x = f32([1], [1]);
  assert.throws(() => prepareOp(narrow, add, { a: x, b: x }, {}), {
    name: "LimitError",
    message: "storageBuffersMax is 1, got 2",
  });
  narrow.release();
});

Deno.test("runOp() takes SIMD kernels for f32 from their size on, else the twin", async () => {
  const ran: string[] = [];
  const host = openCpu({ simd: false });
  const simd = {
    workMin: 8,
    threads: 1,
    threadsReady: 1,
    unavailable: undefined,
    close() {},
    hold: () => undefined,
    holds: () => false,
    release() {},
    run({ passes }: SimdPlan, inputs: Readonly<Record<string, FloatArray>>) {
      ran.push(`${passes[0]!.entry} ${Object.keys(inputs)}`);
      // As for arrays that are too large: the twin must do it.
      return false;
    },
  };
  const device = { ...host, simd };
  const reluOf = (data: FloatArray) => {
    const x = tensorOf([data.length], data);
    return device.read(runOp(device, activation, { x }, { kind: "relu" }).y);
  };
  const values = [-1, 2, -3, 4, -5, 6, -7, 8];
  assert.deepEqual([...(await reluOf(Float32Array.from(values))).data], [0, 2, 0, 4, 0, 6, 0, 8]);
  assert.deepEqual(ran, ["activation x"]);
  await reluOf(Float32Array.from(values.slice(1)));
  await reluOf(Float64Array.from(values));
  assert.deepEqual(ran, ["activation x"]);
  const x = tensorOf([8], Float32Array.from(values));
  runBackward(device, activation, { x, gradY: x }, { x: [8] }, { kind: "relu" });
  assert.deepEqual(ran, ["activation x", "activation_backward x,gradY"]);
});

Deno.test("runInto() fills the caller's tensors and refuses what is in its way", async () => {
  const cpu = openCpu();
  const [a, b, out] = [[1, 2], [3, 4], [0, 0]].map((values) => cpu.upload(f32([2], values)));
  const result = runInto(cpu, add, { a: a!, b: b! }, {}, { out: out! });
  assert.equal(result.out, out);
  assert.deepEqual([...(await cpu.read(out!)).data], [4, 6]);
  assert.throws(
    () => runInto(cpu, add, { a: a!, b: b! }, {}, { out: a! }),
    new TypeError('Op add: "out" cannot take the place of "a"'),
  );
  const long = cpu.alloc([3], "f32");
  assert.throws(() => runInto(cpu, add, { a: a!, b: b! }, {}, { out: long }), /out\.0/);
});

gpuTest(
  "runInto() advances a resident input where it lies and copies it elsewhere",
  async (gpu) => {
    const scope = openScope(gpu);
    const table = scope.upload(f32([2, 1], [1, 2]));
    const [slots, values] = [scope.upload(f32([1], [1])), scope.upload(f32([1, 1], [7]))];
    const { next } = runOp(scope, putRows, { table, slots, values }, {});
    assert.deepEqual([...(await scope.read(next)).data], [1, 7]);
    assert.deepEqual([...(await scope.read(table)).data], [1, 2]);
    const used = gpu.memory.used;
    runInto(scope, putRows, { table, slots, values }, {}, { next: table });
    assert.equal(gpu.memory.used, used);
    assert.deepEqual([...(await scope.read(table)).data], [1, 7]);
    assert.throws(
      () =>
        runInto(
          scope,
          putRows,
          { table: next, slots, values },
          {},
          { next: table, other: slots } as any,
        ),
      /rank of other/,
    );
    scope.release();
  },
);
