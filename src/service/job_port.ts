import { RemotePort } from "../base/remote_port.ts";
import { type JobContext, type JobNews, type JobOutcome, type JobTask, runJob } from "./job_run.ts";

/** How the service speaks to what runs its jobs, wherever that is; one job at a time. */
export interface JobPort {
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

/** Jobs in this thread: for tests, which bring a network of their own. */
export class LocalJobPort implements JobPort {
  readonly #context: Pick<JobContext, "openTuning" | "devices" | "clock">;
  #isInterrupted = false;

  constructor(context: Pick<JobContext, "openTuning" | "devices" | "clock">) {
    this.#context = context;
  }

  run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    this.#isInterrupted = false;
    const isInterrupted = () => this.#isInterrupted;
    return runJob(task, { ...this.#context, tell, isInterrupted });
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

/** The Worker that runs a job died: the job may be tried again. */
export class JobWorkerError extends Error {
  override readonly name = "JobWorkerError";
}

/** Jobs in a Worker, which starts with the first one. When it dies the next job gets another. */
export class WorkerJobPort implements JobPort {
  readonly #script: URL;
  #worker: Worker | null = null;
  #port: RemotePort | null = null;

  /** @param script  the Worker's module; another one only in tests */
  constructor(script: URL = new URL("./job_worker.ts", import.meta.url)) {
    this.#script = script;
  }

  #open(): RemotePort {
    if (this.#port !== null) return this.#port;
    const worker = new Worker(this.#script, { type: "module", name: "jobs" });
    const port = new RemotePort(worker);
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#drop(new JobWorkerError(`The Worker of the jobs failed: ${event.message}`));
    });
    this.#worker = worker;
    return this.#port = port;
  }

  #drop(reason: Error): void {
    this.#worker?.terminate();
    this.#port?.fail(reason);
    this.#worker = null;
    this.#port = null;
  }

  async run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    const channel = new MessageChannel();
    channel.port1.onmessage = (event) => tell(event.data as JobNews);
    try {
      const argument = { task, news: channel.port2 };
      return await this.#open().call<JobOutcome>("run", argument, [channel.port2]);
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
