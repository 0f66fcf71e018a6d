/**
 * Speed of every kernel, beside what the hardware allows and what others reach.
 *
 *   deno task bench [--group issue|ops|gradients|length|state]... [--op NAME]... [--shapes small|large]
 *                   [--seconds 50] [--json] [--history] [--compare REVISION]
 *
 * On a GPU each scenario of `scenarios.ts` is timed by the GPU's own clock after at least 60 ms of
 * work (idle GPUs run at a fraction of their clock): the median of repeats and their spread. Its
 * floor is the time that its bytes, its f32 instructions or its special functions take at the rates
 * that small kernels reach in the same run, whichever is longest (`costs.ts`, `ceilings.ts`); the
 * peer is the time recorded for the same work on the same model of card (`peers.json`).
 *
 * `small` shapes are for CPUs and software adapters; they add the twin on one core, the SIMD kernels
 * on one core and on all. The default groups are `issue`, `ops` and `gradients`. `--seconds` is the
 * time after which no scenario is begun, `--history` appends to bench/history.ndjson, `--compare`
 * times this tree and another commit in turns (`compare.ts`).
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, runBench } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { openProgress } from "../src/cli/progress.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import {
  type CpuDevice,
  openCpu,
  openScope,
  openWebGpu,
  SIMD_THREADS_MAX,
  type WebGpuDevice,
} from "../src/device/mod.ts";
import { OPS } from "../src/ops/mod.ts";
import { compareWith, formatComparison } from "./compare.ts";
import { type Bound, type Ceilings, floorOf, measureCeilings } from "./ceilings.ts";
import { type Cost, flopOf } from "./costs.ts";
import { provenance } from "./machine.ts";
import { peerOf } from "./peers.ts";
import { forward, type Group, opNamed, type Scenario, sizedCall } from "./scenario.ts";
import { largeScenarios, smallScenarios } from "./scenarios.ts";
import { fastestInTurns, type SpinUp, timeLaunches, type Timing } from "./timing.ts";

const CPU_TURNS = { turns: 15, ms: 200 };
/** A product that is long enough for threads to start. */
const THREADS_WORK = 1 << 27;
const BUDGET_BYTES = 64 * 2 ** 30;
const GROUPS: readonly Group[] = ["issue", "ops", "gradients", "length", "state"];
const DEFAULT_GROUPS: readonly Group[] = ["issue", "ops", "gradients"];

/** What was measured of one scenario. */
export interface Row {
  readonly name: string;
  readonly group: Group;
  readonly cost: Cost;
  readonly gpu: Timing | null;
  readonly floor: { readonly ms: number; readonly bound: Bound } | null;
  readonly peer: { readonly name: string; readonly ms: number } | null;
  /** Milliseconds of the twin, of SIMD kernels on one core, and on all. */
  readonly cpu: { readonly twin: number; readonly simd: number; readonly threads: number } | null;
  /** All that it took: drawing inputs, compiling, spinning up, timing. */
  readonly wallMs: number;
  /** Why the scenario could not be run. */
  readonly problem?: string;
}

/** One run of the bench. */
export interface Results {
  readonly adapter: string;
  readonly ceilings: Ceilings | null;
  readonly rows: readonly Row[];
}

async function gpuTiming(
  gpu: WebGpuDevice,
  scenario: Scenario,
  spin: SpinUp | undefined,
): Promise<Timing> {
  const scope = openScope(gpu);
  try {
    if (scope.kind !== "webgpu") throw new TypeError("the scope of a GPU is a GPU");
    return await timeLaunches(gpu, scenario.launches(scope), spin);
  } finally {
    scope.release();
  }
}

type CpuDevices = Readonly<Record<"twin" | "simd" | "threads", CpuDevice>>;

/** What is timed on: the GPU with what raises its clock, and the CPU in three ways. */
interface Machines {
  readonly gpu: WebGpuDevice | undefined;
  readonly ceilings: Ceilings | undefined;
  readonly spin: SpinUp | undefined;
  readonly cpu: CpuDevices | undefined;
}

function cpuTimes(cpu: CpuDevices, scenario: Scenario): NonNullable<Row["cpu"]> {
  const runs = [cpu.twin, cpu.simd, cpu.threads].map((device) => scenario.onCpu!(device));
  const [twin, simd, threads] = fastestInTurns(runs, CPU_TURNS) as [number, number, number];
  return { twin, simd, threads };
}

async function measure(machines: Machines, scenario: Scenario): Promise<Row> {
  const { gpu, ceilings, spin, cpu } = machines;
  const start = systemClock.monotonicMs();
  const peer = peerOf(scenario.name);
  const cost = scenario.cost();
  const common = {
    name: scenario.name,
    group: scenario.group,
    cost,
    floor: ceilings ? floorOf(cost, ceilings) : null,
    peer: peer && ceilings ? { name: peer.peer, ms: peer.ms } : null,
  };
  try {
    return {
      ...common,
      gpu: gpu ? await gpuTiming(gpu, scenario, spin) : null,
      cpu: cpu && scenario.onCpu ? cpuTimes(cpu, scenario) : null,
      wallMs: systemClock.monotonicMs() - start,
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ...common, gpu: null, cpu: null, wallMs: systemClock.monotonicMs() - start, problem };
  }
}

/** Threads start at the first run that is long enough for them. */
async function startThreads(device: CpuDevice): Promise<void> {
  const run = forward("ops", "matmul", sizedCall(opNamed("matmul"), THREADS_WORK)).onCpu!(device);
  for (let i = 0; i < 1000 && device.simd!.threadsReady < device.simd!.threads; i++) {
    run();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(100 * share)} %` : "-";
}

function gpuRow({ name, cost, gpu, floor, peer, problem }: Row): string[] {
  if (problem !== undefined) return [name, problem];
  const ms = gpu?.ms ?? NaN;
  return [
    name,
    formatNumber(Number(ms.toPrecision(4))),
    percent(gpu?.spread ?? NaN),
    formatNumber(Number((cost.bytes / 1e6).toPrecision(4))),
    formatNumber(Number((flopOf(cost) / ms / 1e9).toPrecision(3))),
    formatNumber(Number((floor?.ms ?? NaN).toPrecision(3))),
    floor?.bound ?? "-",
    percent((floor?.ms ?? NaN) / ms),
    peer ? (ms / peer.ms).toFixed(2) : "-",
    peer ? peer.name : "",
  ];
}

function cpuRow({ name, cpu, gpu, problem }: Row): string[] {
  if (problem !== undefined) return [name, problem];
  const { twin = NaN, simd = NaN, threads = NaN } = cpu ?? {};
  return [
    name,
    ...[twin, simd, twin / simd, threads, twin / threads, gpu?.ms ?? NaN]
      .map((value) => formatNumber(Number(value.toPrecision(4)))),
  ];
}

function print(results: Results): void {
  const { adapter, ceilings, rows } = results;
  if (ceilings) {
    const tera = (perMs: number) => formatNumber(Number((perMs / 1e9).toPrecision(4)));
    console.log(
      `${adapter}: copy ${tera(ceilings.bytes)} TB/s, f32 ${tera(ceilings.instructions)} T ` +
        `instructions/s, exp2 ${tera(ceilings.special)} T/s`,
    );
  }
  if (rows.some(({ cpu }) => cpu !== null)) {
    const header = ["scenario", "twin ms", "SIMD ms", "× twin", "threads ms", "× twin", "GPU ms"];
    console.log(formatTable(header, rows.map(cpuRow)));
    return;
  }
  const header = ["scenario", "GPU ms", "spread", "MB", "TFLOP/s", "floor ms", "bound", "of floor"];
  console.log(formatTable([...header, "÷ peer", "peer"], rows.map(gpuRow)));
}

async function appendHistory({ rows, adapter }: Results): Promise<void> {
  const { date, commit, machine, runtime } = await provenance(adapter, "");
  const lines = rows.flatMap(({ name, cpu, gpu }) =>
    Object.entries({ ...cpu, ...(gpu ? { gpu: gpu.ms } : {}) })
      .map(([device, value]) =>
        JSON.stringify({
          ...{ date, commit, machine, adapter, runtime },
          ...{ bench: `${name} ${device}`, unit: "ms", value },
        }) + "\n"
      )
  );
  const path = new URL("./history.ndjson", import.meta.url);
  await Deno.writeTextFile(path, lines.join(""), { append: true });
}

function groupsOf(given: readonly string[] | undefined): readonly Group[] {
  for (const name of given ?? []) {
    if (!GROUPS.includes(name as Group)) {
      throw new RangeError(`--group "${name}" is none of ${GROUPS.join(", ")}`);
    }
  }
  return (given as Group[] | undefined) ?? DEFAULT_GROUPS;
}

function scenariosFor(isLarge: boolean, groups: readonly Group[], ops: readonly string[]) {
  return (isLarge ? largeScenarios() : smallScenarios()).filter((scenario) =>
    groups.includes(scenario.group) &&
    (ops.length === 0 || ops.some((name) => scenario.ops.includes(name)))
  );
}

function parse() {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      op: { type: "string", multiple: true, default: [] },
      group: { type: "string", multiple: true },
      shapes: { type: "string" },
      seconds: { type: "string", default: "50" },
      history: { type: "boolean" },
      compare: { type: "string" },
      json: { type: "boolean" },
    },
  });
  if (values.shapes !== undefined && !["small", "large"].includes(values.shapes)) {
    throw new RangeError(`--shapes "${values.shapes}" is neither small nor large`);
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new RangeError(`--seconds "${values.seconds}" is no positive number`);
  for (const name of values.op) {
    if (!OPS.some((op) => op.name === name)) {
      throw new RangeError(`--op "${name}" is no op of src/ops/mod.ts`);
    }
  }
  const shapes = values.shapes as "small" | "large" | undefined;
  return { ...values, shapes, seconds, groups: groupsOf(values.group) };
}

async function openMachines(gpu: WebGpuDevice | undefined, isLarge: boolean): Promise<Machines> {
  const timed = gpu?.info.timestamps ? gpu : undefined;
  const measured = timed ? await measureCeilings(timed) : undefined;
  if (isLarge) return { gpu: timed, cpu: undefined, ...split(measured) };
  const threads = Math.min(cpus().length, SIMD_THREADS_MAX);
  const cpu = {
    twin: openCpu({ simd: false }),
    simd: openCpu(),
    threads: openCpu({ simd: { threads } }),
  };
  await startThreads(cpu.threads);
  return { gpu: timed, cpu, ...split(measured) };
}

function split(measured: Awaited<ReturnType<typeof measureCeilings>> | undefined) {
  return { ceilings: measured?.ceilings, spin: measured?.spin };
}

async function compare(revision: string, options: ReturnType<typeof parse>): Promise<void> {
  const opened = await openWebGpu();
  const isReal = "device" in opened && !opened.device.info.software;
  if ("device" in opened) await opened.device.close();
  const shapes = options.shapes ?? (isReal ? "large" : "small");
  const wanted = scenariosFor(shapes === "large", options.groups, options.op);
  const names = new Set(wanted.map(({ name }) => name));
  const found = await compareWith(revision, shapes, (name) => names.has(name), !options.json);
  console.log(options.json ? JSON.stringify(found) : formatComparison(found));
}

async function main(): Promise<void> {
  const options = parse();
  if (options.compare !== undefined) return await compare(options.compare, options);
  const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
  const gpu = "device" in opened ? opened.device : undefined;
  const isLarge = (options.shapes ?? (gpu && !gpu.info.software ? "large" : "small")) === "large";
  const scenarios = scenariosFor(isLarge, options.groups, options.op);
  const machines = await openMachines(gpu, isLarge);
  const progress = await openProgress("bench", !options.json);
  const rows: Row[] = [];
  const seconds = () => systemClock.monotonicMs() / 1000;
  const end = seconds() + options.seconds;
  for (const scenario of scenarios) {
    progress.update(rows.length, scenarios.length);
    if (seconds() > end) break;
    rows.push(await measure(machines, scenario));
  }
  progress.stop();
  if (rows.length < scenarios.length) {
    console.error(`Stopped after ${options.seconds} s: ${rows.length} of ${scenarios.length}`);
  }
  const adapter = gpu?.info.description || gpu?.info.device || "none";
  const results: Results = { adapter, ceilings: machines.ceilings ?? null, rows };
  if (options.history) await appendHistory(results);
  if (options.json) console.log(JSON.stringify(results));
  else print(results);
  await machines.cpu?.threads.close();
  await gpu?.close();
}

if (import.meta.main) await runBench(main);
