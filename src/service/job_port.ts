import { RemotePort } from "../base/remote_port.ts";
import type { DeviceMode, DevicesReport } from "./devices.ts";
import { type JobContext, type JobNews, type JobOutcome, type JobTask, runJob } from "./job_run.ts";

/** How the service speaks to what runs its jobs, wherever that is; one job at a time. */
export interface JobPort {
  /** Opens the devices that jobs run on, checks and measures them, and tells what there is. */
  devices(): Promise<DevicesReport>;
  /** @throws {Error} the job failed, or the Worker died */
  run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome>;
  /** Ends the job under way after its step, with a checkpoint. */
  interrupt(): void;
  close(): Promise<void>;
}

/** Waits for a piece of work, but no longer than this. */
export async function inTime(work: Promise<unknown> | null, waitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** What jobs in this thread stand on. */
export type LocalContext = Pick<JobContext, "openTuning" | "inspect" | "devices" | "clock">;

/** Jobs in this thread: for tests, which bring a network of their own. */
export class LocalJobPort implements JobPort {
  readonly #context: LocalContext;
  #isInterrupted = false;

  constructor(context: LocalContext) {
    this.#context = context;
  }

  run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    this.#isInterrupted = false;
    const isInterrupted = () => this.#isInterrupted;
    return runJob(task, { ...this.#context, tell, isInterrupted });
  }

  devices(): Promise<DevicesReport> {
    const cpu = { threads: 1, simdUnavailable: null };
    return Promise.resolve({ cpu, gpu: null, gpuUnused: "Jobs run in this thread" });
  }

  interrupt(): void {
    this.#isInterrupted = true;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A Worker that is asked to close gets this long to let go of its devices. */
export const WORKER_CLOSE_MS_MAX = 5_000;

/** What follows the last news of a job. */
export const NEWS_END = "end";

/** The last news of a job are waited for so long after its answer. */
const NEWS_MS_MAX = 1_000;

/** The Worker that runs a job died: the job may be tried again. */
export class JobWorkerError extends Error {
  override readonly name = "JobWorkerError";
}

/** What a Worker of jobs is opened with; plain data. */
export interface WorkerOptions {
  readonly mode: DeviceMode;
  /** File of what was measured of the devices; null measures them after each start. */
  readonly cacheFile: string | null;
}

/** Jobs in a Worker, which starts when it is needed. When it dies the next job gets another. */
export class WorkerJobPort implements JobPort {
  readonly #log: (message: string) => void;
  readonly #script: URL;
  #options: WorkerOptions;
  /** Jobs that run or begin. */
  #runs = 0;
  /** Resolved when a Worker that nobody needs is gone. */
  #retired: Promise<void> = Promise.resolve();
  #worker: Worker | null = null;
  #port: RemotePort | null = null;
  #notes: MessagePort | null = null;

  /**
   * @param log     told what the devices say of themselves
   * @param script  the Worker's module; another one only in tests
   */
  constructor(
    options: WorkerOptions,
    log: (message: string) => void = () => {},
    script: URL = new URL("./job_worker.ts", import.meta.url),
  ) {
    this.#options = options;
    this.#log = log;
    this.#script = script;
  }

  #open(): RemotePort {
    if (this.#port !== null) return this.#port;
    const worker = new Worker(this.#script, { type: "module", name: "jobs" });
    const port = new RemotePort(worker);
    const channel = new MessageChannel();
    channel.port1.onmessage = (event) => this.#log(String(event.data));
    this.#notes = channel.port1;
    const argument = { ...this.#options, notes: channel.port2 };
    // What fails here fails the call that needs it.
    port.call("open", argument, [channel.port2]).catch(() => {});
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#drop(new JobWorkerError(`The Worker of the jobs failed: ${event.message}`));
    });
    this.#worker = worker;
    return this.#port = port;
  }

  #drop(reason: Error): void {
    this.#worker?.terminate();
    this.#notes?.close();
    this.#port?.fail(reason);
    this.#worker = null;
    this.#port = null;
  }

  /** Whether there is a Worker. */
  get isOpen(): boolean {
    return this.#port !== null;
  }

  async devices(): Promise<DevicesReport> {
    const report = await this.#open().call<DevicesReport>("report", null);
    if (report.gpuUnused !== null && this.#runs === 0) {
      // A Worker and a driver take tens of megabytes: a job on the CPU opens a Worker of its own.
      this.#options = { ...this.#options, mode: "cpu" };
      this.#retired = this.close();
      await this.#retired;
    }
    return report;
  }

  async run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    this.#runs++;
    try {
      await this.#retired;
      return await this.#run(task, tell);
    } finally {
      this.#runs--;
    }
  }

  async #run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    const channel = new MessageChannel();
    const told = Promise.withResolvers<void>();
    channel.port1.onmessage = ({ data }) => data === NEWS_END ? told.resolve() : tell(data);
    try {
      const argument = { task, news: channel.port2 };
      return await this.#open().call<JobOutcome>("run", argument, [channel.port2])
        // The answer comes another way, and may be here before the last news.
        .finally(() => this.#port === null ? undefined : inTime(told.promise, NEWS_MS_MAX));
    } finally {
      channel.port1.close();
    }
  }

  interrupt(): void {
    this.#port?.call("interrupt", null).catch(() => {});
  }

  /** A GPU's driver must be taken apart before the process ends, so the Worker does it itself. */
  async close(): Promise<void> {
    const port = this.#port;
    if (port === null) return;
    await inTime(port.call("close", null).catch(() => {}), WORKER_CLOSE_MS_MAX);
    this.#drop(new JobWorkerError("The service is closed"));
  }
}
