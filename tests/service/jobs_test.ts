import assert from "node:assert/strict";
import { ConflictError, NotFoundError, OverloadError } from "../../src/base/errors.ts";
import { RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import { type JobPort, JobWorkerError, LocalJobPort } from "../../src/service/job_port.ts";
import { type JobNews, type JobOutcome, type JobTask, runJob } from "../../src/service/job_run.ts";
import { JOB_ATTEMPTS_MAX, JOB_QUEUE_MAX, JOBS_KEPT_MAX } from "../../src/service/jobs.ts";
import type { JobRequest, Jobs } from "../../src/service/jobs.ts";
import type { TuningRecipe } from "../../src/training/tuning.ts";
import { BASE, ended, inspectNetwork, openJobs, testContext, testRows } from "./_tuning.ts";
import { withFolder } from "../_folder.ts";

const request = (model: string, recipe: Partial<TuningRecipe> = {}): JobRequest => ({
  model,
  base: "neural",
  recipe: { ...RECIPE_DEFAULT, steps: 20, rate: 0.01, ...recipe },
  source: { kind: "upload", mediaType: "text/csv" },
});

const submit = (jobs: Jobs, model: string, recipe: Partial<TuningRecipe> = {}) =>
  jobs.submit(request(model, recipe), BASE, () => Promise.resolve(testRows()));

/** A port that dies before the `at`-th checkpoint is told of, as a killed process does. */
class DyingPort implements JobPort {
  readonly #inner = new LocalJobPort(testContext());
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  run(task: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    let saves = 0;
    return this.#inner.run(task, (news) => {
      if (news.kind === "saved" && ++saves === this.#at) throw new JobWorkerError("killed");
      tell(news);
    });
  }

  devices(): Promise<never> {
    return Promise.reject(new JobWorkerError("killed"));
  }

  interrupt(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A port on which jobs take until they are told to end. */
class WaitingPort implements JobPort {
  #end = Promise.withResolvers<void>();
  readonly ran: string[] = [];

  async run(task: JobTask): Promise<JobOutcome> {
    this.ran.push(task.folder);
    this.#end = Promise.withResolvers<void>();
    await this.#end.promise;
    return { end: "interrupted", file: null };
  }

  devices(): Promise<never> {
    return Promise.reject(new Error("waiting"));
  }

  interrupt(): void {
    this.#end.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

Deno.test("a job makes a model that serves, and says what the tuning was worth", async () => {
  await withFolder(async (folder) => {
    const { jobs, models, served } = await openJobs(folder);
    const { id, state } = await submit(jobs, "mine", { steps: 40 });
    assert.equal(state, "running");
    await ended(jobs, id);
    const job = jobs.get(id);
    assert.equal(job.state, "finished");
    assert.equal(job.step, 40);
    assert.ok(job.heldOut!.after < job.heldOut!.before, JSON.stringify(job.heldOut));
    assert.equal(job.evaluations[0]!.step, 0);
    assert.equal(job.metrics.at(-1)!["step"], 40);
    const model = models.get("mine");
    assert.equal(model.origin, "trained");
    assert.equal(model.hash, job.modelHash);
    assert.equal(inspectNetwork(served.get("mine")!).hash, model.hash);
    // What only a job under way needs is gone.
    const left = [...Deno.readDirSync(`${folder}/jobs/${id}`)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["job.json", "metrics.jsonl"]);
    await jobs.close();
  });
});

Deno.test("a job whose process was killed goes on and makes the same model", async () => {
  await withFolder(async (folder) => {
    const whole = await openJobs(`${folder}/whole`);
    const { id } = await submit(whole.jobs, "mine", { steps: 40 });
    await ended(whole.jobs, id);

    const broken = await openJobs(`${folder}/broken`, new DyingPort(3));
    const { id: same } = await submit(broken.jobs, "mine", { steps: 40 });
    await broken.jobs.close();
    // What the dead process was told is not what was on disk: the record says running or queued.
    const path = `${folder}/broken/jobs/${same}/job.json`;
    const record = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(path, JSON.stringify({ ...record, state: "running" }));
    const restarted = await openJobs(`${folder}/broken`);
    await ended(restarted.jobs, same);
    assert.equal(restarted.jobs.get(same).state, "finished");
    assert.deepEqual(restarted.served.get("mine"), whole.served.get("mine"));
    const timeless = (lines: readonly Record<string, number>[]) =>
      lines.map(({ elapsedS: _, samplesPerS: __, ...line }) => line);
    const [a, b] = [whole.jobs.get(id), restarted.jobs.get(same)];
    assert.deepEqual(timeless(b.metrics), timeless(a.metrics));
    assert.deepEqual(b.evaluations, a.evaluations);
  });
});

for (
  const [what, damage] of [
    ["half-written", (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)],
    ["empty", () => new Uint8Array()],
    ["foreign", () => new TextEncoder().encode("not a checkpoint at all")],
  ] as const
) {
  Deno.test(`a job with a ${what} checkpoint begins again and makes the same model`, async () => {
    await withFolder(async (folder) => {
      const whole = await openJobs(`${folder}/whole`);
      const { id } = await submit(whole.jobs, "mine");
      await ended(whole.jobs, id);

      const port = new WaitingPort();
      const before = await openJobs(`${folder}/again`, port);
      const { id: same } = await submit(before.jobs, "mine");
      await before.jobs.close();
      const context = { ...testContext(), tell: () => {}, isInterrupted: () => false };
      // A run that gets as far as a checkpoint, which is then damaged.
      const job = `${folder}/again/jobs/${same}`;
      let steps = 0;
      await runJob({ folder: job, recipe: request("mine").recipe }, {
        ...context,
        isInterrupted: () => ++steps === 5,
      });
      const path = `${job}/checkpoint.safetensors`;
      await Deno.writeFile(path, damage(await Deno.readFile(path)));
      const after = await openJobs(`${folder}/again`);
      await ended(after.jobs, same);
      assert.deepEqual(after.served.get("mine"), whole.served.get("mine"));
      assert.equal(after.jobs.get(same).evaluations[0]!.step, 0);
    });
  });
}

Deno.test("a job that is ended while it runs or waits makes nothing", async () => {
  await withFolder(async (folder) => {
    const port = new WaitingPort();
    const { jobs, served } = await openJobs(folder, port);
    const running = await submit(jobs, "first");
    const waiting = await submit(jobs, "second");
    while (port.ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await jobs.remove(waiting.id);
    assert.equal(jobs.get(waiting.id).state, "canceled");
    const none = { queued: 0, running: 0, finished: 0, canceled: 0, failed: 0 };
    assert.deepEqual(jobs.stats(), { ...none, running: 1, canceled: 1 });
    await jobs.remove(running.id);
    assert.equal(jobs.get(running.id).state, "canceled");
    assert.equal(served.size, 0);
    assert.equal(port.ran.length, 1);
    await jobs.remove(running.id);
    assert.throws(() => jobs.get(running.id), NotFoundError);
    await jobs.close();
    const { jobs: later } = await openJobs(folder);
    assert.deepEqual(later.list().map(({ id, state }) => [id, state]), [[waiting.id, "canceled"]]);
  });
});

Deno.test("the queue is bounded, and two jobs never make one model", async () => {
  await withFolder(async (folder) => {
    const { jobs } = await openJobs(folder, new WaitingPort());
    await submit(jobs, "a0");
    await assert.rejects(() => submit(jobs, "a0"), ConflictError);
    // One runs; the queue is beside it.
    while (jobs.list()[0]!.state !== "running") await new Promise((done) => setTimeout(done, 1));
    for (let i = 1; i <= JOB_QUEUE_MAX; i++) await submit(jobs, `a${i}`);
    await assert.rejects(() => submit(jobs, "more"), OverloadError);
    assert.equal(jobs.list().length, 1 + JOB_QUEUE_MAX);
    assert.deepEqual(jobs.list().map(({ model }) => model)[0], `a${JOB_QUEUE_MAX}`);
    await jobs.close();
    await assert.rejects(() => submit(jobs, "late"), OverloadError);
  });
});

Deno.test("jobs that wait when the service ends run after the next start, in order", async () => {
  await withFolder(async (folder) => {
    const { jobs } = await openJobs(folder, new WaitingPort());
    const names = ["x", "y", "z"];
    for (const name of names) await submit(jobs, name, { steps: 4 });
    await jobs.close();
    const { jobs: later, models } = await openJobs(folder);
    await ended(later, later.list()[0]!.id);
    const trained = models.list().filter(({ origin }) => origin === "trained");
    assert.deepEqual(trained.map(({ name }) => name), names);
  });
});

Deno.test("a job that fails says why, and the next one runs", async () => {
  await withFolder(async (folder) => {
    const { jobs } = await openJobs(folder);
    const bad = await submit(jobs, "bad", { rate: 0.1 });
    const good = await submit(jobs, "good", { steps: 3 });
    await ended(jobs, good.id);
    assert.equal(jobs.get(bad.id).state, "failed");
    assert.match(jobs.get(bad.id).error!, /samples is "these", expected others/);
    assert.equal(jobs.get(good.id).state, "finished");
    await jobs.close();
  });
});

Deno.test("a job whose Worker dies after each checkpoint comes to its end", async () => {
  await withFolder(async (folder) => {
    const whole = await openJobs(`${folder}/whole`);
    const { id } = await submit(whole.jobs, "mine");
    await ended(whole.jobs, id);
    const { jobs, served } = await openJobs(`${folder}/dying`, new DyingPort(2));
    const { id: same } = await submit(jobs, "mine");
    await ended(jobs, same);
    assert.equal(jobs.get(same).state, "finished");
    assert.deepEqual(served, whole.served);
    await jobs.close();
  });
});

Deno.test("a killed service counts no start after which a checkpoint was saved", async () => {
  await withFolder(async (folder) => {
    const port = new LocalJobPort(testContext());
    const { jobs } = await openJobs(folder, port);
    const { id } = await submit(jobs, "mine", { steps: 400 });
    const record = () => JSON.parse(Deno.readTextFileSync(`${folder}/jobs/${id}/job.json`));
    while (record().step === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(record().state, "running");
    assert.equal(record().attempts, 0);
    await jobs.close();
  });
});

Deno.test("a job whose Worker dies again and again has failed", async () => {
  await withFolder(async (folder) => {
    const { jobs } = await openJobs(folder, new DyingPort(1));
    const { id } = await submit(jobs, "doomed");
    await ended(jobs, id);
    assert.equal(jobs.get(id).state, "failed");
    assert.match(jobs.get(id).error!, new RegExp(`started ${JOB_ATTEMPTS_MAX} times`));
    await jobs.close();
  });
});

Deno.test("jobs that are over are forgotten, the oldest first", async () => {
  await withFolder(async (folder) => {
    const { jobs } = await openJobs(folder, new WaitingPort());
    const first = await submit(jobs, "first");
    for (let i = 0; i <= JOBS_KEPT_MAX; i++) {
      const { id } = await submit(jobs, `m${i}`);
      await jobs.remove(id);
    }
    // The one that runs is not over.
    assert.equal(jobs.list().length, JOBS_KEPT_MAX + 1);
    assert.equal(jobs.list().at(-1)!.id, first.id);
    await jobs.close();
  });
});

Deno.test("a folder of a job that was never whole is removed, a damaged one left", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/jobs/0000000000000001`, { recursive: true });
    await Deno.writeTextFile(`${folder}/jobs/0000000000000001/series.bin`, "half");
    await Deno.mkdir(`${folder}/jobs/0000000000000002`);
    await Deno.writeTextFile(`${folder}/jobs/0000000000000002/job.json`, `{"id": "../../etc"}`);
    const { jobs } = await openJobs(folder);
    assert.deepEqual(jobs.list(), []);
    const left = [...Deno.readDirSync(`${folder}/jobs`)].map(({ name }) => name);
    assert.deepEqual(left, ["0000000000000002"]);
    await jobs.close();
  });
});
