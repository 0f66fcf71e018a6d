import assert from "node:assert/strict";
import { FEED_LINES_MAX, TrainingFeed } from "../../src/service/training_feed.ts";

const ABOUT = { output: "runs/a", device: "cpu", steps: 10, parameters: 3 };
const line = (step: number) => ({ step, loss: 1 / step, rate: 0.1, samplesPerS: 1, elapsedS: 2 });
const evaluation = (step: number) => ({ step, evaluation: { loss: 0.5 } });

Deno.test("a TrainingFeed tells lines as they come, and how it ended", async () => {
  const feed = new TrainingFeed(ABOUT);
  feed.add(line(1));
  const watcher = feed.subscribe();
  feed.add(line(2));
  feed.add(evaluation(2));
  feed.end("finished");
  const events = [];
  for (let event = await watcher.next(1); event; event = await watcher.next(1)) events.push(event);
  assert.deepEqual(events.map(({ kind }) => kind), ["metrics", "metrics", "end"]);
  assert.deepEqual(events[0]!.data, line(2));
  assert.deepEqual(events[2]!.data, { state: "finished" });
  const { about, state, metrics, evaluations } = feed.snapshot();
  assert.deepEqual(about, ABOUT);
  assert.equal(state, "finished");
  assert.deepEqual(metrics.map(({ step }) => step), [1, 2]);
  assert.deepEqual(evaluations, [evaluation(2)]);
  assert.throws(() => feed.subscribe(), { name: "OverloadError" });
});

Deno.test("a TrainingFeed keeps the whole curve in a bounded number of lines", () => {
  const feed = new TrainingFeed(ABOUT);
  for (let step = 1; step <= 3 * FEED_LINES_MAX; step++) feed.add(line(step));
  const steps = feed.snapshot().metrics.map(({ step }) => step);
  assert.ok(steps.length <= FEED_LINES_MAX && steps.length > FEED_LINES_MAX / 4);
  assert.ok(steps[0]! < 10);
  assert.equal(steps.at(-1), 3 * FEED_LINES_MAX);
  assert.ok(steps.every((step, i) => i === 0 || step > steps[i - 1]!));
});
