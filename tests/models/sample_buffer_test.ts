import assert from "node:assert/strict";
import {
  BUFFER_ROOM_MAX,
  BUFFER_SAMPLES_MAX,
  emptyBuffer,
  newestSamples,
  newestTimes,
  pushSample,
  sampleTime,
} from "../../src/models/sample_buffer.ts";

/** Pushes 9,000 samples; looks at what is kept of them now and then. */
function pushAll(timeOf: (i: number) => number, closeTo: number): ReturnType<typeof emptyBuffer> {
  const buffer = emptyBuffer();
  for (let i = 0; i < 9000; i++) {
    pushSample(buffer, timeOf(i), -i);
    if (i % 499 !== 0) continue;
    const { times, values } = newestSamples(buffer);
    assert.equal(times.length, Math.min(i + 1, BUFFER_SAMPLES_MAX));
    times.forEach((time, k) => {
      const at = i + 1 - times.length + k;
      assert.ok(Math.abs(time - timeOf(at)) <= closeTo);
      assert.equal(values[k], -at);
    });
    assert.equal(sampleTime(buffer, buffer.length - 1), times.at(-1));
  }
  assert.equal(buffer.values.length, BUFFER_ROOM_MAX);
  return buffer;
}

Deno.test("newestSamples() gives the newest, in order, up to its limit", () => {
  assert.equal(pushAll((i) => 3600 * i, 0).times.length, 0);
  assert.equal(pushAll((i) => i * i, 0).times.length, BUFFER_ROOM_MAX);
});

Deno.test("even times are a first one and a step, off by 1e-9 of it at most", () => {
  const step = 0.1;
  assert.equal(pushAll((i) => 7 + i * step, 1e-9 * step).times.length, 0);
  // A step that is not quite the first one does not add up.
  assert.equal(pushAll((i) => i * step * (1 + 1e-9 * i), 1e-9).times.length, BUFFER_ROOM_MAX);
});

Deno.test("times are kept one by one from a gap on, until it is dropped", () => {
  const buffer = emptyBuffer();
  const timeOf = (i: number) => 60 * (i < 100 ? i : i + 7);
  for (let i = 0; i < 3 * BUFFER_SAMPLES_MAX; i++) {
    pushSample(buffer, timeOf(i), i);
    if (i === 99) assert.equal(buffer.times.length, 0);
    if (i === 100 || i === BUFFER_SAMPLES_MAX) assert.ok(buffer.times.length > 0);
    const last = sampleTime(buffer, buffer.length - 1);
    assert.equal(last, timeOf(i));
    if (i > 100) {
      assert.equal(last - sampleTime(buffer, buffer.length - 2), 60 * (i === 100 ? 8 : 1));
    }
  }
  assert.equal(buffer.times.length, 0);
});

Deno.test("newestTimes() tells the last times, even or not, and no more than there are", () => {
  const buffer = emptyBuffer();
  for (const timeS of [0, 10, 20, 30]) pushSample(buffer, timeS, 1);
  assert.deepEqual([...newestTimes(buffer, 2)], [20, 30]);
  pushSample(buffer, 35, 1);
  assert.deepEqual([...newestTimes(buffer, 3)], [20, 30, 35]);
  assert.equal(newestTimes(buffer, 9).length, 5);
  assert.equal(newestTimes(emptyBuffer(), 9).length, 0);
});
