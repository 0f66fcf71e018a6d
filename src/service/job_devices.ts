import { type Hardware, openHardware, SIMD_THREADS_MAX } from "../device/mod.ts";
import type { JobDevice } from "./job_run.ts";

/** The devices of the jobs' thread, opened at the first job and kept for the next ones. */
export class JobDevices {
  #hardware: Promise<Hardware> | undefined;

  #open(): Promise<Hardware> {
    // A core stays free for those that the service answers.
    const cores = Math.max(1, navigator.hardwareConcurrency - 1);
    this.#hardware ??= openHardware({ threads: Math.min(cores, SIMD_THREADS_MAX) });
    return this.#hardware;
  }

  /** The devices to try for a job, the best first; the CPU is always among them. */
  async ranked(): Promise<JobDevice[]> {
    const { cpu, gpu } = await this.#open();
    const last: JobDevice = { device: cpu, name: "cpu" };
    // A software adapter is slower than the CPU's own code.
    if (gpu === undefined || gpu.info.software) return [last];
    return [{ device: gpu, name: gpu.info.description || gpu.info.device }, last];
  }

  /** Closes what was opened. */
  async close(): Promise<void> {
    const hardware = await this.#hardware?.catch(() => undefined);
    await hardware?.close();
  }
}
