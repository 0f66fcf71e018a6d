import assert from "node:assert/strict";
import { IDLE_SAMPLES, idleWeekdays, nextTimes } from "../../src/streams/calendar.ts";

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

const DAY_S = 86_400;

/** Seconds of the days from a date on that are kept, the newest that are looked at. */
function daysFrom(date: string, count: number, isKept: (weekday: number, i: number) => boolean) {
  const first = Date.parse(date) / 1_000;
  const times = Array.from({ length: count }, (_, i) => first + i * DAY_S)
    .filter((time, i) => isKept(new Date(time * 1_000).getUTCDay(), i));
  return Float64Array.from(times.slice(-IDLE_SAMPLES));
}

const isWorkday = (weekday: number) => weekday > 0 && weekday < 6;

Deno.test("idleWeekdays() tells which weekdays a daily series leaves out", () => {
  assert.deepEqual([...idleWeekdays(daysFrom("2026-01-05", 54, isWorkday))], [0, 6]);
  // Ends on a Friday, and on a Monday; a holiday now and then.
  assert.deepEqual([...idleWeekdays(daysFrom("2026-01-05", 40, isWorkday))], [0, 6]);
  const holidays = daysFrom("2026-01-05", 54, (day, i) => isWorkday(day) && i !== 24 && i !== 31);
  assert.deepEqual([...idleWeekdays(holidays)], [0, 6]);
  assert.deepEqual([...idleWeekdays(daysFrom("2026-01-05", 60, (day) => day !== 0))], [0]);
});

Deno.test("idleWeekdays() tells none of what is young, gapped, or comes otherwise", () => {
  const none = (unixS: Float64Array) => assert.equal(idleWeekdays(unixS).size, 0);
  none(new Float64Array(0));
  none(daysFrom("2026-01-05", 33, isWorkday));
  none(daysFrom("2026-01-05", 60, () => true));
  none(daysFrom("2026-01-05", 90, (day) => day === 1));
  none(daysFrom("2026-01-05", 90, (_, i) => i % 40 < 20));
  none(Float64Array.from({ length: IDLE_SAMPLES }, (_, i) => i * DAY_S / 2));
  none(Float64Array.from({ length: IDLE_SAMPLES }, (_, i) => i * 7 * DAY_S));
});

Deno.test("nextTimes() leaves out the weekdays that a daily series leaves out", () => {
  const friday = ns("2026-02-27T16:30");
  const next = nextTimes(friday, friday - 86_400_000_000_000n, DAY_S, 6, new Set([0, 6]));
  assert.deepEqual(iso(next), [
    ...["2026-03-02T16:30", "2026-03-03T16:30", "2026-03-04T16:30"],
    ...["2026-03-05T16:30", "2026-03-06T16:30", "2026-03-09T16:30"],
  ]);
  const hourly = nextTimes(friday, null, 3_600, 2, new Set([0, 6]));
  assert.deepEqual(iso(hourly), ["2026-02-27T17:30", "2026-02-27T18:30"]);
});
