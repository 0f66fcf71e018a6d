/**
 * One training iteration on the GPU, taken apart: the host's time to issue it, the wall time of a
 * run of them, and the GPU's own time by shader entry.
 *
 *   deno run -A bench/training_bench.ts [--shapes small|large] [--member NAME]... [--json]
 *
 * The model is what the tasks train: blocks of x + member(rms_norm(x)) at width 64. `large` shapes
 * need a real GPU; a software adapter gets the small ones. Entries are timed one by one with their
 * own buffers, after the iterations have warmed the device up.
 */
import { parseArgs } from "node:util";
import { seedRandom } from "../src/base/random.ts";
import { openTape } from "../src/autodiff/tape.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import { type Device, openScope, openWebGpu, type WebGpuDevice } from "../src/device/mod.ts";
import type { DeviceTensor, GpuDevice, Launch } from "../src/device/device.ts";
import { type AnyLayer, LAYERS } from "../src/layers/mod.ts";
import { add, rmsNorm, runOp } from "../src/ops/mod.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { type Tensor, tensorOf } from "../src/tensor/tensor.ts";
import { openOptimizer } from "../src/training/optimizer.ts";

const BUDGET_BYTES = 64 * 2 ** 30;
const WARM_UP_ITERATIONS = 3;
const TIMED_ITERATIONS = 10;
const TIMED_REPEATS = 5;
const WIDTH = 64;
const BLOCKS = 2;

interface Shape3 {
  readonly batch: number;
  readonly length: number;
}

/** What each member is configured to; others take their first example, widened. */
const CONFIGS: Readonly<Record<string, Record<string, unknown>>> = {
  mamba: {
    feature: WIDTH,
    state: 16,
    width: 4,
    expand: 2,
    dtRank: 4,
    bias: false,
    dtMin: 0.001,
    dtMax: 0.1,
  },
  s4d: {
    feature: WIDTH,
    state: 64,
    start: "lin",
    discretization: "zoh",
    dtMin: 0.001,
    dtMax: 0.1,
    activation: "gelu",
    mix: true,
  },
};

function noise(shape: readonly number[], seed: number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(12.9898 * ((i + seed) % 4093) ** 2);
  return tensorOf(shape, data);
}

/** The launches of a stretch of work, in order. */
function spyOn(device: WebGpuDevice): { device: GpuDevice; launches: Launch[] } {
  const launches: Launch[] = [];
  const spy: GpuDevice = {
    kind: "webgpu",
    info: device.info,
    limits: device.limits,
    alloc: (shape, dtype) => device.alloc(shape, dtype),
    upload: (tensor) => device.upload(tensor),
    read: (tensor) => device.read(tensor),
    free: (tensor) => device.free(tensor),
    close: () => device.close(),
    table: (key, make) => device.table(key, make),
    dispatch(issued) {
      launches.push(...issued);
      device.dispatch(issued);
    },
  };
  return { device: spy, launches };
}

function blocks(
  device: Device,
  member: AnyLayer,
  config: unknown,
  tensors: Record<string, DeviceTensor>,
  input: DeviceTensor,
): DeviceTensor {
  const scope = openScope(device);
  let x = input;
  for (let block = 0; block < BLOCKS; block++) {
    const own = Object.fromEntries(
      Object.entries(tensors)
        .filter(([name]) => name.startsWith(`${block}.`))
        .map(([name, tensor]) => [name.slice(2), tensor]),
    );
    const { out: y } = runOp(scope, rmsNorm, { x, weight: own["norm"]! }, { eps: 1e-5 });
    const mixed = member.forward(scope, { config, tensors: own }, y);
    x = runOp(scope, add, { a: x, b: scope.keep(mixed.y) }, {}).out;
  }
  scope.keep(x);
  scope.release();
  return x;
}

interface Report {
  readonly member: string;
  readonly shape: Shape3;
  readonly launches: number;
  readonly issueMs: number;
  readonly wallMs: number;
  readonly peakBytes: number;
  readonly entries: readonly { entry: string; count: number; ms: number }[];
}

async function measure(
  device: WebGpuDevice,
  member: AnyLayer,
  config: unknown,
  shape: Shape3,
): Promise<Report> {
  const { device: spy, launches } = spyOn(device);
  const random = seedRandom(1);
  let tensors: Record<string, DeviceTensor> = {};
  for (let block = 0; block < BLOCKS; block++) {
    tensors[`${block}.norm`] = device.upload(
      tensorOf([WIDTH], new Float64Array(WIDTH).fill(1)),
    );
    for (const [name, tensor] of Object.entries(member.init(config, random).tensors)) {
      tensors[`${block}.${name}`] = device.upload(tensor);
    }
  }
  const dims = [shape.batch, shape.length, WIDTH];
  const x = device.upload(noise(dims, 1));
  const seed = device.upload(noise(dims, 2));
  const optimizer = openOptimizer(spy, { clipNorm: 1 });
  let peakBytes = 0;
  const iterate = (): void => {
    const tape = openTape(spy);
    for (const tensor of Object.values(tensors)) tape.watch(tensor);
    const y = blocks(tape.device, member, config, tensors, x);
    tape.backward([[y, seed]]);
    tape.device.free(y);
    const gradients = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, tape.gradient(tensor)]),
    );
    peakBytes = Math.max(peakBytes, device.memory.total);
    tensors = optimizer.step(tensors, gradients, 1e-4);
    tape.release();
  };
  const finish = () => device.read(Object.values(tensors)[0]!);
  for (let i = 0; i < WARM_UP_ITERATIONS; i++) iterate();
  await finish();
  launches.length = 0;
  const start = performance.now();
  let issued = 0;
  for (let i = 0; i < TIMED_ITERATIONS; i++) {
    const from = performance.now();
    iterate();
    issued += performance.now() - from;
    await Promise.resolve();
  }
  await finish();
  const wallMs = (performance.now() - start) / TIMED_ITERATIONS;
  const count = launches.length / TIMED_ITERATIONS;
  const entries = new Map<string, { entry: string; count: number; ms: number }>();
  if (device.info.timestamps) {
    for (const launch of launches.slice(0, count)) {
      const key = `${launch.shader}.${launch.entry}`;
      const entry = entries.get(key) ?? { entry: key, count: 0, ms: 0 };
      const times = await device.time([launch], TIMED_REPEATS);
      entry.ms += times.sort((a, b) => a - b)[TIMED_REPEATS >> 1]!;
      entry.count++;
      entries.set(key, entry);
    }
  }
  optimizer.release();
  for (const tensor of [x, seed, ...Object.values(tensors)]) device.free(tensor);
  return {
    member: member.name,
    shape,
    launches: count,
    issueMs: issued / TIMED_ITERATIONS,
    wallMs,
    peakBytes,
    entries: [...entries.values()].sort((a, b) => b.ms - a.ms),
  };
}

function print(report: Report): void {
  const { member, shape, launches, issueMs, wallMs, peakBytes, entries } = report;
  const gpuMs = entries.reduce((sum, { ms }) => sum + ms, 0);
  console.log(
    `\n${member} ${shape.batch}×${shape.length}×${WIDTH}, ${BLOCKS} blocks: ` +
      `${launches} launches, issue ${formatNumber(issueMs)} ms, wall ${formatNumber(wallMs)} ms, ` +
      `GPU ${formatNumber(gpuMs)} ms, memory ${formatNumber(peakBytes / 2 ** 20)} MiB`,
  );
  console.log(formatTable(
    ["entry", "launches", "ms", "share"],
    entries.map(({ entry, count, ms }) => [
      entry,
      `${count}`,
      formatNumber(ms),
      `${Math.round(100 * ms / gpuMs)} %`,
    ]),
  ));
}

const { values } = parseArgs({
  options: {
    shapes: { type: "string" },
    member: { type: "string", multiple: true },
    json: { type: "boolean" },
  },
});
const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
if ("unavailable" in opened) {
  console.error(opened.unavailable);
  Deno.exit(1);
}
const { device } = opened;
const isLarge = (values.shapes ?? (device.info.software ? "small" : "large")) === "large";
const shapes: Shape3[] = isLarge
  ? [{ batch: 64, length: 4096 }, { batch: 32, length: 256 }]
  : [{ batch: 2, length: 128 }];
const reports: Report[] = [];
for (const name of values.member ?? Object.keys(CONFIGS)) {
  const member = LAYERS.find((each) => each.name === name)!;
  for (const shape of shapes) {
    const report = await measure(device, member, CONFIGS[name], shape);
    reports.push(report);
    if (!values.json) print(report);
  }
}
if (values.json) console.log(JSON.stringify(reports));
await device.close();
