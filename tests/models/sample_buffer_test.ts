import assert from "node:assert/strict";
import {
  BUFFER_ROOM_MAX,
  BUFFER_SAMPLES_MAX,
  emptyBuffer,
  newestSamples,
  pushSample,
} from "../../src/models/sample_buffer.ts";

Deno.test("newestSamples() gives the newest, in order, up to its limit", () => {
  const buffer = emptyBuffer();
  for (let i = 0; i < 9000; i++) {
    pushSample(buffer, i, -i);
    const { times, values } = newestSamples(buffer);
    if (i % 499 !== 0) continue;
    assert.equal(times.length, Math.min(i + 1, BUFFER_SAMPLES_MAX));
    assert.equal(times.at(-1), i);
    assert.equal(times[0], i + 1 - times.length);
    assert.equal(values[0], -times[0]!);
  }
  assert.equal(buffer.times.length, BUFFER_ROOM_MAX);
});
