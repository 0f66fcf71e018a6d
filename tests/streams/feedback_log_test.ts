import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import { FEEDBACK_MAX } from "../../src/streams/feedback.ts";
import { appendFeedback, readFeedback, removeFeedback } from "../../src/streams/feedback_log.ts";
import { law } from "../stores/_stores.ts";

law("keeps feedback in the order in which it was given, by stream", async ({ store }) => {
  const stream = { id: "a b", createdNs: 5n };
  const given = (count: number) => ({ count, number: count, isFine: true, offset: 7 });
  for (let count = 0; count < 12; count++) await appendFeedback(store, stream, given(count));
  const entries = await readFeedback(store, stream);
  assert.deepEqual(entries.map(({ number }) => number), Array.from({ length: 12 }, (_, i) => i));
  assert.deepEqual(entries[3], { createdNs: 5n, offset: 7, number: 3, isFine: true });
  assert.deepEqual(await readFeedback(store, { ...stream, createdNs: 6n }), []);
  assert.deepEqual(await readFeedback(store, { ...stream, id: "a" }), []);
  await assert.rejects(() => appendFeedback(store, stream, given(FEEDBACK_MAX)), LimitError);
  await removeFeedback(store, "a b");
  assert.deepEqual(await readFeedback(store, stream), []);
});
