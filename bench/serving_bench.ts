/**
 * Serving a backbone to many streams: four Mamba blocks of width 64 (128 inner features, 16 states,
 * convolution of 4, rank 4) and 9 outputs, 38.9 KB of state a stream in f32; or the backbones of
 * networks that come with the program, from a sample's token to what their decoders see.
 *
 *   deno run -A bench/serving_bench.ts [--streams 64,1024] [--device cpu|gpu]... [--states f16]
 *     [--network NAME]... [--json]
 *
 * `GPU` is the device's own clock over the launches of a step. `latency` is one step after another:
 * samples up, the step, outputs down, awaited; `in flight` has several steps under way at once.
 * The floor is what reading and writing each stream's states once takes at the copy bandwidth that
 * is measured in the same run. Outputs are compared with those of `Backbone.step` first. The CPU is
 * one core's; the crossover is the count of streams that it serves in the GPU's least latency. The
 * samples of a network come a period apart, in a season of 24. A count of streams that the device
 * has no room for is named, and the others are measured.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, BenchError, oneOf, runBench, wholeNumbers } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { LimitError } from "../src/base/errors.ts";
import { nextNormal, seedRandom } from "../src/base/random.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import { type Device, openCpu, openWebGpu, type WebGpuDevice } from "../src/device/mod.ts";
import { type Backbone, backboneOf } from "../src/models/backbone.ts";
import { parseBackbone } from "../src/models/backbone_config.ts";
import { backboneConfigOf } from "../src/models/neural/config.ts";
import { clocksOf } from "../src/models/neural/network.ts";
import { decodeWeights } from "../src/models/neural/weights.ts";
import {
  openServing,
  type Serving,
  SERVING_CAPACITY_MAX,
  type ServingSamples,
} from "../src/models/serving.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { type Ceilings, measureCeilings } from "./ceilings.ts";
import { provenance } from "./machine.ts";
import { median, type SpinUp, timeLaunches } from "./timing.ts";

const BUDGET_BYTES = 40 * 2 ** 30;
const STREAMS = [64, 256, 1024, 4096, 16_384, 65_536, 131_072];
const STREAMS_SOFTWARE = [8, 64];
const STREAMS_CPU = [8, 64, 256];
const DEVICES = ["gpu", "cpu"] as const;
const IN_FLIGHT = 4;
/** Time that each measurement takes, about. */
const LOOP_MS = 400;
const STEPS_MIN = 6;
const STEPS_MAX = 400;
/** Samples of a season. */
const SEASON = 24;
const CLOSE = { f32: 1e-4, f16: 1e-2 };

type States = "f32" | "f16";

/** What is served. */
interface Subject {
  readonly name: string;
  readonly model: Backbone;
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Elapsed time of each layer, where they differ. */
  readonly clocks: readonly number[] | undefined;
}

function mambaBlocks(): Subject {
  const model = backboneOf(parseBackbone({
    input: { kind: "signal", feature: 1 },
    width: 64,
    layers: Array.from({ length: 4 }, () => "mamba"),
    output: { size: 9 },
  }));
  return { name: "mamba4", model, tensors: model.init(seedRandom(1)), clocks: undefined };
}

/** @throws {BenchError} no network of this name comes with the program */
function networkOf(name: string): Subject {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(new URL(`../weights/${name}.safetensors`, import.meta.url));
  } catch {
    throw new BenchError(`--network "${name}" is no file of weights/`);
  }
  const { config, tensors } = decodeWeights(bytes);
  const model = backboneOf(backboneConfigOf(config));
  const own = Object.fromEntries([...model.shapes()].map(([key]) => [key, tensors[key]!]));
  const clocks = clocksOf(config, 1, 1 / SEASON);
  const isShared = clocks.every((clock) => clock === 1);
  return { name, model, tensors: own, clocks: isShared ? undefined : clocks };
}

interface Row {
  readonly model: string;
  readonly device: string;
  readonly streams: number;
  readonly gpuMs: number | null;
  readonly latencyMs: number;
  readonly flightMs: number;
  readonly floorMs: number | null;
}

/** A count of streams that was not served, and why. */
interface Refusal {
  readonly model: string;
  readonly device: string;
  readonly streams: number;
  readonly reason: string;
}

/** Bytes of a stream's step: states read and written, past inputs read and one of each written. */
function bytesOfStep(model: Backbone, states: States): number {
  let bytes = 0;
  for (const [name, { data }] of Object.entries(model.initialState(1, "f32"))) {
    const moved = name.endsWith("conv") ? 16 / 3 : states === "f16" ? 4 : 8;
    bytes += moved * data.length;
  }
  return bytes;
}

function samplesOf(serving: Serving, { model, clocks }: Subject, streams: number): ServingSamples {
  const random = seedRandom(2);
  const { input } = model.config;
  const width = input.kind === "signal" ? input.feature : 1;
  const inputs = Float32Array.from({ length: streams * width }, () => nextNormal(random));
  const all = (clock: number) => new Float32Array(streams).fill(clock);
  return { slots: serving.open(streams), inputs, ...(clocks && { clocks: clocks.map(all) }) };
}

/** The outputs of two steps are those of `Backbone.step`. */
async function check(subject: Subject, device: Device, states: States) {
  const { model, tensors, clocks } = subject;
  const serving = openServing(device, model, tensors, { capacity: 40, states });
  const samples = samplesOf(serving, subject, 37);
  const state = model.initialState(37);
  for (let i = 0; i < 2; i++) {
    const y = await serving.step(samples);
    const expected = model.step(tensors, Float64Array.from(samples.inputs), state, clocks);
    const scale = Math.max(...Array.from(expected, Math.abs));
    const error = Math.max(...Array.from(y, (v, k) => Math.abs(v - expected[k]!))) / scale;
    if (!(error < CLOSE[states])) throw new Error(`Outputs of step ${i} are off by ${error}`);
  }
  serving.close();
}

/** Milliseconds of each call, for about so long, after a warm-up of a third of it. */
async function loop(step: () => Promise<unknown>, totalMs: number): Promise<number[]> {
  const times: number[] = [];
  let spentMs = -totalMs / 3;
  while ((spentMs < totalMs || times.length < STEPS_MIN) && times.length < STEPS_MAX) {
    const startMs = systemClock.monotonicMs();
    await step();
    const ms = systemClock.monotonicMs() - startMs;
    if (spentMs > 0) times.push(ms);
    spentMs += ms;
  }
  return times;
}

/** Milliseconds a step with several under way. */
async function inFlight(serving: Serving, samples: ServingSamples, count: number): Promise<number> {
  const waiting: Promise<unknown>[] = [];
  const startMs = systemClock.monotonicMs();
  for (let i = 0; i < count; i++) {
    if (waiting.length === IN_FLIGHT) await waiting.shift();
    waiting.push(serving.step(samples));
  }
  await Promise.all(waiting);
  return (systemClock.monotonicMs() - startMs) / count;
}

async function measure(
  device: Device,
  subject: Subject,
  streams: number,
  gpu: { readonly ceilings: Ceilings; readonly spin: SpinUp | undefined } | undefined,
  states: States,
): Promise<Row> {
  const { name, model, tensors } = subject;
  const serving = openServing(device, model, tensors, { capacity: streams, states });
  try {
    const samples = samplesOf(serving, subject, streams);
    const step = () => serving.step(samples);
    const wanted = Math.ceil(LOOP_MS / median(await loop(step, LOOP_MS / 3)));
    const count = Math.max(STEPS_MIN, Math.min(STEPS_MAX, wanted));
    const flightMs = await inFlight(serving, samples, count);
    // Last, so that the GPU's clock is up and the engine has compiled what runs.
    const latencies = await loop(step, LOOP_MS);
    const launches = serving.launches(streams);
    const timed = gpu && launches && (device as WebGpuDevice).info.timestamps
      ? (await timeLaunches(device as WebGpuDevice, launches, gpu.spin)).ms
      : null;
    return {
      model: name,
      device: device.kind,
      streams,
      gpuMs: timed,
      latencyMs: median(latencies),
      flightMs,
      floorMs: gpu ? streams * bytesOfStep(model, states) / gpu.ceilings.bytes : null,
    };
  } finally {
    serving.close();
  }
}

/** What is measured on one device, and what it has no room for. */
async function measureAll(
  device: Device,
  subjects: readonly Subject[],
  counts: readonly number[],
  states: States,
  gpu?: Parameters<typeof measure>[3],
): Promise<{ rows: Row[]; refused: Refusal[] }> {
  const rows: Row[] = [];
  const refused: Refusal[] = [];
  for (const subject of subjects) {
    await check(subject, device, states);
    for (const streams of counts) {
      try {
        rows.push(await measure(device, subject, streams, gpu, states));
      } catch (error) {
        if (!(error instanceof LimitError)) throw error;
        const refusal = {
          model: subject.name,
          device: device.kind,
          streams,
          reason: error.message,
        };
        console.error(`${subject.name}, ${streams} streams: ${error.message}`);
        refused.push(refusal);
      }
    }
  }
  return { rows, refused };
}

/** Streams that the CPU serves in the least latency of the GPU. */
function crossoverOf(rows: readonly Row[]): number | null {
  const cpuRows = rows.filter(({ device }) => device === "cpu");
  const gpuRows = rows.filter(({ device }) => device === "webgpu");
  if (cpuRows.length === 0 || gpuRows.length === 0) return null;
  // On a CPU each stream costs the same.
  const perStream = cpuRows.at(-1)!.latencyMs / cpuRows.at(-1)!.streams;
  return gpuRows[0]!.latencyMs / perStream;
}

function printTable(rows: readonly Row[]): void {
  const rate = (streams: number, ms: number | null) => formatNumber(streams / 1e3 / (ms ?? NaN));
  console.log(formatTable(
    [
      ...["model", "device", "streams", "GPU ms", "M updates/s", "% of floor", "latency ms"],
      ...["M updates/s", "in flight ms", "M updates/s"],
    ],
    rows.map(({ model, device, streams, gpuMs, latencyMs, flightMs, floorMs }) => [
      model,
      device,
      String(streams),
      formatNumber(gpuMs ?? NaN),
      rate(streams, gpuMs),
      formatNumber(100 * (floorMs ?? NaN) / (gpuMs ?? NaN)),
      formatNumber(latencyMs),
      rate(streams, latencyMs),
      formatNumber(flightMs),
      rate(streams, flightMs),
    ]),
  ));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      streams: { type: "string" },
      device: { type: "string", multiple: true },
      states: { type: "string", default: "f32" },
      network: { type: "string", multiple: true },
      json: { type: "boolean" },
    },
  });
  const given = values.streams === undefined
    ? undefined
    : wholeNumbers("streams", values.streams, SERVING_CAPACITY_MAX);
  const wanted = (values.device ?? ["gpu", "cpu"]).map((name) => oneOf("device", name, DEVICES));
  const subjects = values.network?.map(networkOf) ?? [mambaBlocks()];
  const states: States = oneOf("states", values.states, ["f32", "f16"]);
  const rows: Row[] = [];
  const refused: Refusal[] = [];
  const take = (measured: Awaited<ReturnType<typeof measureAll>>) => {
    rows.push(...measured.rows);
    refused.push(...measured.refused);
  };
  let adapter = "none";
  if (wanted.includes("gpu")) {
    const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
    if ("device" in opened) {
      const { device } = opened;
      adapter = device.info.description || device.info.device;
      try {
        const ceilings = await measureCeilings(device);
        const counts = given ?? (device.info.software ? STREAMS_SOFTWARE : STREAMS);
        take(await measureAll(device, subjects, counts, states, ceilings));
      } finally {
        // A device that stays open keeps the process alive.
        await device.close();
      }
    } else if (!wanted.includes("cpu")) throw new BenchError(`No GPU: ${opened.unavailable}`);
    else console.error(opened.unavailable);
  }
  if (wanted.includes("cpu")) {
    const device = openCpu();
    take(await measureAll(device, subjects, given ?? STREAMS_CPU, states));
    await device.close();
  }
  const crossover = subjects.length === 1 ? crossoverOf(rows) : null;
  if (values.json) {
    const command = `bench/serving_bench.ts ${ARGS.join(" ")}`.trim();
    const source = await provenance(adapter, command);
    console.log(JSON.stringify({ ...source, crossover, rows, refused }, null, 2));
    return;
  }
  console.log(`${adapter}; ${cpus()[0]?.model ?? "unknown"}`);
  printTable(rows);
  if (crossover !== null) console.log(`The GPU is faster from ${formatNumber(crossover)} streams`);
}

if (import.meta.main) await runBench(main);
