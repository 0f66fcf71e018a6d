import assert from "node:assert/strict";
import { OverloadError } from "../../src/base/errors.ts";
import { EventHub, SUBSCRIBER_QUEUE_MAX, SUBSCRIBERS_MAX } from "../../src/service/events.ts";

const sample = (i: number) => ({ kind: "sample" as const, data: { i } });

Deno.test("EventHub hands events in order to those who listen to the stream", async () => {
  const hub = new EventHub();
  const first = hub.subscribe("a");
  const other = hub.subscribe("b");
  hub.publish("a", sample(1));
  hub.publish("a", sample(2));
  assert.deepEqual(await first.next(1), sample(1));
  assert.deepEqual(await first.next(1), sample(2));
  assert.equal(await other.next(1), null);
  assert.ok(!hub.hasSubscribers("c"));
});

Deno.test("EventHub wakes a listener that waits", async () => {
  const hub = new EventHub();
  const subscription = hub.subscribe("a");
  const next = subscription.next(60_000);
  hub.publish("a", sample(7));
  assert.deepEqual(await next, sample(7));
});

Deno.test("EventHub drops the oldest for a slow listener and says how many", async () => {
  const hub = new EventHub();
  const subscription = hub.subscribe("a");
  for (let i = 0; i < SUBSCRIBER_QUEUE_MAX + 5; i++) hub.publish("a", sample(i));
  assert.deepEqual(await subscription.next(1), { kind: "dropped", data: { count: 5 } });
  assert.deepEqual(await subscription.next(1), sample(5));
});

Deno.test("EventHub ends a listener on close and forgets it", async () => {
  const hub = new EventHub();
  const subscription = hub.subscribe("a");
  const next = subscription.next(60_000);
  hub.close("a");
  assert.equal(await next, undefined);
  assert.equal(hub.subscriberCount, 0);
  hub.subscribe("a");
  hub.close();
  assert.throws(() => hub.subscribe("a"), OverloadError);
});

Deno.test("EventHub takes a bounded number of listeners", () => {
  const hub = new EventHub();
  const all = Array.from({ length: SUBSCRIBERS_MAX }, (_, i) => hub.subscribe(`s${i % 3}`));
  assert.throws(() => hub.subscribe("s"), OverloadError);
  hub.unsubscribe("s0", all[0]!);
  hub.subscribe("s");
  assert.equal(hub.subscriberCount, SUBSCRIBERS_MAX);
});
