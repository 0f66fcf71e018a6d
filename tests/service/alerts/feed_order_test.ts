import assert from "node:assert/strict";
import { inTimeOrder } from "../../../src/service/alerts/feed_order.ts";
import type { AlarmEnd, AlarmEvent, FeedEntry } from "../../../src/stores/store.ts";

const opened = (streamId: string, number: number | undefined, timestampNs: bigint): FeedEntry => ({
  sequence: 0,
  opened: {
    ...{ streamId, timestampNs },
    ...(number === undefined ? {} : { number }),
  } as AlarmEvent,
});

const ended = (streamId: string, number: number, endedNs: bigint): FeedEntry => ({
  sequence: 0,
  ended: { streamId, number, endedNs } as AlarmEnd,
});

const A = opened("s", 0, 10n);
const B = opened("s", 1, 30n);
const A_END = ended("s", 0, 20n);
const B_END = ended("s", 1, 40n);

Deno.test("inTimeOrder() puts the end of an alarm before the next one opens", () => {
  assert.deepEqual(inTimeOrder([A, B, A_END, B_END]), [A, A_END, B, B_END]);
  assert.deepEqual(inTimeOrder([A, A_END, B, B_END]), [A, A_END, B, B_END]);
});

Deno.test("inTimeOrder() leaves what is not over, other streams and heartbeats where they are", () => {
  const late = ended("s", 0, 35n);
  assert.deepEqual(inTimeOrder([A, B, late]), [A, B, late]);
  const other = ended("t", 0, 20n);
  assert.deepEqual(inTimeOrder([A, B, other]), [A, B, other]);
  // The service's clock may be ahead of the stream's.
  const silence = opened("s", undefined, 30n);
  assert.deepEqual(inTimeOrder([silence, ended("s", 5, 20n)]), [silence, ended("s", 5, 20n)]);
});
