import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { localTimes, requireTimeZone, TIME_ZONE_LENGTH_MAX } from "../../src/signal/time_zone.ts";

/** What the clock of a zone shows at instants of UTC. */
function clock(zone: string, ...instants: string[]): string[] {
  const unixS = Float64Array.from(instants, (text) => Date.parse(text) / 1_000);
  return Array.from(
    localTimes(unixS, zone),
    (time) => new Date(time * 1_000).toISOString().slice(0, 19),
  );
}

Deno.test("localTimes() follows both changes of the clock", () => {
  const spring = ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T23:30:00Z"];
  assert.deepEqual(clock("Europe/Berlin", ...spring), [
    "2026-03-29T01:59:59",
    "2026-03-29T03:00:00",
    "2026-03-30T01:30:00",
  ]);
  const autumn = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T00:00:00Z"];
  assert.deepEqual(clock("Europe/Berlin", ...autumn), [
    "2026-10-25T02:30:00",
    "2026-10-25T02:30:00",
    "2026-10-26T01:00:00",
  ]);
  // In the south it goes the other way, at other dates.
  assert.deepEqual(clock("Australia/Melbourne", "2026-04-04T15:59:00Z", "2026-04-04T16:00:00Z"), [
    "2026-04-05T02:59:00",
    "2026-04-05T02:00:00",
  ]);
});

Deno.test("localTimes() knows odd offsets, rules that changed, and times long ago", () => {
  assert.deepEqual(clock("Asia/Kolkata", "2026-01-01T00:00:00Z"), ["2026-01-01T05:30:00"]);
  assert.deepEqual(clock("America/St_Johns", "2026-07-01T12:00:00Z"), ["2026-07-01T09:30:00"]);
  // Turkey stays on summer time since 2016.
  assert.deepEqual(clock("Europe/Istanbul", "2015-01-01T00:00:00Z", "2018-01-01T00:00:00Z"), [
    "2015-01-01T02:00:00",
    "2018-01-01T03:00:00",
  ]);
  // Samoa left out a day.
  assert.deepEqual(clock("Pacific/Apia", "2011-12-30T09:59:00Z", "2011-12-30T10:00:00Z"), [
    "2011-12-29T23:59:00",
    "2011-12-31T00:00:00",
  ]);
  assert.deepEqual(clock("UTC", "1700-01-01T00:00:00Z"), ["1700-01-01T00:00:00"]);
});

Deno.test("localTimes() of many days is what it is of each", () => {
  const unixS = Float64Array.from({ length: 20_000 }, (_, i) => 86_400 * i + 43_200);
  const all = localTimes(unixS, "America/New_York");
  for (const at of [0, 1, 100, 14_999, 15_000, 19_999]) {
    assert.equal(all[at], localTimes(unixS.subarray(at, at + 1), "America/New_York")[0]);
  }
});

Deno.test("requireTimeZone() knows names of the database and nothing else", () => {
  for (const name of ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]) {
    requireTimeZone(name, "zone");
  }
  const long = `Europe/${"a".repeat(TIME_ZONE_LENGTH_MAX)}`;
  for (const name of ["Europe/Ulm", "", "+01:00", "Europe/Berlin; rm", long]) {
    assert.throws(
      () => requireTimeZone(name, "calendar.timeZone"),
      (error) => error instanceof InvalidValueError && error.field === "calendar.timeZone",
    );
  }
});
