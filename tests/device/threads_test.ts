import assert from "node:assert/strict";
import { currentThread, threadEnded } from "../../src/device/threads.ts";

const linux = Deno.build.os === "linux";

Deno.test("currentThread() tells a Worker's thread from the caller's", async () => {
  const mine = currentThread();
  assert.equal(mine !== undefined, linux);
  assert.equal(currentThread(), mine);
  const theirs = await inWorker((worker) => worker.terminate());
  assert.equal(theirs !== undefined, linux);
  if (linux) assert.notEqual(theirs, mine);
});

Deno.test("threadEnded() waits for the end of a Worker's thread, and no longer than told", async () => {
  if (!linux) return assert.ok(await threadEnded(undefined, 1));
  assert.equal(await threadEnded(currentThread(), 6), false);
  const thread = await inWorker(async (worker, thread) => {
    assert.equal(await threadEnded(thread, 6), false);
    worker.terminate();
  });
  assert.equal(await threadEnded(thread), true);
  assert.throws(() => Deno.lstatSync(`/proc/self/task/${thread}`), Deno.errors.NotFound);
});

Deno.test("threadEnded() of an unknown thread waits a fixed time", async () => {
  const start = performance.now();
  assert.equal(await threadEnded(undefined, 20), true);
  // Timers may fire up to a millisecond early.
  assert.ok(performance.now() - start >= 19);
});

/** The thread of a new Worker, after `then` was done with it. */
async function inWorker(
  then: (worker: Worker, thread: number | undefined) => Promise<void> | void,
): Promise<number | undefined> {
  const url = new URL("../../src/device/threads.ts", import.meta.url).href;
  const script = `import { currentThread } from ${JSON.stringify(url)};
    postMessage(currentThread());`;
  const source = `data:text/javascript,${encodeURIComponent(script)}`;
  const worker = new Worker(source, { type: "module" });
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  worker.onmessage = ({ data }: MessageEvent<number | undefined>) => resolve(data);
  const thread = await promise;
  await then(worker, thread);
  return thread;
}
