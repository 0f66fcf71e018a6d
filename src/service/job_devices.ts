/** The devices of the jobs' thread: opened once, checked and measured where a GPU may be used. */
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import {
  type AdapterSummary,
  type CrossoverTable,
  type Hardware,
  openHardware,
  SIMD_THREADS_MAX,
} from "../device/mod.ts";
import { parseBy } from "../base/parse.ts";
import { admitGpu } from "../ops/self_check.ts";
import { readIfThere, writeAtomic } from "./atomic_file.ts";
import type { DeviceMode, DevicesReport } from "./devices.ts";
import type { JobDevice } from "./job_run.ts";

/** What the devices are opened with. */
export interface JobDeviceOptions {
  readonly mode: DeviceMode;
  /** File of what was measured; null keeps it in memory. */
  readonly cacheFile: string | null;
  readonly clock: Clock;
  readonly log: (message: string) => void;
  /** Opens the hardware; another function only in tests. */
  readonly open?: typeof openHardware;
  /** Checks and measures a GPU; another function only in tests. */
  readonly admit?: typeof admitGpu;
}

/** Format and version of the file of what was measured. */
const CACHE_FORMAT = "driftline-devices/1";

const costSchema = z.strictObject({ fixedMs: z.number(), perWorkMs: z.number() });

const cacheSchema = z.strictObject({
  format: z.literal(CACHE_FORMAT, CACHE_FORMAT),
  /** What it holds for. */
  key: z.string(),
  failedOps: z.array(z.string()),
  crossovers: z.record(
    z.string(),
    // JSON has no infinity: null is "never".
    z.strictObject({ cpu: costSchema, gpu: costSchema, work: z.number().nullable() }),
  ),
});

/** What was found out about a GPU. */
interface Measured {
  readonly failedOps: readonly string[];
  readonly crossovers: CrossoverTable;
  /** Why it could not be checked; null where it was. */
  readonly problem: string | null;
}

/** Another adapter, driver or runtime is measured anew. */
function keyOf(info: AdapterSummary): string {
  return sha256Hex(JSON.stringify([info, Deno.version.deno, Deno.version.v8]));
}

function parseCache(bytes: Uint8Array, key: string): Measured | null {
  const text = new TextDecoder().decode(bytes);
  const cache = parseBy(cacheSchema, JSON.parse(text), "devices");
  if (cache.key !== key) return null;
  const crossovers = Object.fromEntries(
    Object.entries(cache.crossovers).map(([op, { work, ...costs }]) => [
      op,
      { ...costs, work: work ?? Infinity },
    ]),
  );
  return { failedOps: cache.failedOps, crossovers, problem: null };
}

/** The op whose crossover decides: nearly all work of a training is in matrix products. */
const DECIDING_OP = "matmul";

/** The devices of one thread. */
export class JobDevices {
  readonly #options: JobDeviceOptions;
  #hardware: Promise<Hardware> | undefined;
  #admitted: Promise<Measured> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: JobDeviceOptions) {
    this.#options = options;
  }

  #open(): Promise<Hardware> {
    const { mode, log, open = openHardware } = this.#options;
    // A core stays free for those that the service answers.
    const cores = Math.max(1, navigator.hardwareConcurrency - 1);
    this.#hardware ??= open({
      mode: mode === "cpu" ? "cpu" : "auto",
      threads: Math.min(cores, SIMD_THREADS_MAX),
      log,
    });
    return this.#hardware;
  }

  /** Checks and measures the GPU, or reads what was found before. */
  #admit(hardware: Hardware): Promise<Measured> {
    const { log } = this.#options;
    this.#admitted ??= this.#measure(hardware).catch((error) => {
      const problem = `It could not be checked: ${error instanceof Error ? error.message : error}`;
      log(problem);
      return { failedOps: [], crossovers: {}, problem };
    });
    return this.#admitted;
  }

  async #measure(hardware: Hardware): Promise<Measured> {
    const { cacheFile, clock, log, admit = admitGpu } = this.#options;
    const { gpu } = hardware;
    if (gpu === undefined || gpu.info.software) {
      return { failedOps: [], crossovers: {}, problem: null };
    }
    const key = keyOf(gpu.info);
    const cached = await this.#readCache(key);
    if (cached !== null) {
      hardware.setCrossovers(cached.crossovers);
      return cached;
    }
    const checks = await admit(hardware, clock, log);
    const failed = new Set(checks.filter(({ passed }) => !passed).map(({ op }) => op));
    const measured = { failedOps: [...failed], crossovers: hardware.crossovers };
    if (cacheFile !== null) {
      const text = JSON.stringify({ format: CACHE_FORMAT, key, ...measured });
      await writeAtomic(cacheFile, new TextEncoder().encode(text))
        .catch((error) => log(`What was measured cannot be kept: ${error}`));
    }
    return { ...measured, problem: null };
  }

  async #readCache(key: string): Promise<Measured | null> {
    const { cacheFile, log } = this.#options;
    const bytes = cacheFile === null ? null : await readIfThere(cacheFile);
    if (bytes === null) return null;
    try {
      return parseCache(bytes, key);
    } catch (error) {
      log(`The file of measured devices is damaged, they are measured again: ${error}`);
      return null;
    }
  }

  /** Opens, checks and measures, and tells what there is. */
  async report(): Promise<DevicesReport> {
    const hardware = await this.#open();
    const { cpu, gpu } = hardware;
    const measured = await this.#admit(hardware);
    const { failedOps, crossovers } = measured;
    const unavailable = cpu.simd?.unavailable ?? null;
    const work = crossovers[DECIDING_OP]?.work;
    return {
      cpu: { threads: cpu.simd?.threads ?? 1, simdUnavailable: unavailable },
      gpu: gpu === undefined ? null : {
        name: nameOf(gpu.info),
        software: gpu.info.software,
        failedOps: [...failedOps],
        fromWork: work === undefined || !Number.isFinite(work) ? null : work,
      },
      gpuUnused: unusedFor(hardware, measured),
    };
  }

  /**
   * The devices to try for a job, the best first; the CPU is always among them.
   *
   * @param work  multiply-adds of an iteration, roughly
   */
  async ranked(work: number): Promise<JobDevice[]> {
    const hardware = await this.#open();
    const { cpu, gpu } = hardware;
    const last: JobDevice = { device: cpu, name: "cpu" };
    const measured = await this.#admit(hardware);
    if (gpu === undefined || unusedFor(hardware, measured) !== null) return [last];
    const isWorthIt = this.#options.mode === "webgpu" ||
      hardware.choose(DECIDING_OP, work).kind !== "cpu";
    return isWorthIt ? [{ device: gpu, name: nameOf(gpu.info) }, last] : [last];
  }

  /** Closes what was opened, once; a measurement under way fails. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const hardware = await this.#hardware?.catch(() => undefined);
    await hardware?.close();
  }
}

/** Why the GPU is used by no job; null where it may be. */
function unusedFor(
  { gpu, gpuUnavailable }: Hardware,
  { failedOps, problem }: Measured,
): string | null {
  if (gpu === undefined) return gpuUnavailable ?? "The GPU was lost";
  if (gpu.info.software) return "A software adapter is slower than the CPU's own code";
  if (failedOps.length > 0) return `Its results are wrong in ${failedOps.join(", ")}`;
  return problem;
}

function nameOf({ description, device }: AdapterSummary): string {
  return description || device;
}
