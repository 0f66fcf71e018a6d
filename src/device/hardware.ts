/**
 * The machine's devices, and the one place that chooses between them.
 *
 * A GPU that is lost is opened again once; lost again, the work goes on on the CPU. Both are said
 * in the log. A task is a function of the device that starts from host data, so it can simply be
 * run again.
 */
import { DeviceLostError } from "../base/errors.ts";
import { openCpu } from "./cpu.ts";
import type { CrossoverTable } from "./crossover.ts";
import type { CpuDevice, Device } from "./device.ts";
import { SIMD_THREADS_MAX } from "./simd.ts";
import { openWebGpu, type WebGpuDevice, type WebGpuOptions } from "./webgpu.ts";

/** Options of {@linkcode openHardware}. */
export interface HardwareOptions extends WebGpuOptions {
  /**
   * `auto`: the GPU where the measured crossover says so, never a software adapter.
   * `cpu`: no GPU is opened. `webgpu`: always the GPU, a software one too; for tests and checks.
   */
  readonly mode?: "auto" | "cpu" | "webgpu";
  /** Threads of the CPU's SIMD kernels; default one for each core, up to SIMD_THREADS_MAX. */
  readonly threads?: number;
  /** Measured crossovers; more can be set later. */
  readonly crossovers?: CrossoverTable;
}

/** The devices of this machine. Made by {@linkcode openHardware}. */
export class Hardware {
  readonly cpu: CpuDevice;
  /** Why there is no GPU, in words for a user; undefined where there is one. */
  readonly gpuUnavailable: string | undefined;
  readonly #gpu: WebGpuDevice | undefined;
  readonly #mode: "auto" | "cpu" | "webgpu";
  readonly #log: (message: string) => void;
  #crossovers: CrossoverTable;

  constructor(
    cpu: CpuDevice,
    gpu: WebGpuDevice | undefined,
    gpuUnavailable: string | undefined,
    options: HardwareOptions,
  ) {
    this.cpu = cpu;
    this.#gpu = gpu;
    this.gpuUnavailable = gpuUnavailable;
    this.#mode = options.mode ?? "auto";
    this.#log = options.log ?? (() => {});
    this.#crossovers = options.crossovers ?? {};
  }

  /** The GPU while it works. */
  get gpu(): WebGpuDevice | undefined {
    return this.#gpu?.gone === undefined ? this.#gpu : undefined;
  }

  /** The measured crossovers in use. */
  get crossovers(): CrossoverTable {
    return this.#crossovers;
  }

  /** Replaces the measured crossovers: at start-up, after the self-check. */
  setCrossovers(table: CrossoverTable): void {
    this.#crossovers = table;
  }

  /**
   * Chooses the device for a piece of work.
   *
   * @param opName  the op that dominates the work
   * @param work    its amount in that op's unit
   */
  choose(opName: string, work: number): Device {
    const gpu = this.gpu;
    if (gpu === undefined || this.#mode === "cpu") return this.cpu;
    if (this.#mode === "webgpu") return gpu;
    // Software adapters run every shader in tests, slower than the CPU's own code.
    if (gpu.info.software) return this.cpu;
    const crossover = this.#crossovers[opName];
    return crossover !== undefined && work >= crossover.work ? gpu : this.cpu;
  }

  /**
   * Runs a task on the chosen device; after a loss once more on the reopened GPU, then on the CPU.
   *
   * @param task  starts from host data and ends with host data, so that it may run again
   */
  async run<T>(opName: string, work: number, task: (device: Device) => Promise<T>): Promise<T> {
    // Once on the GPU, once more after its loss; the CPU cannot be lost.
    for (let attempt = 0; attempt < 2; attempt++) {
      const device = this.choose(opName, work);
      if (device.kind === "cpu") break;
      try {
        await this.#gpu!.opened();
        return await task(device);
      } catch (error) {
        if (!(error instanceof DeviceLostError)) throw error;
        this.#log(`${opName}: ${error.message}; running it again`);
      }
    }
    return await task(this.cpu);
  }

  /** Closes the devices. */
  async close(): Promise<void> {
    await this.#gpu?.close();
    await this.cpu.close();
  }
}

/** Opens the machine's devices. The lack of a GPU is not an error: see `gpuUnavailable`. */
export async function openHardware(options: HardwareOptions = {}): Promise<Hardware> {
  const threads = options.threads ?? Math.min(navigator.hardwareConcurrency, SIMD_THREADS_MAX);
  const cpu = openCpu({ poison: options.poison ?? false, simd: { threads } });
  if (options.mode === "cpu") {
    return new Hardware(cpu, undefined, "The GPU was switched off", options);
  }
  const opened = await openWebGpu(options);
  return "device" in opened
    ? new Hardware(cpu, opened.device, undefined, options)
    : new Hardware(cpu, undefined, opened.unavailable, options);
}
