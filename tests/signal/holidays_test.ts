import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import {
  easterOf,
  HOLIDAY_REGIONS,
  holidaysOf,
  isWeekend,
  weekdayOf,
} from "../../src/signal/holidays.ts";

const day = (text: string) => Date.parse(text) / 86_400_000;

Deno.test("easterOf() is Easter Sunday", () => {
  const known: Record<number, [number, number]> = {
    1961: [4, 2],
    2000: [4, 23],
    2008: [3, 23],
    2019: [4, 21],
    2024: [3, 31],
    2025: [4, 20],
    2038: [4, 25],
  };
  for (const [year, [month, date]] of Object.entries(known)) {
    assert.deepEqual(easterOf(Number(year)), { month, day: date });
  }
});

Deno.test("holidaysOf() knows fixed days, weekdays of a month and distances from Easter", () => {
  const known: [string, string, boolean][] = [
    ["DE", "2025-05-29", true],
    ["DE", "2025-06-09", true],
    ["DE", "2025-10-03", true],
    ["DE", "2025-10-04", false],
    ["US", "2025-11-27", true],
    ["US", "2025-05-26", true],
    ["US", "2025-01-20", true],
    ["US", "2025-04-18", false],
    ["GB", "2024-08-26", true],
    ["GB", "2024-05-27", true],
    ["FR", "2024-07-14", true],
    ["AT", "2024-05-30", true],
    ["AU", "1969-04-25", true],
    ["CA", "2024-10-14", true],
  ];
  for (const [country, text, expected] of known) {
    assert.equal(holidaysOf(country)(day(text)), expected, `${country} ${text}`);
  }
  for (const country of HOLIDAY_REGIONS) assert.ok(holidaysOf(country)(day("2030-12-25")));
  assert.throws(() => holidaysOf("XX"), InvalidValueError);
  assert.throws(() => holidaysOf("constructor"), InvalidValueError);
});

Deno.test("holidaysOf() moves days that fall on a weekend as the country does", () => {
  const known: [string, string, boolean][] = [
    // New Year's Day of 2022 was a Saturday: off in the old year, and the day itself counts.
    ["US", "2021-12-31", true],
    ["US", "2022-01-01", true],
    ["US", "2022-01-03", false],
    ["US", "2021-07-05", true],
    ["US", "2022-06-20", true],
    ["US", "2020-06-19", false],
    // Christmas on a Saturday, Boxing Day on a Sunday: Monday and Tuesday.
    ["GB", "2021-12-27", true],
    ["GB", "2021-12-28", true],
    ["GB", "2021-12-29", false],
    // Boxing Day alone on a Saturday.
    ["GB", "2020-12-28", true],
    ["GB", "2020-12-29", false],
    ["GB", "2022-01-03", true],
    ["AU", "2025-01-27", true],
    ["AU", "2028-01-03", true],
    ["CA", "2029-07-02", true],
    ["CA", "2028-07-03", false],
    ["CA", "2024-05-20", true],
    ["CA", "2020-09-30", false],
    ["NL", "2025-04-26", true],
    ["DE", "2021-12-27", false],
    ["DE", "2022-05-02", false],
  ];
  for (const [region, text, expected] of known) {
    assert.equal(holidaysOf(region)(day(text)), expected, `${region} ${text}`);
  }
});

Deno.test("holidaysOf() knows regions, and from when on a day is free", () => {
  const known: [string, string, boolean][] = [
    ["DE-BY", "2025-11-01", true],
    ["DE-BE", "2025-11-01", false],
    ["DE-BY", "2024-05-30", true],
    ["DE-NI", "2024-05-30", false],
    ["DE-SN", "2025-11-19", true],
    ["DE-SN", "2023-11-22", true],
    ["DE-BE", "2018-03-08", false],
    ["DE-BE", "2019-03-08", true],
    ["DE-HH", "2016-10-31", false],
    ["DE-HH", "2018-10-31", true],
    ["DE-HE", "2017-10-31", true],
    ["DE-HE", "2018-10-31", false],
    ["PL", "2024-12-24", false],
    ["PL", "2025-12-24", true],
    ["GB-SCT", "2024-01-02", true],
    // January 1 and 2 of 2022, a weekend, are made up for on Monday and Tuesday.
    ["GB-SCT", "2022-01-04", true],
    ["GB-SCT", "2024-04-01", false],
    ["GB-SCT", "2024-08-05", true],
    ["GB-NIR", "2024-03-18", true],
    ["CH", "2024-05-01", false],
    ["CH-ZH", "2024-05-01", true],
    ["CH-BE", "2024-01-02", true],
  ];
  for (const [region, text, expected] of known) {
    assert.equal(holidaysOf(region)(day(text)), expected, `${region} ${text}`);
  }
});

Deno.test("weekdayOf() and isWeekend() count from Sunday, before 1970 too", () => {
  assert.deepEqual(["2026-11-22", "1969-12-27", "2000-02-29"].map((text) => weekdayOf(day(text))), [
    ...[0, 6, 2],
  ]);
  assert.deepEqual(["2026-11-22", "2026-11-23"].map((text) => isWeekend(day(text))), [true, false]);
});
