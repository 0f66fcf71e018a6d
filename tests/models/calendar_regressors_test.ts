import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { calendarRegressors } from "../../src/models/calendar_regressors.ts";

const DAY_S = 86_400;
const at = (...texts: string[]) => Float64Array.from(texts, (text) => Date.parse(text) / 1000);
const plain = { country: null, utcOffsetS: 0 };

Deno.test("calendarRegressors() knows weekends and ends of months", () => {
  const days = at("2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02");
  const columns = calendarRegressors(days, DAY_S, plain);
  assert.deepEqual(columns.map((column) => [...column]), [
    [0, 1, 1, 0],
    [0, 0, 1, 0],
    [0, 1, 0, 0],
  ]);
  const before = calendarRegressors(at("1969-12-27", "1969-12-29"), DAY_S, plain);
  assert.deepEqual([...before[0]!], [1, 0]);
});

Deno.test("calendarRegressors() knows holidays and the days about them, by local time", () => {
  const days = at("2025-12-24", "2025-12-25", "2025-12-26", "2025-12-27");
  const [, , , holiday, eve, after] = calendarRegressors(days, DAY_S, { ...plain, country: "US" });
  assert.deepEqual([holiday, eve, after].map((column) => [...column!]), [
    [0, 1, 0, 0],
    [1, 0, 0, 0],
    [0, 0, 1, 0],
  ]);
  const hour = at("2025-12-24T23:30:00Z");
  const local = calendarRegressors(hour, 3600, { country: "DE", utcOffsetS: 3600 });
  assert.equal(local.length, 9);
  assert.equal(local[3]![0], 1);
  assert.ok(Math.abs(local[7]![0]! - Math.cos(Math.PI / 24)) < 1e-12);
});

Deno.test("calendarRegressors() has the days of a time zone, summer and winter", () => {
  const hours = at("2025-10-02T21:30:00Z", "2025-10-02T22:30:00Z", "2025-12-24T22:30:00Z");
  const zone = { ...plain, country: "DE", timeZone: "Europe/Berlin" };
  // The third of October begins at 22:00 of UTC, Christmas at 23:00.
  assert.deepEqual([...calendarRegressors(hours, 3600, zone)[3]!], [0, 1, 0]);
});

Deno.test("calendarRegressors() knows the working days between a holiday and a weekend", () => {
  const bridges = (country: string, ...texts: string[]) => [
    ...calendarRegressors(at(...texts), DAY_S, { ...plain, country })[6]!,
  ];
  // Ascension was on a Thursday; Christmas of 2024 on a Wednesday, with Boxing Day after it.
  assert.deepEqual(bridges("DE", "2025-05-28", "2025-05-29", "2025-05-30", "2025-05-31"), [
    ...[0, 0, 1, 0],
  ]);
  assert.deepEqual(bridges("DE", "2024-12-27", "2024-12-24", "2024-12-30"), [1, 0, 0]);
  // A Monday before a holiday; one after a holiday on a Sunday is none.
  assert.deepEqual(bridges("DE", "2023-10-02", "2022-01-03"), [1, 0]);
});

Deno.test("calendarRegressors() counts the holidays of a longer step", () => {
  const weeks = at("2025-12-22", "2025-12-29", "2026-01-05");
  const columns = calendarRegressors(weeks, 7 * DAY_S, { ...plain, country: "DE" });
  assert.deepEqual(columns.map((column) => [...column]), [[2, 1, 0]]);
  assert.deepEqual(calendarRegressors(weeks, 7 * DAY_S, plain), []);
  assert.throws(
    () => calendarRegressors(weeks, DAY_S, { ...plain, country: "XX" }),
    InvalidValueError,
  );
});
