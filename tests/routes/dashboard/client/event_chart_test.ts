import assert from "node:assert/strict";
import { eventPaths } from "../../../../routes/dashboard/client/event_chart.ts";

const sample = (timeMs: number, value: number | null, expected: number | null = null) => ({
  timeMs,
  value,
  expected,
  scale: expected === null ? null : 1 / 1.96,
});

Deno.test("eventPaths() draws what was measured over its own range, and lifts the pen at gaps", () => {
  const paths = eventPaths([sample(0, 0), sample(10, 10), sample(20, null), sample(40, 5)], 10);
  assert.equal(paths.value, "M4 60L62 4M236 32");
  assert.deepEqual([paths.expected, paths.band, paths.markX], ["", "", 62]);
});

Deno.test("eventPaths() closes a band around each run of what was expected", () => {
  const { band, expected } = eventPaths(
    [sample(0, 5, 5), sample(10, 5, 5), sample(20, 7), sample(40, 5, 5)],
    99,
  );
  assert.equal(band.match(/M/g)!.length, 2);
  assert.equal(band.match(/Z/g)!.length, 2);
  assert.match(expected, /^M4 .*L62 .*M236 /);
});

Deno.test("eventPaths() draws nothing of nothing, and a flat line in the middle", () => {
  assert.deepEqual(eventPaths([], 0), { value: "", expected: "", band: "", markX: null });
  assert.equal(eventPaths([sample(0, 3), sample(1, 3)], 5).value, "M4 32L236 32");
  assert.equal(eventPaths([sample(0, 3), sample(1, 3)], 5).markX, null);
});

Deno.test("eventPaths() cuts off a band that would flatten the lines", () => {
  const wide = { timeMs: 10, value: 4, expected: 4, scale: 1e6 };
  const { value, band } = eventPaths([sample(0, 2), wide, sample(20, 4, 4)], 0);
  // Lines from 2 to 4 lie in the middle third of 0 to 6.
  assert.match(value, /^M4 41.3L/);
  assert.ok(!/[ L]-/.test(band), band);
});
