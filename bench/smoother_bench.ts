/**
 * The parallel Kalman smoother beside the sequential one: one stream filtered and smoothed, by
 * chunks on the GPU and sample after sample as SIMD kernels on one core, from a hundred samples to a
 * million.
 *
 *   deno run -A bench/smoother_bench.ts [--states 2,4,8] [--lengths 128,1024,…] [--json]
 *
 * The GPU's time is its own clock's, filter and smoother together; `to the host` adds upload and the
 * readback of the smoothed means. Both run the same square-root steps in f32. A software adapter
 * gets short series.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, BenchError, runBench, wholeNumbers } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { seedRandom } from "../src/base/random.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import { type CpuDevice, type Device, openCpu, openScope, openWebGpu } from "../src/device/mod.ts";
import type { WebGpuDevice } from "../src/device/mod.ts";
import { normal } from "../src/ops/_helpers/cases.ts";
import { kalmanFilter, kalmanSmoother, runOp } from "../src/ops/mod.ts";
import { KALMAN_STATES_MAX } from "../src/ops/kalman_filter.ts";
import { prepareOp } from "../src/ops/run.ts";
import { type Tensor, tensorOf } from "../src/tensor/tensor.ts";

const BUDGET_BYTES = 16 * 2 ** 30;
const LENGTHS = [128, 1024, 8192, 65_536, 262_144, 1 << 20];
const LENGTHS_SOFTWARE = [128, 1024];
const LENGTH_MAX = 1 << 24;
const STATES = [2, 8];
const REPEATS = 3;
const GPU_REPEATS = 7;

/** One damped chain of derivatives, the first of them observed with noise. */
function inputsOf(length: number, state: number) {
  const square = (at: (row: number, column: number) => number) =>
    tensorOf(
      [state, state],
      Float32Array.from({ length: state * state }, (_, i) => at(Math.floor(i / state), i % state)),
    );
  return {
    y: normal(seedRandom(1), [1, length, 1]),
    A: square((i, j) => j === i ? 0.95 : j === i + 1 ? 0.2 : 0),
    C: tensorOf([1, state], Float32Array.from({ length: state }, (_, i) => i === 0 ? 1 : 0)),
    processFactor: square((i, j) => i === j ? 0.3 : 0),
    observationFactor: tensorOf([1, 1], Float32Array.of(0.5)),
    startMean: tensorOf([1, state], new Float32Array(state)),
    startFactor: { ...square((i, j) => i === j ? 1 : 0), shape: [1, state, state] },
  };
}

type Inputs = ReturnType<typeof inputsOf>;

/** Filters and smooths; brings the smoothed means to the host. */
async function smoothOn(device: Device, inputs: Inputs): Promise<Tensor> {
  const scope = openScope(device);
  try {
    const { A, processFactor } = inputs;
    const { mean, factor } = runOp(scope, kalmanFilter, inputs, { start: "filtered" });
    const smoothed = runOp(scope, kalmanSmoother, { mean, factor, A, processFactor }, {});
    return await scope.read(smoothed.smoothedMean);
  } finally {
    scope.release();
  }
}

async function fastestMs(run: () => Promise<unknown>, repeats: number): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const start = systemClock.monotonicMs();
    await run();
    best = Math.min(best, systemClock.monotonicMs() - start);
  }
  return best;
}

/** Medians by the GPU's clock, by shader entry. */
async function deviceMs(gpu: WebGpuDevice, inputs: Inputs): Promise<Record<string, number>> {
  const scope = openScope(gpu);
  try {
    if (scope.kind !== "webgpu") throw new TypeError("the scope of a GPU is a GPU");
    const { A, processFactor } = inputs;
    const filter = prepareOp(scope, kalmanFilter, inputs, { start: "filtered" });
    const { mean, factor } = filter.outputs;
    const smoother = prepareOp(scope, kalmanSmoother, { mean, factor, A, processFactor }, {});
    const launches = [...filter.launches, ...smoother.launches];
    const times: Record<string, number> = {};
    const time = async (some: typeof launches) => {
      const repeats = gpu.info.software ? 2 : GPU_REPEATS;
      const values = (await gpu.time(some, repeats)).slice(repeats >> 1).sort((a, b) => a - b);
      return values[values.length >> 1]!;
    };
    times["all"] = await time(launches);
    for (const launch of launches) {
      const name = launch.shader === "kalman_filter" ? `filter.${launch.entry}` : launch.entry;
      times[name] = await time([launch]);
    }
    return times;
  } finally {
    scope.release();
  }
}

interface Row {
  readonly states: number;
  readonly length: number;
  readonly simdMs: number;
  readonly gpuMs: number;
  readonly hostMs: number;
  /** Largest difference of the smoothed means, of their largest value. */
  readonly far: number;
  readonly entries: Readonly<Record<string, number>>;
}

async function measure(
  cpu: CpuDevice,
  gpu: WebGpuDevice,
  states: number,
  length: number,
): Promise<Row> {
  const inputs = inputsOf(length, states);
  const onCpu = await smoothOn(cpu, inputs);
  // The first run compiles; long for many states, whose shaders are written out in full.
  const onGpu = await smoothOn(gpu, inputs);
  const size = Math.max(...[0, 1, 2, 3].map((i) => Math.abs(onCpu.data[i]!)), 1e-30);
  let [most, far] = [size, 0];
  onCpu.data.forEach((value, i) => {
    most = Math.max(most, Math.abs(value));
    far = Math.max(far, Math.abs(value - onGpu.data[i]!));
  });
  const repeats = length > 100_000 ? 1 : REPEATS;
  const simdMs = await fastestMs(() => smoothOn(cpu, inputs), repeats);
  const hostMs = await fastestMs(() => smoothOn(gpu, inputs), repeats);
  const entries = gpu.info.timestamps ? await deviceMs(gpu, inputs) : {};
  return { states, length, simdMs, gpuMs: entries["all"] ?? NaN, hostMs, far: far / most, entries };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      states: { type: "string" },
      lengths: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const given = values.lengths && wholeNumbers("lengths", values.lengths, LENGTH_MAX);
  const sizes = values.states ? wholeNumbers("states", values.states, KALMAN_STATES_MAX) : STATES;
  const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
  if (!("device" in opened)) throw new BenchError(`No GPU: ${opened.unavailable}`);
  const gpu = opened.device;
  const known = gpu.info.software ? LENGTHS_SOFTWARE : LENGTHS;
  const lengths = given || known;
  const cpu = openCpu();
  const rows: Row[] = [];
  const machine = `${cpus()[0]?.model ?? "unknown"}, one core; ${gpu.info.description}`;
  try {
    for (const states of sizes) {
      for (const length of lengths) {
        const row = await measure(cpu, gpu, states, length);
        rows.push(row);
        console.error(`${states} states, ${length} samples: ${formatNumber(row.gpuMs)} ms`);
      }
    }
  } finally {
    await gpu.close();
  }
  if (values.json) {
    console.log(JSON.stringify({ machine, rows }));
    return;
  }
  console.log(machine);
  console.log(formatTable(
    ["states", "samples", "SIMD ms", "GPU clock", "x", "to the host", "x", "apart"],
    rows.map(({ states, length, simdMs, gpuMs, hostMs, far }) => [
      ...[states, length].map(String),
      ...[simdMs, gpuMs, simdMs / gpuMs, hostMs, simdMs / hostMs].map(formatNumber),
      far.toExponential(1),
    ]),
  ));
  for (const { states, length, entries } of rows) {
    const parts = Object.entries(entries).map(([name, ms]) => `${name} ${formatNumber(ms)}`);
    console.log(`${states} states, ${length}: ${parts.join(", ")}`);
  }
}

if (import.meta.main) await runBench(main);
