import assert from "node:assert/strict";
import { nextTimes } from "../../src/streams/calendar.ts";

const ns = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n;
const iso = (times: BigInt64Array) =>
  Array.from(times, (time) => new Date(Number(time / 1_000_000n)).toISOString().slice(0, 16));

Deno.test("nextTimes() steps by whole periods without drift", () => {
  const times = nextTimes(0n, -100_000_000n, 0.1, 1_000);
  assert.equal(times[999], 100_000_000_000n);
});

Deno.test("nextTimes() follows months, quarters and years of the calendar", () => {
  const months = nextTimes(ns("2024-01-15T06:00"), ns("2023-12-15T06:00"), 31 * 86_400, 3);
  assert.deepEqual(iso(months), ["2024-02-15T06:00", "2024-03-15T06:00", "2024-04-15T06:00"]);
  const ends = nextTimes(ns("2024-01-31"), ns("2023-12-31"), 30.5 * 86_400, 3);
  assert.deepEqual(iso(ends), ["2024-02-29T00:00", "2024-03-31T00:00", "2024-04-30T00:00"]);
  const quarters = nextTimes(ns("2024-04-01"), ns("2024-01-01"), 91 * 86_400, 2);
  assert.deepEqual(iso(quarters), ["2024-07-01T00:00", "2024-10-01T00:00"]);
  const years = nextTimes(ns("1960-02-29"), ns("1959-02-28"), 365.25 * 86_400, 2);
  assert.deepEqual(iso(years), ["1961-02-28T00:00", "1962-02-28T00:00"]);
});

Deno.test("nextTimes() keeps to the period where the calendar does not fit", () => {
  const times = nextTimes(ns("2024-01-31T00:00"), ns("2024-01-01T00:00"), 30 * 86_400, 2);
  assert.deepEqual(iso(times), ["2024-03-01T00:00", "2024-03-31T00:00"]);
  const alone = nextTimes(ns("2024-01-31T00:00"), null, 30 * 86_400, 1);
  assert.deepEqual(iso(alone), ["2024-03-01T00:00"]);
});
