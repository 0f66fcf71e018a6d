import { cpus, totalmem } from "node:os";
import { type Clock, systemClock } from "../base/clock.ts";
import {
  type AdapterSummary,
  type Crossover,
  type CrossoverTable,
  type GpuLimits,
  type Hardware,
  openCpu,
  openHardware,
} from "../device/mod.ts";
import { measureBacklogCrossover } from "../models/backlog_crossover.ts";
import { measureServingCrossover } from "../models/serving_crossover.ts";
import { measureCrossovers, type OpCheck, selfCheck, simdCheck } from "../ops/self_check.ts";
import { type Command, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { formatNumber, formatTable } from "./table.ts";

/** What `doctor` found out about this machine. Plain data: `--json` prints it as it is. */
export interface DoctorReport {
  readonly runtime: RuntimeReport;
  readonly gpu: GpuReport;
  readonly simd: SimdReport;
  /** The f32 twin against the f64 twin, every op. */
  readonly cpuChecks: readonly OpCheck[];
  /** The SIMD kernels against the f64 twin, every op that has one; empty where they cannot run. */
  readonly simdChecks: readonly OpCheck[];
  /** The GPU against the f64 twin, every op; empty without a GPU. */
  readonly gpuChecks: readonly OpCheck[];
  /** By op: work from which on the GPU is faster, null for never; empty without a GPU. */
  readonly crossoverWork: Readonly<Record<string, number | null>>;
  readonly crossovers: CrossoverTable;
  /** Absorbing a backlog of a model that serves, by the sample; null without a GPU. */
  readonly backlog: Crossover | null;
  /** Waiting samples from which on the GPU is faster; null for never and without a GPU. */
  readonly backlogSamples: number | null;
  /** A step of a model that serves, by the stream; null without a GPU. */
  readonly serving: Crossover | null;
  /** Streams in a batch from which on the GPU is faster; null for never and without a GPU. */
  readonly servingStreams: number | null;
  readonly passed: boolean;
}

/** Runtime and host. */
export interface RuntimeReport {
  readonly deno: string;
  readonly v8: string;
  readonly os: string;
  readonly cpu: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
}

/** The adapter, or why there is none. */
export interface GpuReport {
  readonly adapter: AdapterSummary | null;
  readonly unavailable: string | null;
  /** Whether the service would use it; software adapters are for tests. */
  readonly serves: boolean;
  /** Median time to bring 4 KiB to the host. */
  readonly readbackMs: number | null;
  /** What launch plans choose by; null without a GPU. */
  readonly limits: GpuLimits | null;
}

/** The CPU's vector unit. */
export interface SimdReport {
  readonly threads: number;
  /** Why the kernels cannot run, or null where they do. */
  readonly unavailable: string | null;
}

/** Options of {@linkcode examine}. */
export interface ExamineOptions {
  /** All cases of every op, not only the short list. */
  readonly all?: boolean;
  readonly clock?: Clock;
  /** Told what is being done. */
  readonly note?: (line: string) => void;
}

const READBACK_FLOATS = 1024;
const READBACK_COUNT = 21;

/** Examines this machine: devices, every op on each of them, and the crossover between them. */
export async function examine(options: ExamineOptions = {}): Promise<DoctorReport> {
  const clock = options.clock ?? systemClock;
  const note = options.note ?? (() => {});
  note("Opening the devices");
  const hardware = await openHardware({ mode: "webgpu", log: note });
  try {
    const { cpu, gpu } = hardware;
    note("Checking every op on the CPU");
    const twin = openCpu({ simd: false });
    const cpuChecks = await selfCheck(twin, twin, options.all);
    const vector = await simdCheck(twin, options.all);
    let gpuChecks: OpCheck[] = [];
    let crossovers: CrossoverTable = {};
    let backlog: Crossover | null = null;
    let serving: Crossover | null = null;
    if (gpu) {
      note(`Checking every op on ${gpu.info.description || gpu.info.device}`);
      gpuChecks = await selfCheck(gpu, twin, options.all);
      note("Measuring from which size on the GPU is faster");
      crossovers = await measureCrossovers(cpu, gpu, clock, gpuChecks);
      note("Measuring the same for the samples that wait after a gap");
      backlog = await measureBacklogCrossover(cpu, gpu, clock);
      note("Measuring the same for the streams of a step");
      serving = await measureServingCrossover(cpu, gpu, clock);
    }
    return {
      runtime: runtimeReport(),
      gpu: await gpuReport(hardware, clock),
      simd: { threads: cpu.simd?.threads ?? 0, unavailable: vector.unavailable ?? null },
      cpuChecks,
      simdChecks: vector.checks,
      gpuChecks,
      crossoverWork: Object.fromEntries(
        Object.entries(crossovers).map(([op, { work }]) => [op, isFinite(work) ? work : null]),
      ),
      crossovers,
      backlog,
      backlogSamples: countFrom(backlog),
      serving,
      servingStreams: countFrom(serving),
      passed: [...cpuChecks, ...vector.checks, ...gpuChecks].every((check) => check.passed),
    };
  } finally {
    await hardware.close();
  }
}

/** The whole number of units from which on a GPU is faster; null for never. */
function countFrom(crossover: Crossover | null): number | null {
  return crossover && isFinite(crossover.work) ? Math.ceil(crossover.work) : null;
}

function runtimeReport(): RuntimeReport {
  const cores = cpus();
  return {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os: `${Deno.build.os} ${Deno.build.arch}`,
    cpu: cores[0]?.model ?? "unknown",
    coreCount: cores.length,
    memoryBytes: totalmem(),
  };
}

async function gpuReport(hardware: Hardware, clock: Clock): Promise<GpuReport> {
  const { gpu } = hardware;
  if (!gpu) {
    const unavailable = hardware.gpuUnavailable ?? "The GPU device was lost";
    return { adapter: null, unavailable, serves: false, readbackMs: null, limits: null };
  }
  const data = new Float32Array(READBACK_FLOATS);
  const tensor = gpu.upload({ shape: [data.length], dtype: "f32", data });
  const times: number[] = [];
  for (let i = 0; i < READBACK_COUNT; i++) {
    const start = clock.monotonicMs();
    await gpu.read(tensor);
    times.push(clock.monotonicMs() - start);
  }
  times.sort((a, b) => a - b);
  return {
    adapter: gpu.info,
    unavailable: null,
    serves: !gpu.info.software,
    readbackMs: times[(READBACK_COUNT - 1) / 2]!,
    limits: gpu.limits,
  };
}

/** The worst case of an op as a share of its tolerance; exact ops have none. */
function worstShare(checks: readonly OpCheck[]): number {
  return Math.max(0, ...checks.map((c) => c.error === 0 ? 0 : c.error / c.tolerance));
}

function opRows(report: DoctorReport): string[][] {
  const ops = [...new Set(report.cpuChecks.map((check) => check.op))];
  const verdict = (checks: readonly OpCheck[]) => {
    if (checks.length === 0) return "-";
    return checks.every((check) => check.passed) ? worstShare(checks).toFixed(3) : "FAILED";
  };
  return ops.map((op) => {
    const crossover = report.crossovers[op];
    return [
      op,
      verdict(report.cpuChecks.filter((check) => check.op === op)),
      verdict(report.simdChecks.filter((check) => check.op === op)),
      verdict(report.gpuChecks.filter((check) => check.op === op)),
      crossover ? formatNumber(1e6 * crossover.cpu.perWorkMs) : "-",
      crossover ? formatNumber(1e6 * crossover.gpu.perWorkMs) : "-",
      crossover ? formatNumber(crossover.gpu.fixedMs) : "-",
      crossover ? (isFinite(crossover.work) ? crossover.work.toExponential(1) : "never") : "-",
    ];
  });
}

/** What a unit of work costs on each device, and from how many on the GPU is faster. */
function costText({ cpu, gpu }: Crossover, from: number | null, unit: string): string {
  const micros = (ms: number) => formatNumber(1e3 * ms);
  const verdict = from === null ? "never faster" : `faster from ${from} ${unit}s`;
  return `a ${unit}: CPU ${micros(cpu.perWorkMs)} µs, GPU ${micros(gpu.perWorkMs)} µs ` +
    `and ${formatNumber(gpu.fixedMs)} ms a run; GPU ${verdict} (4 Mamba layers of width 64)`;
}

/** What variants of shaders are chosen by. */
function featuresText({ subgroupSize, f16, workgroupBytesMax }: GpuLimits): string {
  return [
    subgroupSize > 0 ? `subgroups of ${subgroupSize}` : "no subgroups",
    f16 ? "f16" : "no f16",
    `${workgroupBytesMax / 1024} KiB a workgroup`,
  ].join(", ");
}

/** The report as lines for people. */
export function formatReport(report: DoctorReport): string {
  const { runtime, gpu } = report;
  const gib = (runtime.memoryBytes / 2 ** 30).toFixed(1);
  const lines = [
    `Runtime   Deno ${runtime.deno}, V8 ${runtime.v8}, ${runtime.os}`,
    `CPU       ${runtime.cpu}, ${runtime.coreCount} cores, ${gib} GiB`,
    report.simd.unavailable === null
      ? `SIMD      WebAssembly kernels, ${report.simd.threads} threads`
      : `SIMD      none: ${report.simd.unavailable}`,
  ];
  if (gpu.adapter) {
    const role = gpu.serves ? "serves" : "software: for tests, never serves";
    const way = gpu.adapter.fastReadback ? "not awaited" : "awaited";
    lines.push(
      `GPU       ${gpu.adapter.description || gpu.adapter.device} (${role})`,
      `Readback  ${formatNumber(gpu.readbackMs ?? NaN)} ms for 4 KiB (map ${way})`,
      ...(gpu.limits ? [`Shaders   ${featuresText(gpu.limits)}`] : []),
    );
  } else {
    lines.push(`GPU       none: ${gpu.unavailable}`);
  }
  const header = [
    "op",
    "CPU err/tol",
    "SIMD err/tol",
    "GPU err/tol",
    "CPU ns/unit",
    "GPU ns/unit",
    "GPU fixed ms",
    "GPU from",
  ];
  const { backlog, serving } = report;
  if (backlog) lines.push(`Backlog   ${costText(backlog, report.backlogSamples, "sample")}`);
  if (serving) lines.push(`Serving   ${costText(serving, report.servingStreams, "stream")}`);
  lines.push("", formatTable(header, opRows(report)));
  for (const check of [...report.cpuChecks, ...report.simdChecks, ...report.gpuChecks]) {
    if (check.passed) continue;
    const why = check.problem ?? `${check.output} is off by ${check.error}`;
    lines.push(`FAILED ${check.op}, case "${check.case}": ${why}`);
  }
  lines.push("", report.passed ? "All checks passed." : "Some checks failed.");
  return lines.join("\n");
}

/** `driftline doctor`. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "Show runtime and devices, check every op on them, measure the crossover",
  usage: "[--all]",
  description: [
    "Runs every op's short cases on the CPU (f32), as SIMD kernels and on the GPU against the f64",
    "twin and prints the worst error as a share of the op's tolerance; then times the CPU, SIMD",
    "included, and the GPU. A unit is the op's own",
    '(a state update, a multiply-add, an element); "GPU from" is the work from which on the GPU is',
    "faster, upload and readback included. Exit code 1 when a check fails.",
  ].join("\n"),
  options: {
    all: { type: "boolean", help: "All cases of every op, not only the short list" },
  },
  async run(input, output) {
    const report = await examine({
      all: input.isSet("all"),
      note: (line) => {
        if (output.isProgressShown) output.note(line);
      },
    });
    // Infinity, a crossover that never comes, has no JSON form; `crossoverWork` has null for it.
    output.print(input.isSet("json") ? JSON.stringify(report, null, 2) : formatReport(report));
    return report.passed ? EXIT_OK : EXIT_FAILED;
  },
};
