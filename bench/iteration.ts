/**
 * Measuring iterations of a training on a GPU: the host's time to issue one, the wall time of a run
 * of them, the GPU's own time of the whole and by shader entry, and the memory.
 */
import { formatNumber, formatTable } from "../src/cli/table.ts";
import type { WebGpuDevice } from "../src/device/mod.ts";
import type { GpuDevice, Launch } from "../src/device/device.ts";

const WARM_UP_ITERATIONS = 3;
/** Iterations go on for so long before any is timed: an idle GPU runs at a fraction of its clock. */
const WARM_UP_MS = 100;
const TIMED_REPEATS = 5;
/** Launches that are timed as one: the device's table of sizes holds no more. */
const LAUNCHES_TIMED_MAX = 256;

/** A device that hands everything on, and what was done with it. */
export interface Spy {
  readonly device: GpuDevice;
  /** The launches in order. */
  readonly launches: Launch[];
  /** Bytes that were sent from the host. */
  uploadedBytes: number;
}

/** Watches what is issued to a device. */
export function spyOn(device: WebGpuDevice): Spy {
  const spy: Spy = {
    launches: [],
    uploadedBytes: 0,
    device: {
      kind: "webgpu",
      info: device.info,
      limits: device.limits,
      alloc: (shape, dtype) => device.alloc(shape, dtype),
      write: (tensor, data) => device.write(tensor, data),
      upload(tensor) {
        spy.uploadedBytes += 4 * tensor.data.length;
        return device.upload(tensor);
      },
      read: (tensor) => device.read(tensor),
      free: (tensor) => device.free(tensor),
      close: () => device.close(),
      table: (key, make) => device.table(key, make),
      dispatch(issued) {
        spy.launches.push(...issued);
        device.dispatch(issued);
      },
    },
  };
  return spy;
}

/** One training whose iterations are measured. */
export interface Iterations {
  readonly name: string;
  /** Issues one iteration. */
  iterate(): void;
  /** Waits for all that was issued. */
  finish(): Promise<unknown>;
}

/** Time of one shader entry over all its launches of an iteration. */
export interface EntryTime {
  readonly entry: string;
  readonly count: number;
  readonly ms: number;
}

/** What {@linkcode measureIterations} finds, each for one iteration. */
export interface IterationReport {
  readonly name: string;
  readonly launches: number;
  /** The caller's thread: recording, planning, sending. */
  readonly issueMs: number;
  readonly wallMs: number;
  /** All launches in order, by the GPU's clock; null without timestamp queries. */
  readonly gpuMs: number | null;
  readonly uploadedBytes: number;
  /** Device memory in existence, the most during the run. */
  readonly memoryBytes: number;
  /** Each launch by itself on its own buffers. */
  readonly entries: readonly EntryTime[];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** Warms up, then measures `count` iterations. */
export async function measureIterations(
  device: WebGpuDevice,
  spy: Spy,
  { name, iterate, finish }: Iterations,
  count: number,
): Promise<IterationReport> {
  for (let i = 0; i < WARM_UP_ITERATIONS; i++) iterate();
  await finish();
  // After the first ones, whose time is that of compiling.
  for (const from = performance.now(); performance.now() - from < WARM_UP_MS;) {
    iterate();
    await finish();
  }
  spy.launches.length = 0;
  spy.uploadedBytes = 0;
  const start = performance.now();
  let issued = 0;
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    iterate();
    issued += performance.now() - from;
    await Promise.resolve();
  }
  await finish();
  const wallMs = (performance.now() - start) / count;
  const launches = spy.launches.length / count;
  const uploadedBytes = spy.uploadedBytes / count;
  const one = spy.launches.slice(0, launches);
  const timed = device.info.timestamps;
  return {
    name,
    launches,
    issueMs: issued / count,
    wallMs,
    gpuMs: timed ? await wholeMs(device, one) : null,
    uploadedBytes,
    memoryBytes: device.memory.total,
    entries: timed ? await entryTimes(device, one) : [],
  };
}

async function wholeMs(device: WebGpuDevice, launches: readonly Launch[]): Promise<number> {
  let sum = 0;
  for (let at = 0; at < launches.length; at += LAUNCHES_TIMED_MAX) {
    const part = launches.slice(at, at + LAUNCHES_TIMED_MAX);
    sum += median(await device.time(part, TIMED_REPEATS));
  }
  return sum;
}

async function entryTimes(
  device: WebGpuDevice,
  launches: readonly Launch[],
): Promise<EntryTime[]> {
  const entries = new Map<string, { entry: string; count: number; ms: number }>();
  for (const launch of launches) {
    const key = `${launch.shader}.${launch.entry}`;
    const entry = entries.get(key) ?? { entry: key, count: 0, ms: 0 };
    entry.ms += median(await device.time([launch], TIMED_REPEATS));
    entry.count++;
    entries.set(key, entry);
  }
  return [...entries.values()].sort((a, b) => b.ms - a.ms);
}

/** A report as text. */
export function iterationText(report: IterationReport): string {
  const { name, launches, issueMs, wallMs, gpuMs, uploadedBytes, memoryBytes, entries } = report;
  const sum = entries.reduce((total, { ms }) => total + ms, 0);
  const mib = (bytes: number) => `${formatNumber(bytes / 2 ** 20)} MiB`;
  const head = `${name}: ${launches} launches, issue ${formatNumber(issueMs)} ms, ` +
    `wall ${formatNumber(wallMs)} ms, GPU ${formatNumber(gpuMs ?? NaN)} ms, ` +
    `sent ${mib(uploadedBytes)}, memory ${mib(memoryBytes)}`;
  const table = formatTable(
    ["entry", "launches", "ms", "share"],
    entries.map(({ entry, count, ms }) => [
      entry,
      `${count}`,
      formatNumber(ms),
      `${Math.round(100 * ms / sum)} %`,
    ]),
  );
  return entries.length === 0 ? head : `${head}\n${table}`;
}
