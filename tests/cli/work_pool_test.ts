import assert from "node:assert/strict";
import { shareWork } from "../../src/cli/work_pool.ts";

/** A worker that doubles numbers, and stops at 13. */
function open(): Worker {
  const code = `self.onmessage = ({ data: { index, work } }) => {
    if (work === 13) throw new Error("thirteen");
    self.postMessage({ index, result: 2 * work });
  };`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  return new Worker(url, { type: "module" });
}

Deno.test("shareWork() hands out every piece once, whatever the count of workers", async () => {
  for (const jobs of [1, 3, 8]) {
    const results: number[] = [];
    await shareWork<number, number>({
      open,
      jobs,
      work: [1, 2, 3, 4, 5],
      onDone: (index, result) => results[index] = result,
    });
    assert.deepEqual(results, [2, 4, 6, 8, 10]);
  }
});

Deno.test("shareWork() opens no worker for no work", async () => {
  let opened = 0;
  const counted = () => (opened++, open());
  await shareWork({ open: counted, jobs: 4, work: [], onDone: () => {} });
  assert.equal(opened, 0);
});

Deno.test("shareWork() tells of a worker that stops", async () => {
  const task = shareWork<number, number>({ open, jobs: 2, work: [1, 13, 2], onDone: () => {} });
  await assert.rejects(task, /A worker stopped: .*thirteen/);
});
