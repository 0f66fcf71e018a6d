import type { Clock } from "../base/clock.ts";
import { ConflictError, NotFoundError, OverloadError } from "../base/errors.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { EventHub, type Subscription } from "./events.ts";
import { JobFolder, type JobRows } from "./job_files.ts";
import { inTime, type JobPort, JobWorkerError } from "./job_port.ts";
import { isActive, type JobRecord, type JobState } from "./job_record.ts";
import type { JobNews, MadeFile } from "./job_run.ts";
import { type JobShape, jobShape, LISTED_LINES_MAX } from "./job_shape.ts";
import type { TrainedModels } from "./models.ts";
import type { Log } from "./telemetry.ts";
import type { TrainingLine } from "../training/metrics_lines.ts";
import type { TuningRecipe } from "../training/tuning.ts";
import type { SampleSource } from "./sample_source.ts";

/** Jobs that wait for the one that runs; beyond, a new one is asked to come back. */
export const JOB_QUEUE_MAX = 8;
/** Jobs that are over and still told of; the oldest go first. */
export const JOBS_KEPT_MAX = 64;
/** Starts of a job without a checkpoint in between; beyond, it has failed. */
export const JOB_ATTEMPTS_MAX = 3;
/** A job under way gets this long to end its step and save a checkpoint. */
export const JOB_STOP_MS_MAX = 5_000;
/** When to come back to a full queue. */
const RETRY_AFTER_S = 60;

/** A job as it is asked for. */
export interface JobRequest {
  /** Name of the model that it makes. */
  readonly model: string;
  /** Name of the network that it begins with. */
  readonly base: string;
  readonly recipe: TuningRecipe;
  readonly source: SampleSource;
}

/** What the jobs stand on. */
export interface JobsParts {
  /** Folder of the jobs' folders. */
  readonly folder: string;
  readonly models: TrainedModels;
  readonly port: JobPort;
  readonly log: Log;
  readonly clock: Clock;
}

/** A job in memory. */
interface Job {
  record: JobRecord;
  readonly folder: JobFolder;
  lines: TrainingLine[];
  /** Somebody asked for its end. */
  isCanceled: boolean;
  /** The record on its way to disk: one write at a time. */
  writing: Promise<void>;
}

function jobOf(record: JobRecord, folder: JobFolder, lines: TrainingLine[]): Job {
  return { record, folder, lines, isCanceled: false, writing: Promise.resolve() };
}

function newId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

/**
 * The jobs: one runs, some wait, and all of them outlive the process. What a job needs lies in its
 * folder; after a restart those that had not ended go on in the order in which they were asked for.
 */
export class Jobs {
  readonly #parts: JobsParts;
  /** In the order in which they were asked for. */
  readonly #jobs = new Map<string, Job>();
  readonly #hub = new EventHub();
  /** Jobs that are being written to disk: they count as waiting. */
  readonly #arriving = new Set<string>();
  #running: Promise<void> | null = null;
  #current: Job | null = null;
  #isClosing = false;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  /** Reads the folder of the jobs and goes on with those that had not ended; to be called first. */
  async start(): Promise<void> {
    const { folder } = this.#parts;
    await Deno.mkdir(folder, { recursive: true });
    const found: Job[] = [];
    for await (const entry of Deno.readDir(folder)) {
      const job = await this.#load(`${folder}/${entry.name}`);
      if (job !== null) found.push(job);
    }
    found.sort((a, b) => a.record.order - b.record.order);
    for (const job of found) this.#jobs.set(job.record.id, job);
    await this.#forgetOld();
    this.#pump();
  }

  async #load(path: string): Promise<Job | null> {
    const { log } = this.#parts;
    const folder = new JobFolder(path);
    try {
      const record = await folder.readRecord();
      if (record === null) {
        // The process ended while the job was written: nobody was told that it is there.
        await folder.remove();
        return null;
      }
      const job = jobOf(record, folder, await folder.readLines());
      if (record.state === "running") await this.#set(job, { state: "queued" });
      return job;
    } catch (error) {
      log.warning("The job in {path} cannot be read: {error}", { path, error: String(error) });
      return null;
    }
  }

  /**
   * Takes a job in. Resolves when it is on disk.
   *
   * @param read  reads what it learns from, once there is room for it
   * @param base  the file of the network that it begins with
   * @throws {OverloadError} {@linkcode JOB_QUEUE_MAX} jobs wait already
   * @throws {ConflictError} a job under way makes a model of this name
   */
  async submit(
    request: JobRequest,
    base: Uint8Array,
    read: () => Promise<JobRows>,
  ): Promise<JobShape> {
    const { model } = request;
    this.#checkRoom(model);
    this.#arriving.add(model);
    try {
      const rows = await read();
      const record: JobRecord = {
        id: newId(),
        order: 1 + ([...this.#jobs.values()].at(-1)?.record.order ?? 0),
        ...request,
        state: "queued",
        channels: [...rows.channels],
        rows: rows.timestampsNs.length,
        createdAt: this.#now(),
        startedAt: null,
        endedAt: null,
        attempts: 0,
        device: null,
        parameters: null,
        tunedParameters: null,
        step: 0,
        modelHash: null,
        error: null,
      };
      const folder = new JobFolder(`${this.#parts.folder}/${record.id}`);
      await folder.create(record, rows, base);
      const job = jobOf(record, folder, []);
      this.#jobs.set(record.id, job);
      this.#pump();
      return jobShape(job.record, job.lines);
    } finally {
      this.#arriving.delete(model);
    }
  }

  #checkRoom(model: string): void {
    if (this.#isClosing) throw new OverloadError("The service is shutting down", 5);
    const active = [...this.#jobs.values()].filter(({ record }) => isActive(record));
    const waiting = active.filter(({ record }) => record.state === "queued").length;
    if (waiting + this.#arriving.size >= JOB_QUEUE_MAX) {
      throw new OverloadError(`JOB_QUEUE_MAX is ${JOB_QUEUE_MAX}, all taken`, RETRY_AFTER_S);
    }
    if (this.#arriving.has(model) || active.some(({ record }) => record.model === model)) {
      throw new ConflictError(`A job under way makes the model "${model}"`);
    }
  }

  /** All jobs, the newest first, with a few of their lines. */
  list(): JobShape[] {
    return [...this.#jobs.values()].reverse()
      .map(({ record, lines }) => jobShape(record, lines, LISTED_LINES_MAX));
  }

  /** How many jobs there are, by state; for `/metrics`. */
  stats(): Readonly<Record<JobState, number>> {
    const stats = { queued: 0, running: 0, finished: 0, canceled: 0, failed: 0 };
    for (const { record } of this.#jobs.values()) stats[record.state]++;
    return stats;
  }

  /** @throws {NotFoundError} no such job */
  get(id: string): JobShape {
    const { record, lines } = this.#job(id);
    return jobShape(record, lines);
  }

  /**
   * Ends a job that is under way, which it does after its step; forgets one that is over.
   *
   * @throws {NotFoundError} no such job
   */
  async remove(id: string): Promise<void> {
    const job = this.#job(id);
    if (job === this.#current) {
      job.isCanceled = true;
      this.#parts.port.interrupt();
      await inTime(this.#running, JOB_STOP_MS_MAX);
    } else if (isActive(job.record)) {
      await this.#end(job, "canceled");
    } else {
      this.#jobs.delete(id);
      await job.folder.remove();
    }
  }

  /** @throws {NotFoundError | OverloadError} no such job, or too many listen */
  subscribe(id: string): Subscription {
    this.#job(id);
    return this.#hub.subscribe(id);
  }

  unsubscribe(id: string, subscription: Subscription): void {
    this.#hub.unsubscribe(id, subscription);
  }

  #job(id: string): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new NotFoundError("job", id);
    return job;
  }

  #now(): string {
    return formatTimestamp(this.#parts.clock.nowNs());
  }

  /** Changes a job's record, on disk as well. */
  async #set(job: Job, change: Partial<JobRecord>): Promise<void> {
    job.record = { ...job.record, ...change };
    job.writing = job.writing.catch(() => {}).then(() => job.folder.saveRecord(job.record));
    await job.writing;
  }

  /** Starts the job that has waited longest, unless one runs. */
  #pump(): void {
    if (this.#running !== null || this.#isClosing) return;
    const next = [...this.#jobs.values()].find(({ record }) => record.state === "queued");
    if (next === undefined) return;
    this.#current = next;
    this.#running = this.#run(next)
      .catch((error) => {
        // The disk failed: the job is as it was, and goes on after a restart.
        const { log } = this.#parts;
        log.error("Job {id} stands still: {error}", { id: next.record.id, error: String(error) });
        next.record = { ...next.record, state: "failed", error: String(error) };
        this.#farewell(next);
      })
      // Nothing is written any more when the service has closed.
      .then(() => next.writing.catch(() => {}))
      .finally(() => {
        this.#running = null;
        this.#current = null;
        this.#pump();
      });
  }

  async #run(job: Job): Promise<void> {
    const { port, log } = this.#parts;
    const { id, attempts } = job.record;
    if (attempts >= JOB_ATTEMPTS_MAX) {
      const error = `It was started ${attempts} times and came to no checkpoint`;
      return await this.#end(job, "failed", { error });
    }
    const startedAt = job.record.startedAt ?? this.#now();
    await this.#set(job, { state: "running", startedAt, attempts: attempts + 1 });
    this.#tellState(job);
    try {
      const task = { folder: job.folder.path, recipe: job.record.recipe };
      const { end, file } = job.isCanceled || this.#isClosing
        ? { end: "interrupted", file: null }
        : await port.run(task, (news) => this.#hear(job, news));
      if (file !== null) await this.#finish(job, file);
      else if (job.isCanceled) await this.#end(job, "canceled");
      // Else the service closes: the record says that the job is to go on.
      else log.info("Job {id} is {end} at step {step}", { id, end, step: job.record.step });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warning("Job {id} failed: {reason}", { id, reason });
      if (error instanceof JobWorkerError && !job.isCanceled) {
        await this.#set(job, { state: "queued" });
      } else {
        await this.#end(job, job.isCanceled ? "canceled" : "failed", { error: reason });
      }
    }
  }

  #hear(job: Job, news: JobNews): void {
    switch (news.kind) {
      case "opened": {
        const { device, parameters, tunedParameters, step, lines } = news;
        job.record = { ...job.record, device, parameters, tunedParameters, step };
        job.lines = [...lines];
        return this.#tellState(job);
      }
      case "line":
        job.lines.push(news.line);
        job.record = { ...job.record, step: Math.max(job.record.step, news.line.step) };
        return this.#hub.publish(job.record.id, { kind: "metrics", data: { ...news.line } });
      case "saved":
        // On disk as well: a process that is killed again and again comes on all the same. Should
        // that fail, so does what is written at the end.
        this.#set(job, { step: news.step, attempts: 0 }).catch(() => {});
        return;
      case "note":
        return this.#parts.log.warning("Job {id}: {text}", {
          id: job.record.id,
          text: news.text,
        });
      default:
        news satisfies never;
    }
  }

  async #finish(job: Job, { bytes, facts }: MadeFile): Promise<void> {
    const { models } = this.#parts;
    const { model, base, id } = job.record;
    const { hash } = await models.add(model, bytes, { base, job: id }, facts);
    await this.#end(job, "finished", { modelHash: hash });
  }

  async #end(job: Job, state: JobState, change: Partial<JobRecord> = {}): Promise<void> {
    await this.#set(job, { ...change, state, endedAt: this.#now() });
    await job.folder.removeWork();
    this.#farewell(job);
    await this.#forgetOld();
  }

  #tellState(job: Job): void {
    const data = { ...jobShape(job.record, []) };
    this.#hub.publish(job.record.id, { kind: "state", data });
  }

  /** Tells those who listen how the job ended, and lets them go. */
  #farewell(job: Job): void {
    const data = { ...jobShape(job.record, job.lines) };
    this.#hub.publish(job.record.id, { kind: "end", data });
    this.#hub.close(job.record.id);
  }

  async #forgetOld(): Promise<void> {
    const over = [...this.#jobs.values()].filter(({ record }) => !isActive(record));
    for (const job of over.slice(0, Math.max(0, over.length - JOBS_KEPT_MAX))) {
      this.#jobs.delete(job.record.id);
      await job.folder.remove();
    }
  }

  /** Takes no more jobs and ends the listeners: the service begins to shut down. */
  beginShutdown(): void {
    this.#isClosing = true;
    this.#hub.close();
  }

  /** Stops the job under way at its next step; it goes on after the next start. */
  async close(): Promise<void> {
    this.beginShutdown();
    this.#parts.port.interrupt();
    // A step that takes long is not waited for: its checkpoint is there.
    await inTime(this.#running, JOB_STOP_MS_MAX);
    await this.#parts.port.close();
    await this.#running;
  }
}
