/**
 * From which batch and length on is a GPU worth its trip for the Kalman filter? The twin on one
 * core, sample after sample, beside WebGPU, streams and chunks of the length side by side: by the
 * GPU's own clock, and to the host and back (upload, run, readback of means and log likelihoods),
 * which is what a caller on the host pays; and the same with the gradient of the log likelihood by
 * the whole model.
 *
 *   deno run -A bench/kalman_bench.ts [--states 2,4] [--samples N] [--json]
 *
 * Figures are ratios of the twin's time to the GPU's: above 1 the GPU is faster. The twin is timed
 * on a run of at most 16,384 samples and counted by the sample, since its cost is the same for
 * each. `--samples` is the largest batch · length; a software adapter gets a small one.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, BenchError, runBench, wholeNumber, wholeNumbers } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { seedRandom } from "../src/base/random.ts";
import { formatTable } from "../src/cli/table.ts";
import { openCpu, openScope, openWebGpu, type WebGpuDevice } from "../src/device/mod.ts";
import type { Device } from "../src/device/mod.ts";
import { normal } from "../src/ops/_helpers/cases.ts";
import { kalmanFilter, runOp } from "../src/ops/mod.ts";
import { KALMAN_STATES_MAX } from "../src/ops/kalman_filter.ts";
import { prepareOp, runBackward } from "../src/ops/run.ts";
import { type Tensor, tensorOf, zeros } from "../src/tensor/tensor.ts";

const BATCHES = [1, 8, 64, 512, 4096, 32_768];
const LENGTHS = [64, 512, 4096, 32_768];
const CPU_SAMPLES_MAX = 16_384;
const SAMPLES_MAX = 1 << 21;
const SAMPLES_MAX_SOFTWARE = 1 << 15;
const REPEATS = 3;
const WARM_UP_MS = 60;
const PARAMS = { start: "filtered" } as const;

/** One model for all streams: a damped level with its derivatives, observed with noise. */
function inputsOf(batch: number, length: number, state: number) {
  const square = (at: (row: number, column: number) => number) =>
    Float32Array.from(
      { length: state * state },
      (_, i) => at(Math.floor(i / state), i % state),
    );
  return {
    y: normal(seedRandom(1), [batch, length, 1]),
    A: tensorOf([state, state], square((i, j) => j === i ? 0.95 : j === i + 1 ? 0.2 : 0)),
    C: tensorOf([1, state], Float32Array.from({ length: state }, (_, i) => i === 0 ? 1 : 0)),
    processFactor: tensorOf([state, state], square((i, j) => i === j ? 0.3 : 0)),
    observationFactor: tensorOf([1, 1], Float32Array.of(0.5)),
    startMean: zeros([batch, state], "f32"),
    startFactor: tensorOf(
      [batch, state, state],
      Float32Array.from(
        { length: batch * state * state },
        (_, i) => Math.floor(i / state) % state === i % state ? 1 : 0,
      ),
    ),
  };
}

type Inputs = ReturnType<typeof inputsOf>;

/** Filters, and brings what a caller wants to the host. */
async function filterOn(device: Device, inputs: Inputs): Promise<void> {
  const scope = openScope(device);
  try {
    const { mean, logLik } = runOp(scope, kalmanFilter, inputs, PARAMS);
    await Promise.all([scope.read(mean), scope.read(logLik)]);
  } finally {
    scope.release();
  }
}

/** Filters, and brings the gradient of the log likelihood by the model to the host. */
async function gradientOn(device: Device, inputs: Inputs): Promise<void> {
  const scope = openScope(device);
  try {
    const outputs = runOp(scope, kalmanFilter, inputs, PARAMS);
    const seeds: Record<string, Tensor> = {};
    for (const name of kalmanFilter.outputs) {
      const seed = zeros(outputs[name].shape, "f32");
      if (name === "logLik") seed.data.fill(1);
      seeds[`grad${name[0]!.toUpperCase()}${name.slice(1)}`] = seed;
    }
    const shapes = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape }]) => [name, shape]),
    );
    const { mean, factor } = outputs;
    const given = { ...inputs, mean, factor, ...seeds };
    const gradients = runBackward(scope, kalmanFilter, given, shapes, PARAMS);
    const model = ["gradA", "gradC", "gradProcessFactor", "gradObservationFactor"];
    await Promise.all(model.map((name) => scope.read(gradients[name]!)));
  } finally {
    scope.release();
  }
}

/** The fastest of some runs, after one that compiles; noise only adds. */
async function fastestMs(run: () => Promise<void>): Promise<number> {
  await run();
  let best = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    const start = systemClock.monotonicMs();
    await run();
    best = Math.min(best, systemClock.monotonicMs() - start);
  }
  return best;
}

/** Median by the GPU's own clock, warmed up so that the clock is at its full rate. */
async function deviceMs(gpu: WebGpuDevice, inputs: Inputs): Promise<number> {
  const scope = openScope(gpu);
  try {
    if (scope.kind !== "webgpu") throw new TypeError("the scope of a GPU is a GPU");
    const { launches } = prepareOp(scope, kalmanFilter, inputs, PARAMS);
    const [first = 1] = await gpu.time(launches, 1);
    const repeats = gpu.info.software ? 3 : Math.min(50, Math.ceil(WARM_UP_MS / first) + 3);
    const times = (await gpu.time(launches, repeats)).slice(repeats >> 1).sort((a, b) => a - b);
    return times[times.length >> 1]!;
  } finally {
    scope.release();
  }
}

interface Row {
  readonly states: number;
  readonly batch: number;
  readonly length: number;
  readonly cpuMs: number;
  readonly cpuGradientMs: number;
  readonly gpuMs: number;
  readonly hostMs: number;
  readonly hostGradientMs: number;
}

async function measure(gpu: WebGpuDevice, states: number, samplesMax: number): Promise<Row[]> {
  const cpu = openCpu({ simd: false });
  const whole = inputsOf(CPU_SAMPLES_MAX / 64, 64, states);
  const perSample = await fastestMs(() => filterOn(cpu, whole)) / CPU_SAMPLES_MAX;
  const perGradient = await fastestMs(() => gradientOn(cpu, whole)) / CPU_SAMPLES_MAX;
  const rows: Row[] = [];
  for (const length of LENGTHS) {
    for (const batch of BATCHES) {
      if (batch * length > samplesMax) continue;
      const inputs = inputsOf(batch, length, states);
      rows.push({
        states,
        batch,
        length,
        cpuMs: perSample * batch * length,
        cpuGradientMs: perGradient * batch * length,
        gpuMs: gpu.info.timestamps ? await deviceMs(gpu, inputs) : NaN,
        hostMs: await fastestMs(() => filterOn(gpu, inputs)),
        hostGradientMs: await fastestMs(() => gradientOn(gpu, inputs)),
      });
    }
  }
  return rows;
}

/** Three digits are what repeats agree on. */
function ratio(value: number): string {
  return Number.isFinite(value) ? value.toPrecision(3) : "-";
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      states: { type: "string", default: "2,4" },
      samples: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const sizes = wholeNumbers("states", values.states, KALMAN_STATES_MAX);
  const given = values.samples && wholeNumber("samples", values.samples, SAMPLES_MAX);
  const opened = await openWebGpu({});
  if (!("device" in opened)) throw new BenchError(`No GPU: ${opened.unavailable}`);
  const gpu = opened.device;
  const most = gpu.info.software ? SAMPLES_MAX_SOFTWARE : SAMPLES_MAX;
  const samplesMax = given || most;
  const rows: Row[] = [];
  for (const states of sizes) {
    rows.push(...await measure(gpu, states, samplesMax));
  }
  const machine = `${cpus()[0]?.model ?? "unknown"}, one core; ${gpu.info.description}`;
  await gpu.close();
  if (values.json) {
    console.log(JSON.stringify({ machine, rows }));
    return;
  }
  console.log(
    `${machine}\nns a sample: twin; ratios: twin's time / GPU's, above 1 the GPU is faster`,
  );
  console.log(formatTable(
    ["states", "length", "batch", "twin ns", "GPU clock", "to the host", "with gradient"],
    rows.map((row) => [
      String(row.states),
      String(row.length),
      String(row.batch),
      ratio(1e6 * row.cpuMs / (row.batch * row.length)),
      ratio(row.cpuMs / row.gpuMs),
      ratio(row.cpuMs / row.hostMs),
      ratio(row.cpuGradientMs / row.hostGradientMs),
    ]),
  ));
}

if (import.meta.main) await runBench(main);
