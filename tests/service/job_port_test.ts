import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { JobFolder } from "../../src/service/job_files.ts";
import { inTime, JobWorkerError, LocalJobPort, WorkerJobPort } from "../../src/service/job_port.ts";
import { type JobRecord, RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import type { JobNews } from "../../src/service/job_run.ts";
import { inspectNetwork } from "../../src/service/built_in_models.ts";
import { smallNetwork } from "./_network.ts";
import { BASE, testContext, testRows } from "./_tuning.ts";
import { withFolder } from "../_folder.ts";

const RECIPE = { ...RECIPE_DEFAULT, steps: 4, batch: 2, length: 32 };
const RECORD = { id: "0123456789abcdef", recipe: RECIPE } as JobRecord;

async function inFolder(base: Uint8Array, use: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (path) => {
    await new JobFolder(`${path}/job`).create(RECORD, testRows(80), base);
    await use(`${path}/job`);
  });
}

Deno.test("LocalJobPort ends a job after its step, and runs it on", async () => {
  await inFolder(BASE, async (folder) => {
    const port = new LocalJobPort(testContext());
    const news: JobNews[] = [];
    const task = { folder, recipe: { ...RECIPE, steps: 400 } };
    const { end, file } = await port.run(task, (told) => {
      news.push(told);
      if (told.kind === "line" && told.line.step === 2) port.interrupt();
    });
    assert.equal(end, "interrupted");
    assert.equal(file, null);
    assert.equal(news[0]!.kind, "opened");
    assert.equal(news.at(-1)!.kind, "saved");
    await port.close();
  });
});

Deno.test("WorkerJobPort runs a job of a neural network in a thread of its own", async () => {
  await inFolder(smallNetwork(), async (folder) => {
    const port = new WorkerJobPort({ mode: "cpu", cacheFile: null });
    const kinds = new Set<string>();
    const { cpu, gpu, gpuUnused } = await port.devices();
    assert.ok(cpu.threads >= 1 && gpu === null);
    assert.equal(gpuUnused, "The GPU was switched off");
    const { end, file } = await port.run({ folder, recipe: RECIPE }, ({ kind }) => kinds.add(kind));
    assert.equal(end, "finished");
    assert.deepEqual(file!.facts, inspectNetwork("a", file!.bytes));
    assert.deepEqual([...kinds].sort(), ["line", "opened", "saved"]);
    // A failure comes as what it was, and the Worker takes the next job.
    const recipe = { ...RECIPE, seed: 9 };
    await Deno.writeFile(`${folder}/base.safetensors`, new Uint8Array(9));
    await assert.rejects(() => port.run({ folder, recipe }, () => {}), SyntaxError);
    await Deno.writeFile(`${folder}/base.safetensors`, smallNetwork());
    assert.equal((await port.run({ folder, recipe }, () => {})).end, "finished");
    await port.close();
  });
});

Deno.test("WorkerJobPort keeps no Worker for a GPU that is not used, and runs jobs all the same", async () => {
  await inFolder(smallNetwork(), async (folder) => {
    const port = new WorkerJobPort({ mode: "auto", cacheFile: null });
    const { gpuUnused } = await port.devices();
    assert.equal(port.isOpen, gpuUnused === null);
    const task = { folder, recipe: RECIPE };
    const devices: string[] = [];
    const { end } = await port.run(task, (news) => {
      if (news.kind === "opened") devices.push(news.device);
    });
    assert.equal(end, "finished");
    if (gpuUnused !== null) assert.deepEqual(devices, ["cpu"]);
    await port.close();
    assert.equal(port.isOpen, false);
  });
});

Deno.test("a job that comes while the devices are looked for is run to its end", async () => {
  await inFolder(smallNetwork(), async (folder) => {
    const port = new WorkerJobPort({ mode: "auto", cacheFile: null });
    const devices = port.devices();
    const { end } = await port.run({ folder, recipe: RECIPE }, () => {});
    assert.equal(end, "finished");
    await devices;
    await port.close();
  });
});

Deno.test("WorkerJobPort says that its Worker died, and starts another for the next job", async () => {
  const script = new URL(
    "data:text/javascript," + encodeURIComponent(
      "self.onmessage = () => setTimeout(() => { throw new Error('out of memory'); });",
    ),
  );
  const port = new WorkerJobPort({ mode: "cpu", cacheFile: null }, () => {}, script);
  for (let i = 0; i < 2; i++) {
    await assert.rejects(
      () => port.run({ folder: "/none", recipe: RECIPE }, () => {}),
      (error) => error instanceof JobWorkerError && /out of memory/.test(error.message),
    );
  }
  port.interrupt();
  await port.close();
});

Deno.test("inTime() waits for work, and no longer than it may", async () => {
  let isDone = false;
  await inTime(Promise.resolve().then(() => isDone = true), 10_000);
  assert.ok(isDone);
  await inTime(new Promise(() => {}), 1);
  await inTime(null, 10_000);
  await assert.rejects(
    () => inTime(Promise.reject(new InvalidValueError("a", 1, "b")), 1_000),
    InvalidValueError,
  );
});
