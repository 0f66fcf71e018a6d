import assert from "node:assert/strict";
import { DeviceLostError, LimitError } from "../../src/base/errors.ts";
import { openWebGpu, REOPENS_MAX, TABLES_MAX } from "../../src/device/webgpu.ts";
import { PROGRAMS_MAX } from "../../src/device/programs.ts";
import { seedRandom } from "../../src/base/random.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { PIPELINES_MAX } from "../../src/device/pipelines.ts";
import { recordLaunches } from "../../src/device/recorder.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { add } from "../../src/ops/add.ts";
import { runOp } from "../../src/ops/run.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { checkWrite } from "./_write.ts";

const DEVICE_URL = new URL("../../src/device/webgpu.ts", import.meta.url).href;

const ones = (count: number) => tensorOf([count], new Float32Array(count).fill(1));

async function open(options: Parameters<typeof openWebGpu>[0] = {}) {
  const opened = await openWebGpu(options);
  assert.ok("device" in opened);
  return opened.device;
}

gpuTest("WebGpuDevice.upload() copies, so the caller may go on writing", async (gpu) => {
  const source = ones(4);
  const tensor = gpu.upload(source);
  source.data.fill(7);
  assert.deepEqual([...(await gpu.read(tensor)).data], [1, 1, 1, 1]);
  gpu.free(tensor);
});

gpuTest("WebGpuDevice.write() overwrites a tensor and a view of it", checkWrite);

gpuTest("WebGpuDevice.upload() rounds f64 to f32", async (gpu) => {
  const tensor = gpu.upload(tensorOf([1], Float64Array.of(0.1)));
  const read = await gpu.read(tensor);
  assert.equal(read.dtype, "f32");
  assert.equal(read.data[0], Math.fround(0.1));
  gpu.free(tensor);
});

gpuTest("WebGpuDevice.alloc() refuses what passes the budget or one binding", async () => {
  const device = await open({ budgetBytes: 1 << 20 });
  const tensor = device.alloc([200_000], "f32");
  assert.throws(
    () => device.alloc([200_000], "f32"),
    (error) => error instanceof LimitError && error.limitName === "POOL_BYTES_MAX",
  );
  device.free(tensor);
  device.alloc([200_000], "f32");
  const words = device.limits.bindingBytesMax / 4 + 1;
  assert.throws(
    () => device.alloc([words], "f32"),
    (error) => error instanceof LimitError && error.limitName === "bindingBytesMax",
  );
  await device.close();
});

gpuTest("WebGpuDevice sends its programs again beyond PROGRAMS_MAX of them", async (gpu) => {
  const x = gpu.upload(ones(4));
  const out = gpu.alloc([4], "f32");
  const bind = (tensor: typeof x) => ({ buffer: tensor.buffer, bytes: 16 });
  // The constant makes another program of the same shader; nothing runs but the last.
  for (let i = 0; i <= PROGRAMS_MAX; i++) {
    gpu.dispatch([{
      shader: "add",
      entry: "add",
      constants: { GROUP: 64, VECTOR: 1, REPEATS: 1, TAG: i },
      dims: { count: 4, repeat: 4 },
      bindings: { a: bind(x), b: bind(x), out: bind(out) },
      workgroups: [i === PROGRAMS_MAX ? 1 : 0, 1, 1],
    }]);
  }
  assert.deepEqual([...(await gpu.read(out)).data], [2, 2, 2, 2]);
  [x, out].forEach((tensor) => gpu.free(tensor));
});

/** A backbone's forward over a row of samples. */
function forwardOn(device: Device): DeviceTensor {
  const model = backboneOf(parseBackbone({
    input: { kind: "signal", feature: 1 },
    width: 8,
    layers: ["mamba"],
    output: { size: 1, pool: "none" },
  }));
  const input = device.upload(tensorOf([1, 16, 1], new Float32Array(16).fill(0.5)));
  return model.forward(device, model.init(seedRandom(1)), input).y;
}

gpuTest("WebGpuDevice.compileAhead() leaves nothing to compile to the run after it", async () => {
  const device = await open();
  const launches = await recordLaunches(device.limits, (recorder) => void forwardOn(recorder));
  const told: number[] = [];
  const compiled = await device.compileAhead(launches, (done) => told.push(done));
  assert.ok(compiled > 5, `${compiled} pipelines`);
  assert.deepEqual(told, Array.from({ length: compiled + 1 }, (_, i) => i));
  const before = await device.pipelinesCompiled();
  const output = await device.read(forwardOn(device));
  assert.ok(output.data.every(Number.isFinite));
  assert.equal(await device.pipelinesCompiled(), before);
  assert.equal(await device.compileAhead(launches), 0);
  await device.close();
});

gpuTest("WebGpuDevice.compileAhead() lets other work through between two pipelines", async () => {
  const device = await open();
  const launches = await recordLaunches(device.limits, (recorder) => void forwardOn(recorder));
  let done = 0;
  const ahead = device.compileAhead(launches, (count) => done = count);
  const tensor = device.upload(ones(4));
  await device.read(tensor);
  assert.ok(done < 3, `the read waited for ${done} pipelines`);
  await ahead;
  await device.close();
});

gpuTest(
  "WebGpuDevice.compileAhead() refuses more than are kept, and a broken shader",
  async (gpu) => {
    const buffer = { id: 1, bytes: 16, generation: 0 };
    const launch = (tag: number, entry = "add") => ({
      shader: "add",
      entry,
      constants: { GROUP: 64, VECTOR: 1, REPEATS: 1, TAG: tag },
      dims: {},
      bindings: Object.fromEntries(["a", "b", "out"].map((name) => [name, { buffer, bytes: 16 }])),
      workgroups: [1, 1, 1] as const,
    });
    const many = Array.from({ length: PIPELINES_MAX + 1 }, (_, i) => launch(i));
    await assert.rejects(
      gpu.compileAhead(many),
      (error) => error instanceof LimitError && error.limitName === "PIPELINES_MAX",
    );
    await assert.rejects(gpu.compileAhead([launch(0, "no_entry")]), /Shader add, entry no_entry/);
  },
);

gpuTest("WebGpuDevice.table() uploads once and keeps a bounded number", async (gpu) => {
  let made = 0;
  const make = () => {
    made++;
    return new Float32Array([made]);
  };
  const first = gpu.table("test/0", make);
  assert.equal(gpu.table("test/0", make), first);
  assert.equal(made, 1);
  const used = gpu.memory.used;
  for (let i = 1; i <= 2 * TABLES_MAX; i++) gpu.table(`test/${i}`, make);
  assert.ok(gpu.memory.used - used <= TABLES_MAX * 256);
  const again = gpu.table("test/0", make);
  assert.deepEqual([...(await gpu.read(again)).data], [made]);
});

gpuTest("WebGpuDevice opens again once after a loss, and says so", async () => {
  const log: string[] = [];
  const device = await open({ log: (message) => log.push(message) });
  const old = device.upload(ones(4));
  device.simulateLoss();
  await assert.rejects(() => device.read(old), DeviceLostError);
  await device.opened();
  assert.equal(device.reopens, 1);
  assert.match(log[0]!, /was lost .* opening it again/);
  // The old tensor is dead, new work runs.
  await assert.rejects(() => device.read(old), /has been lost/);
  assert.throws(() => runOp(device, add, { a: old, b: ones(4) }, {}), DeviceLostError);
  const { out } = runOp(device, add, { a: ones(4), b: ones(4) }, {});
  assert.deepEqual([...(await device.read(out)).data], [2, 2, 2, 2]);
  await device.close();
});

gpuTest("WebGpuDevice gives up after the loss beyond the last reopening", async () => {
  const log: string[] = [];
  const device = await open({ log: (message) => log.push(message) });
  for (let loss = 0; loss <= REOPENS_MAX; loss++) {
    const tensor = device.upload(ones(4));
    device.simulateLoss();
    await assert.rejects(() => device.read(tensor), DeviceLostError);
    await device.opened().catch(() => {});
  }
  assert.match(device.gone!, /lost again/);
  assert.throws(() => device.alloc([1], "f32"), DeviceLostError);
  await assert.rejects(() => device.opened(), DeviceLostError);
  assert.match(log.at(-1)!, /^No GPU/);
  await device.close();
});

gpuTest("WebGpuDevice.close() ends the Worker, twice is once, reads after it fail", async () => {
  const device = await open();
  const tensor = device.upload(ones(4));
  const read = device.read(tensor);
  await Promise.all([device.close(), device.close()]);
  assert.deepEqual([...(await read).data], [1, 1, 1, 1]);
  await assert.rejects(() => device.read(tensor), DeviceLostError);
});

gpuTest("WebGpuDevice.close() leaves no thread of a Worker behind", async () => {
  if (Deno.build.os !== "linux") return;
  // In a process of its own: other test files have Workers, too. Opened and closed beside each
  // other, since a process can crash when it ends, loads or unloads the driver during the other.
  const script = `
    const { openWebGpu } = await import(${JSON.stringify(DEVICE_URL)});
    const opened = await Promise.all([openWebGpu(), openWebGpu()]);
    await Promise.all(opened.map(({ device }) => device.close()));
    const names = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => {
      try {
        return Deno.readTextFileSync("/proc/self/task/" + name + "/comm").trim();
      } catch {
        return "worker- that was ending just now";
      }
    });
    console.log(names.filter((name) => name.startsWith("worker-")).length);
  `;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    env: { NO_COLOR: "1" },
    stderr: "null",
  }).output();
  assert.deepEqual([code, new TextDecoder().decode(stdout).trim()], [0, "0"]);
});

Deno.test("openWebGpu() without an adapter names the package to install", async () => {
  const script = `
    const { openWebGpu } = await import(${JSON.stringify(DEVICE_URL)});
    const opened = await openWebGpu();
    console.log("unavailable" in opened ? opened.unavailable : "open");
  `;
  // Where OpenGL is installed the runtime would fall back to it; the device must not.
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    env: { VK_DRIVER_FILES: "/nonexistent", DENO_WEBGPU_BACKEND: "", NO_COLOR: "1" },
    stderr: "null",
  }).output();
  assert.match(new TextDecoder().decode(stdout), /No WebGPU adapter.*mesa-vulkan-drivers/);
});
