/** docs/performance.md and its images, from stored results. */
import { PEER_SOURCE } from "../peers.ts";
import { flopOf } from "../costs.ts";
import type { Results, Row } from "../ops_bench.ts";
import {
  cpuSource,
  digits,
  hostSource,
  markdownTable,
  MISSING,
  percent,
  source,
} from "./format.ts";
import { lineChart, type Series } from "./line_chart.ts";
import {
  backlogTable,
  ingestTable,
  memoryTable,
  modelsTable,
  networksTable,
  scanMemoryTable,
  servingTable,
  smootherTable,
  trainingTable,
} from "./sections.ts";
import type { Recorded, Stored } from "./stored.ts";
import { verdicts } from "./targets.ts";

function targetsTable(stored: Stored): string {
  return markdownTable(
    ["goal", "at least", "reach for", "reached", "met"],
    verdicts(stored).map(({ item, goal, reach, values, met }) => [item, goal, reach, values, met]),
  );
}

function kernelRow({ name, cost, gpu, floor, peer }: Row): string[] {
  const ms = gpu?.ms ?? NaN;
  return [
    name,
    digits(ms, 4),
    digits(cost.bytes / 1e6),
    digits(flopOf(cost) / 1e9),
    `${digits(floor?.ms, 3)} ${floor?.bound ?? ""}`,
    percent((floor?.ms ?? NaN) / ms),
    peer ? `${digits(ms / peer.ms, 2)} (${peer.name})` : "",
  ];
}

/** Rows of ops that have no shapes of their own. */
function isSized({ name }: Row): boolean {
  return name.endsWith(" sized");
}

/** The kernels that are shown of a run. */
function kernelTable(
  recorded: Recorded<Results> | undefined,
  isShown: (row: Row) => boolean,
): string {
  if (recorded === undefined) return MISSING;
  const rows = recorded.data.rows.filter((row) => row.gpu !== null && isShown(row));
  const header = ["kernel", "ms", "MB", "GFLOP", "floor, ms", "of the floor"];
  const isPeered = rows.some(({ peer }) => peer !== null);
  const table = markdownTable(
    isPeered ? [...header, "÷ peer"] : header,
    rows.map((row) => isPeered ? kernelRow(row) : kernelRow(row).slice(0, -1)),
  );
  return `${table}\n\n${source(recorded)}`;
}

function ceilingsText({ kernels }: Stored): string {
  const ceilings = kernels?.data.ceilings;
  if (!ceilings) return "";
  const { bytes, instructions, special } = ceilings;
  return `In the run below they reached ${digits(bytes / 1e9)} TB/s, ` +
    `${digits(instructions / 1e9)} T f32 instructions/s and ${digits(special / 1e9)} T exp2/s.`;
}

/** Points of scenarios called "OP KEY NUMBER". */
function seriesOf(stored: Stored, key: string, y: (ms: number, x: number) => number): Series[] {
  const lines = new Map<string, [number, number][]>();
  for (const { name, gpu } of stored.curves?.data.rows ?? []) {
    const [op, kind, size] = name.split(" ") as [string, string, string];
    if (kind !== key || gpu === null) continue;
    const x = Number(size);
    const points = lines.get(op) ?? [];
    points.push([x, y(gpu.ms, x)]);
    lines.set(op, points);
  }
  return [...lines].map(([name, points]) => ({ name, points }));
}

/** Samples of a scenario of the curve against length. */
function samplesOf(length: number): number {
  return Math.max(16_384, length);
}

function crossoverSeries({ crossover }: Stored): Series[] {
  const { points = [] } = crossover?.data ?? {};
  const ops = [...new Set(points.map(({ op }) => op))];
  return ops.flatMap((op) =>
    (["cpuMs", "gpuMs"] as const).map((key) => ({
      name: `${op}, ${key === "cpuMs" ? "CPU" : "GPU"}`,
      points: points.filter((point) => point.op === op && point[key] !== null)
        .map((point) => [point.work, point[key]!] as const),
    }))
  ).filter(({ points }) => points.length > 0);
}

/** Times of a step against the count of streams. */
function servingSeries({ serving }: Stored): Series[] {
  const rows = serving?.data.rows ?? [];
  const line = (
    name: string,
    device: string,
    key: "gpuMs" | "latencyMs" | "flightMs" | "floorMs",
  ) => ({
    name,
    points: rows.filter((row) => row.device === device && row[key] !== null)
      .map((row) => [row.streams, row[key]!] as const),
  });
  return [
    line("floor of the bytes", "webgpu", "floorMs"),
    line("GPU's own clock", "webgpu", "gpuMs"),
    line("four in flight", "webgpu", "flightMs"),
    line("awaited, one by one", "webgpu", "latencyMs"),
    line("CPU, one core", "cpu", "latencyMs"),
  ].filter(({ points }) => points.length > 0);
}

function crossoverText(stored: Stored): string {
  const { crossover } = stored;
  if (crossover === undefined) return MISSING;
  const table = markdownTable(
    ["op", "the GPU is faster from"],
    crossover.data.crossings.map(({ op, work }) => [
      op,
      work === null ? "no size measured" : `${digits(work, 2)} units of work`,
    ]),
  );
  return `${table}\n\n${hostSource(crossover, stored)}`;
}

function cpuTable({ cpu }: Stored): string {
  if (cpu === undefined) return MISSING;
  const table = markdownTable(
    ["op", "twin, ms", "SIMD, ms", "× twin", "all cores, ms", "× twin"],
    cpu.data.rows.filter((row) => row.cpu !== null).map(({ name, cpu: times }) => {
      const { twin, simd, threads } = times!;
      return [
        name.replace(/ small$/, ""),
        ...[twin, simd, twin / simd, threads, twin / threads].map((value) => digits(value)),
      ];
    }),
  );
  return `${table}\n\n${cpuSource(cpu)}`;
}

/** The page's text, and its images by file name. */
export interface Page {
  readonly text: string;
  readonly images: Readonly<Record<string, string>>;
}

/**
 * Fills the template.
 *
 * @throws {SyntaxError} the template has a place for which there is nothing
 */
export function pageOf(template: string, stored: Stored): Page {
  const images = imagesOf(stored);
  const chart = (file: string, alt: string) => file in images ? `![${alt}](img/${file})` : MISSING;
  const parts: Readonly<Record<string, () => string>> = {
    targets: () => targetsTable(stored),
    peerSource: () => PEER_SOURCE,
    ceilings: () => ceilingsText(stored),
    issue: () => kernelTable(stored.kernels, ({ group }) => group === "issue"),
    ops: () => kernelTable(stored.ops, (row) => row.group === "ops" && !isSized(row)),
    gradients: () => kernelTable(stored.ops, (row) => row.group === "gradients" && !isSized(row)),
    sized: () => kernelTable(stored.sized, isSized),
    lengthChart: () => chart("perf_length.svg", "Time of a sample against the length"),
    stateChart: () => chart("perf_state.svg", "Time against the size of the state"),
    streamsChart: () => chart("perf_streams.svg", "Time of a step against the streams"),
    crossoverChart: () => chart("perf_crossover.svg", "CPU and GPU from host to host"),
    curves: () => stored.curves ? source(stored.curves) : MISSING,
    crossover: () => crossoverText(stored),
    cpu: () => cpuTable(stored),
    training: () => trainingTable(stored),
    memory: () => memoryTable(stored),
    scanMemory: () => scanMemoryTable(stored),
    backlog: () => backlogTable(stored),
    serving: () => servingTable(stored),
    networks: () => networksTable(stored),
    smoother: () => smootherTable(stored),
    models: () => modelsTable(stored),
    ingest: () => ingestTable(stored),
  };
  const text = template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const part = parts[name];
    if (part === undefined) throw new SyntaxError(`The page has no part "${name}"`);
    return part();
  });
  return { text, images };
}

function imagesOf(stored: Stored): Record<string, string> {
  const images: Record<string, string> = {};
  const add = (
    name: string,
    [title, xLabel, yLabel]: readonly [string, string, string],
    series: readonly Series[],
  ) => {
    if (series.length > 0) images[name] = lineChart({ title, xLabel, yLabel, series });
  };
  add(
    "perf_length.svg",
    ["Time of a sample against the length", "length, samples", "ns a sample of 512 features"],
    seriesOf(stored, "length", (ms, length) => 1e6 * ms / samplesOf(length)),
  );
  add(
    "perf_state.svg",
    ["Time against the size of the state", "states of a feature or head", "ms"],
    seriesOf(stored, "state", (ms) => ms),
  );
  add(
    "perf_streams.svg",
    ["A step of a 4-layer Mamba against the streams", "streams", "ms a step"],
    servingSeries(stored),
  );
  add(
    "perf_crossover.svg",
    ["From host to host", "work, in the op's unit", "ms"],
    crossoverSeries(stored),
  );
  return images;
}
