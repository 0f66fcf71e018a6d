/**
 * A backlog absorbed by the parallel form beside the same samples stepped one by one: what a
 * restart, a backfill or a rolling backtest of a year of hourly samples takes.
 *
 *   deno run -A bench/backlog_bench.ts [--member NAME]... [--streams 1,16,256] [--length N] [--json]
 *
 * The model has four layers of width 64. Each run goes to the host and back: upload of samples, the
 * run, readback of all states and of the outputs at every 24th sample. Stepping is timed on some
 * hundred samples of one stream and counted by the sample, since each costs the same; the CPU's
 * parallel form on at most CPU_SAMPLES_MAX samples, likewise. `far` is the largest difference of the
 * states of one stream from its f32 steps, relative to the largest value.
 * A software GPU gets short backlogs: it runs every shader, slower than the CPU's own code.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, oneOf, runBench, wholeNumber, wholeNumbers } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { nextNormal, seedRandom } from "../src/base/random.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import {
  type CpuDevice,
  type Device,
  openCpu,
  openWebGpu,
  SIMD_THREADS_MAX,
  type WebGpuDevice,
} from "../src/device/mod.ts";
import { LAYERS } from "../src/layers/mod.ts";
import { absorbBacklogs, type Backlog } from "../src/models/backlog.ts";
import { type Backbone, backboneOf } from "../src/models/backbone.ts";
import { parseBackbone } from "../src/models/backbone_config.ts";
import { asDtype, type Tensor, tensorOf } from "../src/tensor/tensor.ts";

const HOURS_OF_A_YEAR = 8760;
const LENGTH_SOFTWARE = 200;
const LENGTH_MAX = 1 << 24;
const STREAMS = [1, 16, 256];
const STREAMS_SOFTWARE = [1, 16];
const STREAMS_MAX = 1 << 16;
const STEPS = 300;
const EVERY = 24;
const MEMBERS = ["mamba", "s4d", "mamba2"];
const REPEATS = 2;
const CPU_SAMPLES_MAX = 16_384;

function modelOf(member: string): Backbone {
  return backboneOf(parseBackbone({
    input: { kind: "signal", feature: 2 },
    width: 64,
    layers: Array.from({ length: 4 }, () => member),
    output: { size: 9 },
  }));
}

function backlogsOf(streams: number, length: number): Backlog[] {
  const random = seedRandom(3);
  return Array.from({ length: streams }, () => ({
    input: tensorOf(
      [length, 2],
      Float32Array.from({ length: 2 * length }, () => nextNormal(random)),
    ),
  }));
}

/** Milliseconds of a step of one stream, and its state after `count` of them. */
function stepping(
  model: Backbone,
  tensors: Record<string, Tensor>,
  { input }: Backlog,
  count: number,
) {
  const state = model.initialState(1, "f32");
  const startMs = systemClock.monotonicMs();
  for (let k = 0; k < count; k++) {
    model.step(tensors, input.data.subarray(2 * k, 2 * k + 2), state);
  }
  return { ms: (systemClock.monotonicMs() - startMs) / count, state };
}

async function absorbMs(
  device: Device,
  model: Backbone,
  tensors: Record<string, Tensor>,
  backlogs: readonly Backlog[],
): Promise<{ ms: number; state: Record<string, Tensor> }> {
  const onDevice = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, device.upload(tensor)]),
  );
  let best = Infinity;
  let read: [string, Tensor][] = [];
  for (let i = 0; i < REPEATS; i++) {
    const startMs = systemClock.monotonicMs();
    const { y, state, outputs } = absorbBacklogs(device, model, onDevice, backlogs, {
      every: EVERY,
    });
    const all = [...Object.entries(state), ["y", y] as const, ["outputs", outputs!] as const];
    read = await Promise.all(all.map(async ([name, tensor]): Promise<[string, Tensor]> => {
      const host = await device.read(tensor);
      device.free(tensor);
      return [name, host];
    }));
    best = Math.min(best, systemClock.monotonicMs() - startMs);
  }
  for (const tensor of Object.values(onDevice)) device.free(tensor);
  return { ms: best, state: Object.fromEntries(read) };
}

/** The same on the CPU, of as many samples as take some seconds at most, for all samples. */
async function cpuMs(
  cpu: Device,
  model: Backbone,
  tensors: Record<string, Tensor>,
  backlogs: readonly Backlog[],
): Promise<number> {
  const length = backlogs[0]!.input.shape[0]!;
  const streams = Math.max(1, Math.min(backlogs.length, Math.floor(CPU_SAMPLES_MAX / length)));
  const { ms } = await absorbMs(cpu, model, tensors, backlogs.slice(0, streams));
  return ms * backlogs.length / streams;
}

function distance(a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  return Math.max(
    ...Object.entries(b).map(([name, { data }]) => {
      let [far, size] = [0, 1e-30];
      data.forEach((value, i) => {
        far = Math.max(far, Math.abs(a[name]!.data[i]! - value));
        size = Math.max(size, Math.abs(value));
      });
      return far / size;
    }),
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      member: { type: "string", multiple: true },
      streams: { type: "string" },
      length: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const names = LAYERS.map(({ name }) => name);
  const members = (values.member ?? MEMBERS).map((name) => oneOf("member", name, names));
  const given = {
    counts: values.streams && wholeNumbers("streams", values.streams, STREAMS_MAX),
    length: values.length && wholeNumber("length", values.length, LENGTH_MAX),
  };
  const opened = await openWebGpu();
  const gpu = "device" in opened ? opened.device : undefined;
  const isHardware = gpu !== undefined && !gpu.info.software;
  const length = given.length || (isHardware ? HOURS_OF_A_YEAR : LENGTH_SOFTWARE);
  const counts = given.counts || (isHardware ? STREAMS : STREAMS_SOFTWARE);
  const cpu = openCpu({ simd: { threads: Math.min(cpus().length, SIMD_THREADS_MAX) } });
  try {
    await compare(cpu, gpu, { members, counts, length, json: values.json ?? false });
  } finally {
    // A process that ends with the GPU's Worker under way may crash in the driver.
    await cpu.close();
    await gpu?.close();
  }
}

async function compare(
  cpu: CpuDevice,
  gpu: WebGpuDevice | undefined,
  { members, counts, length, json }: {
    readonly members: readonly string[];
    readonly counts: readonly number[];
    readonly length: number;
    readonly json: boolean;
  },
): Promise<void> {
  const rows = [];
  for (const member of members) {
    const model = modelOf(member);
    const tensors = Object.fromEntries(
      Object.entries(model.init(seedRandom(1))).map(([name, t]) => [name, asDtype(t, "f32")]),
    );
    const count = Math.min(STEPS, length);
    for (const streams of counts) {
      const backlogs = backlogsOf(streams, length);
      // The first steps let the engine compile.
      stepping(model, tensors, backlogs[0]!, count);
      const { ms } = stepping(model, tensors, backlogs[0]!, count);
      const short = [{ input: tensorOf([count, 2], backlogs[0]!.input.data.slice(0, 2 * count)) }];
      const { state } = stepping(model, tensors, short[0]!, count);
      const onCpu = await cpuMs(cpu, model, tensors, backlogs);
      const onGpu = gpu && await absorbMs(gpu, model, tensors, backlogs);
      const shortOn = (device: Device) => absorbMs(device, model, tensors, short);
      rows.push({
        ...{ member, streams, length, stepMs: ms, steppingMs: ms * streams * length },
        ...{ cpuMs: onCpu, gpuMs: onGpu?.ms ?? null },
        farCpu: distance((await shortOn(cpu)).state, state),
        farGpu: gpu ? distance((await shortOn(gpu)).state, state) : null,
      });
    }
  }
  const adapter = gpu?.info.description || gpu?.info.device || "none";
  if (json) {
    console.log(JSON.stringify({ adapter, cpu: cpus()[0]?.model, rows }, null, 2));
  } else {
    console.log(`${adapter}; ${cpus().length} cores; ${length} samples of each stream`);
    console.log(formatTable(
      ["member", "streams", "steps ms", "CPU ms", "x", "GPU ms", "x", "far CPU", "far GPU"],
      rows.map((row) => [
        row.member,
        String(row.streams),
        ...[row.steppingMs, row.cpuMs, row.steppingMs / row.cpuMs].map(formatNumber),
        ...[row.gpuMs ?? NaN, row.steppingMs / (row.gpuMs ?? NaN)].map(formatNumber),
        row.farCpu.toExponential(1),
        row.farGpu?.toExponential(1) ?? "-",
      ]),
    ));
  }
}

if (import.meta.main) await runBench(main);
