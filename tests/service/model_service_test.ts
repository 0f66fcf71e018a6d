import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { ConflictError, InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { JOB_SERIES_MAX, JOB_VALUES_MAX, RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import { DeviceWatch } from "../../src/service/devices.ts";
import { ModelService, type TuningQuestion } from "../../src/service/model_service.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import { BASE, ended, makeJobs } from "./_tuning.ts";

const QUESTION: TuningQuestion = {
  name: "mine",
  base: "neural",
  recipe: { ...RECIPE_DEFAULT, steps: 2, rate: 0.01 },
};

function segmentOf(length: number, channels: readonly string[], startS = 0): Segment {
  return {
    streamId: "pump",
    channels,
    timestampsNs: BigInt64Array.from(
      { length },
      (_, i) => BigInt(startS + i) * 1_000_000_000n,
    ),
    values: channels.map(() => Float64Array.from({ length }, (_, i) => i % 5)),
  };
}

async function inService(
  use: (service: ModelService, store: ReturnType<typeof openMemoryStore>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const store = openMemoryStore({ clock: new ManualClock() });
  const { models, jobs } = makeJobs(folder);
  const devices = new DeviceWatch("cpu", () => Promise.reject(new Error("nobody asks")));
  await models.load();
  await jobs.start();
  const service = new ModelService({
    store,
    models,
    jobs,
    devices,
    shipped: new Map([["neural", BASE]]),
  });
  try {
    await use(service, store);
  } finally {
    await service.close();
    await Deno.remove(folder, { recursive: true });
  }
}

const all = { id: "pump", fromNs: undefined, toNs: undefined };

Deno.test("tuneOnStream() reads a long stream page by page, late samples too", async () => {
  await inService(async (service, store) => {
    await store.append([segmentOf(70_000, ["a", "b"], 100)]);
    await store.append([segmentOf(50, ["a"], 0)]);
    const { id, rows, channels } = await service.tuneOnStream(QUESTION, all);
    assert.equal(rows, 70_050);
    assert.deepEqual(channels, ["a", "b"]);
    await ended(service.jobs, id);
    assert.equal(service.get("mine").origin, "trained");
  });
});

Deno.test("tuneOnStream() refuses more than a job may learn from", async () => {
  await inService(async (service, store) => {
    await store.append([segmentOf(JOB_VALUES_MAX / 2 + 1, ["a", "b"])]);
    await assert.rejects(
      () => service.tuneOnStream(QUESTION, all),
      (error) => error instanceof LimitError && error.limitName === "JOB_VALUES_MAX",
    );
    assert.deepEqual(service.jobs.list(), []);
    // A channel of it will do, and so will a part.
    const one = { ...QUESTION, name: "one", channels: ["b"] };
    assert.equal((await service.tuneOnStream(one, all)).rows, JOB_VALUES_MAX / 2 + 1);
    const range = { ...all, fromNs: 0n, toNs: 99_000_000_000n };
    assert.equal((await service.tuneOnStream(QUESTION, range)).rows, 100);
  });
});

Deno.test("tuneOnStream() takes channels that come later, and those without a value", async () => {
  await inService(async (service, store) => {
    await store.append([segmentOf(100, ["a"])]);
    await store.append([segmentOf(100, ["b"], 100)]);
    const range = { ...all, toNs: 99_000_000_000n };
    const job = await service.tuneOnStream({ ...QUESTION, channels: ["b", "a"] }, range);
    assert.deepEqual([job.rows, job.channels], [100, ["b", "a"]]);
    const none = { ...QUESTION, name: "none", channels: ["b"] };
    assert.equal((await service.tuneOnStream(none, range)).rows, 100);
    assert.equal((await service.tuneOnStream({ ...QUESTION, name: "both" }, all)).rows, 200);
  });
});

Deno.test("tuneOnSegments() refuses too many series, and those of several streams", async () => {
  await inService(async (service) => {
    const names = Array.from({ length: JOB_SERIES_MAX + 1 }, (_, i) => `c${i}`);
    await assert.rejects(
      async () => await service.tuneOnSegments(QUESTION, [segmentOf(64, names)], "text/csv"),
      (error) => error instanceof LimitError && error.limitName === "JOB_SERIES_MAX",
    );
    const other = { ...segmentOf(64, ["a"]), streamId: "other" };
    await assert.rejects(
      async () => await service.tuneOnSegments(QUESTION, [segmentOf(64, ["a"]), other], "text/csv"),
      InvalidValueError,
    );
    await assert.rejects(
      async () => await service.tuneOnSegments(QUESTION, [], "text/csv"),
      InvalidValueError,
    );
  });
});

Deno.test("remove() keeps a model that a stream has, however many streams there are", async () => {
  await inService(async (service, store) => {
    const job = await service.tuneOnSegments(QUESTION, [segmentOf(64, ["a"])], "text/csv");
    await ended(service.jobs, job.id);
    for (let i = 0; i < 1_001; i++) {
      await store.putStream(`s${String(i).padStart(5, "0")}`, i === 1_000 ? { model: "mine" } : {});
    }
    await assert.rejects(() => service.remove("mine"), ConflictError);
    await store.deleteStream("s01000");
    await service.remove("mine");
    await assert.rejects(() => service.remove("neural"), ConflictError);
  });
});
