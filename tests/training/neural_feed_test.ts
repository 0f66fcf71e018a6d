import assert from "node:assert/strict";
import { DEFAULT_RECIPE } from "../../datasets/pretraining/mod.ts";
import { ManualClock } from "../../src/base/clock.ts";
import { assembleBatch, type NeuralSource } from "../../src/training/neural_batch.ts";
import { FEED_AHEAD_MAX, FEED_WORKERS_MAX, openFeed } from "../../src/training/neural_feed.ts";
import { FEED_ORDERS_EACH, feedLimit } from "../../src/training/neural_feed.ts";

const source: NeuralSource = { recipe: { ...DEFAULT_RECIPE, realShare: 0 }, real: null };
const sizes = { batch: 3, length: 40, picks: 3, leads: 2 };
const options = { source, seed: 9, sizes, first: 0, end: 40, clock: new ManualClock() };

/** Waits until the feed stands still. */
async function untilFull(feed: { readonly depth: number; readonly limit: number }) {
  for (let i = 0; i < 500 && feed.depth < feed.limit; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("a feed gives the same minibatches in order, whatever the number of workers", async () => {
  for (const workers of [1, 3]) {
    const feed = openFeed({ ...options, workers, first: 7 });
    try {
      for (let index = 7; index < 19; index++) {
        await feed.ready(index);
        const expected = assembleBatch(source, 9, index, sizes);
        assert.deepEqual(feed.minibatch(index), expected, `${workers} workers, ${index}`);
        assert.throws(() => feed.minibatch(index - 1), { field: "index" });
      }
    } finally {
      feed.close();
    }
  }
});

Deno.test("a feed makes no more ahead than its limit, and nothing past its end", async () => {
  const feed = openFeed({ ...options, workers: 2, end: 6 });
  try {
    assert.equal(feed.limit, 2 * FEED_ORDERS_EACH);
    await untilFull(feed);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(feed.depth, feed.limit);
    await feed.ready(2, 4);
    assert.equal(feed.depth, 4);
    await feed.ready(5);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(feed.depth, 1);
    assert.throws(() => feed.ready(6), { field: "index" });
    assert.throws(() => feed.ready(0, feed.limit + 1), { field: "count" });
  } finally {
    feed.close();
  }
  assert.equal(feedLimit(FEED_WORKERS_MAX), FEED_AHEAD_MAX);
});

Deno.test("a worker's fault fails the one who waits, with the cause, and all who come later", async () => {
  const broken = { ...source, recipe: { ...source.recipe, realShare: 1 } };
  const feed = openFeed({ ...options, source: broken, workers: 2 });
  try {
    await assert.rejects(async () => await feed.ready(0), (error: Error) => {
      assert.match(error.message, /^Minibatch \d+ was not made: real is "?null/);
      assert.ok(error.cause instanceof Error);
      return true;
    });
    assert.throws(() => feed.ready(1), /was not made/);
  } finally {
    feed.close();
  }
});

Deno.test("a closed feed rejects who waits", async () => {
  const feed = openFeed({ ...options, workers: 1, sizes: { ...sizes, batch: 400 } });
  const waiting = assert.rejects(async () => await feed.ready(0), /closed/);
  feed.close();
  await waiting;
});

Deno.test("openFeed() refuses options out of range", () => {
  assert.throws(() => openFeed({ ...options, workers: 0 }), { field: "workers" });
  assert.throws(() => openFeed({ ...options, workers: FEED_WORKERS_MAX + 1 }), {
    field: "workers",
  });
  assert.throws(() => openFeed({ ...options, workers: 1, first: -1 }), { field: "first" });
  assert.throws(() => openFeed({ ...options, workers: 1, end: -1 }), { field: "end" });
});
