/**
 * Speed of the ops: the twin on one core, the SIMD kernels on one core and on all (copies to and
 * from their memory included), and the shaders by the GPU's own clock, beside the time
 * that moving the op's tensors once would take at the rate of the op `slice`, measured in the same
 * run. `slice` moves one f32 an invocation and does not reach the memory's bandwidth (843 GB/s of
 * about 2,950 on an H100), so the share says how an op stands to it, not to the hardware.
 *
 *   deno run -A bench/ops_bench.ts [--op NAME]... [--shapes small|large] [--history] [--json]
 *
 * `large` shapes are those of the design's tables and need a real GPU; a software adapter gets the
 * small ones. GPU times are medians of timestamp queries after at least 60 ms of work, since idle
 * GPUs run at a fraction of their clock. `--history` appends to bench/history.ndjson.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { systemClock } from "../src/base/clock.ts";
import { seedRandom } from "../src/base/random.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import {
  type CpuDevice,
  openCpu,
  openScope,
  openWebGpu,
  SIMD_THREADS_MAX,
  type WebGpuDevice,
} from "../src/device/mod.ts";
import { fftConv, linearScan, matmul, OPS, runOp, selectiveScan, slice } from "../src/ops/mod.ts";
import type { AnyOp, OpCase } from "../src/ops/op.ts";
import { prepareOp } from "../src/ops/run.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import { type Tensor, tensorOf } from "../src/tensor/tensor.ts";

/** Work of the small shapes: large enough to time, small enough for lavapipe. */
const SMALL_WORK = 1 << 20;
const WARM_UP_MS = 60;
const REPEATS_MAX = 200;
const CPU_REPEATS = 5;
const COPY_FLOATS = 1 << 26;
const COPY_FLOATS_SOFTWARE = 1 << 21;
const BUDGET_BYTES = 48 * 2 ** 30;

interface Scenario {
  readonly op: AnyOp;
  readonly name: string;
  readonly params: unknown;
  inputs(): Record<string, Tensor>;
}

/** Cheap values without pattern enough for timing: a full random fill would take longer. */
function waves(shape: Shape, low: number, high: number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  const period = 4093;
  const wave = Float32Array.from(
    { length: period },
    (_, i) => low + (high - low) * (0.5 + 0.5 * Math.sin(12.9898 * i * i)),
  );
  for (let at = 0; at < data.length; at += period) {
    data.set(wave.subarray(0, Math.min(period, data.length - at)), at);
  }
  return tensorOf(shape, data);
}

function selective(batch: number, feature: number, length: number, state: number): Scenario {
  const rows = [batch, length, feature];
  return {
    op: selectiveScan,
    name: `selective_scan B${batch} D${feature} L${length} N${state}`,
    params: { softplus: true },
    inputs: () => ({
      u: waves(rows, -1, 1),
      delta: waves(rows, -1, 1),
      A: waves([feature, state], -4, -0.5),
      B: waves([batch, length, 1, state], -1, 1),
      C: waves([batch, length, 1, state], -1, 1),
      D: waves([feature], -1, 1),
      z: waves(rows, -1, 1),
      deltaBias: waves([feature], -3, -1),
    }),
  };
}

function linear(batch: number, feature: number, length: number, state: number): Scenario {
  const bank = [feature, state, 2];
  return {
    op: linearScan,
    name: `linear_scan B${batch} D${feature} L${length} N${state}`,
    params: { variant: "lti" },
    inputs: () => ({
      u: waves([batch, length, feature], -1, 1),
      A: waves(bank, -0.6, 0.6),
      B: waves(bank, -1, 1),
      C: waves(bank, -1, 1),
      D: waves([feature], -1, 1),
    }),
  };
}

function product(m: number, n: number, k: number): Scenario {
  return {
    op: matmul,
    name: `matmul M${m} N${n} K${k}`,
    params: {},
    inputs: () => ({ a: waves([m, k], -1, 1), b: waves([k, n], -1, 1) }),
  };
}

function convolution(batch: number, feature: number, length: number): Scenario {
  return {
    op: fftConv,
    name: `fft_conv B${batch} D${feature} L${length}`,
    params: {},
    inputs: () => ({
      u: waves([batch, length, feature], -1, 1),
      kernel: waves([feature, length], -1, 1),
    }),
  };
}

function fromCase(op: AnyOp, testCase: OpCase<any, any, any>): Scenario {
  return {
    op,
    name: `${op.name} ${testCase.name}`,
    params: testCase.params,
    inputs: () => testCase.inputs(seedRandom(1)) as Record<string, Tensor>,
  };
}

function largeScenarios(): Scenario[] {
  return [
    selective(8, 2048, 2048, 16),
    selective(1, 2048, 16384, 16),
    selective(64, 256, 512, 16),
    selective(1, 256, 65536, 16),
    selective(64, 2048, 512, 16),
    linear(8, 512, 1024, 32),
    linear(8, 512, 2048, 32),
    linear(8, 512, 4096, 32),
    linear(1, 512, 16384, 32),
    linear(1, 512, 65536, 32),
    product(4096, 4096, 4096),
    product(16384, 2048, 1024),
    product(65536, 256, 256),
    convolution(8, 512, 1024),
    convolution(8, 512, 4096),
    convolution(1, 512, 65536),
    ...OPS.filter((op) => ![selectiveScan, linearScan, matmul, fftConv].includes(op))
      .map((op) => fromCase(op, op.sized(1 << 26))),
  ];
}

interface Row {
  readonly name: string;
  readonly work: number;
  readonly bytes: number;
  readonly cpuMs: number | null;
  /** SIMD kernels on one core, and on all of them; null where the op has none. */
  readonly simdMs: number | null;
  readonly threadsMs: number | null;
  readonly gpuMs: number | null;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

async function gpuMs(gpu: WebGpuDevice, scenario: Scenario): Promise<number> {
  const scope = openScope(gpu);
  try {
    if (scope.kind !== "webgpu") throw new TypeError("the scope of a GPU is a GPU");
    const { launches } = prepareOp(scope, scenario.op, scenario.inputs(), scenario.params);
    const first = median(await gpu.time(launches, 2));
    const repeats = Math.min(
      REPEATS_MAX,
      Math.max(5, Math.ceil(WARM_UP_MS / Math.max(first, 0.01))),
    );
    // Warm-up and measurement in one submit: between two, the clock could fall again.
    const times = await gpu.time(launches, gpu.info.software ? 5 : 2 * repeats);
    return median(times.slice(times.length >> 1));
  } finally {
    scope.release();
  }
}

function cpuMs(cpu: CpuDevice, scenario: Scenario): number {
  const inputs = scenario.inputs();
  // Untimed: the engine compiles.
  runOp(cpu, scenario.op, inputs, scenario.params);
  const times = Array.from({ length: CPU_REPEATS }, () => {
    const start = systemClock.monotonicMs();
    runOp(cpu, scenario.op, inputs, scenario.params);
    return systemClock.monotonicMs() - start;
  });
  return Math.min(...times);
}

/** Threads start at the first run that is long enough for them. */
async function startThreads(device: CpuDevice): Promise<void> {
  const { op, inputs, params } = product(512, 512, 512);
  runOp(device, op, inputs(), params);
  for (let i = 0; i < 1000 && device.simd!.threadsReady < device.simd!.threads; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Bytes of all inputs and outputs, each moved once. */
function tensorBytes(op: AnyOp, shapes: Record<string, Shape>, params: unknown): number {
  const outputs = op.outputShapes(shapes, params) as Record<string, Shape>;
  const sizes = [...Object.values(shapes), ...Object.values(outputs)].map(sizeOf);
  return 4 * sizes.reduce((a, b) => a + b, 0);
}

/** Bytes per millisecond of reading and writing a large buffer once. */
async function copyBandwidth(gpu: WebGpuDevice): Promise<number> {
  const floats = gpu.info.software ? COPY_FLOATS_SOFTWARE : COPY_FLOATS;
  const ms = await gpuMs(gpu, {
    op: slice,
    name: "copy",
    params: { start: 0, count: 64 },
    inputs: () => ({ x: waves([floats / 64, 64], -1, 1) }),
  });
  return 8 * floats / ms;
}

async function commitName(): Promise<string> {
  const { stdout } = await new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

async function appendHistory(rows: readonly Row[], adapter: string): Promise<void> {
  const common = {
    date: new Date().toISOString(),
    commit: await commitName(),
    machine: `${cpus()[0]?.model ?? "unknown"} x${cpus().length}`,
    adapter,
    runtime: `deno ${Deno.version.deno}`,
  };
  const lines = rows.flatMap(({ name, cpuMs, simdMs, threadsMs, gpuMs }) =>
    Object.entries({ cpu: cpuMs, simd: simdMs, threads: threadsMs, gpu: gpuMs })
      .filter(([, value]) => value !== null)
      .map(([device, value]) => ({ ...common, bench: `${name} ${device}`, unit: "ms", value }))
  );
  const text = lines.map((line) => JSON.stringify(line) + "\n").join("");
  const path = new URL("./history.ndjson", import.meta.url);
  await Deno.writeTextFile(path, text, { append: true });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      op: { type: "string", multiple: true },
      shapes: { type: "string" },
      history: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
  const gpu = "device" in opened ? opened.device : undefined;
  const timed = gpu?.info.timestamps ? gpu : undefined;
  const large = (values.shapes ?? (gpu && !gpu.info.software ? "large" : "small")) === "large";
  const scenarios = (large ? largeScenarios() : OPS.map((op) => fromCase(op, op.sized(SMALL_WORK))))
    .filter(({ op }) => values.op === undefined || values.op.includes(op.name));
  const bandwidth = timed ? await copyBandwidth(timed) : undefined;
  const twin = openCpu({ simd: false });
  const single = openCpu();
  const threaded = openCpu({ simd: { threads: Math.min(cpus().length, SIMD_THREADS_MAX) } });
  await startThreads(threaded);
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const inputs = scenario.inputs();
    const shapes = Object.fromEntries(
      Object.entries(inputs).filter(([, x]) => x).map(([name, x]) => [name, x.shape]),
    );
    rows.push({
      name: scenario.name,
      work: scenario.op.work(shapes, scenario.params),
      bytes: tensorBytes(scenario.op, shapes, scenario.params),
      // The twin would need minutes for the large shapes.
      cpuMs: large ? null : cpuMs(twin, scenario),
      simdMs: large || !scenario.op.simd ? null : cpuMs(single, scenario),
      threadsMs: large || !scenario.op.simd ? null : cpuMs(threaded, scenario),
      gpuMs: timed ? await gpuMs(timed, scenario) : null,
    });
  }
  const adapter = gpu?.info.description || gpu?.info.device || "none";
  if (values.history) await appendHistory(rows, adapter);
  if (values.json) {
    console.log(JSON.stringify({ adapter, copyBytesPerMs: bandwidth ?? null, rows }, null, 2));
  } else {
    console.log(`${adapter}; slice ${formatNumber((bandwidth ?? NaN) / 1e6)} GB/s`);
    const { threadsReady: threads } = threaded.simd!;
    console.log(formatTable(
      [
        ...["op", "twin ms", "SIMD ms", "x twin", `${threads} threads ms`, "x twin"],
        ...["GPU ms", "GPU Munit/s", "% of slice's rate"],
      ],
      rows.map(({ name, work, bytes, cpuMs, simdMs, threadsMs, gpuMs }) => [
        name,
        formatNumber(cpuMs ?? NaN),
        formatNumber(simdMs ?? NaN),
        formatNumber((cpuMs ?? NaN) / (simdMs ?? NaN)),
        formatNumber(threadsMs ?? NaN),
        formatNumber((cpuMs ?? NaN) / (threadsMs ?? NaN)),
        formatNumber(gpuMs ?? NaN),
        formatNumber(work / 1e3 / (gpuMs ?? NaN)),
        formatNumber(100 * bytes / (bandwidth ?? NaN) / (gpuMs ?? NaN)),
      ]),
    ));
  }
  await threaded.close();
  await gpu?.close();
}

if (import.meta.main) await main();
