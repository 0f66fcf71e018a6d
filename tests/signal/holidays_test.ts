import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { easterOf, HOLIDAY_COUNTRIES, holidaysOf } from "../../src/signal/holidays.ts";

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
  for (const country of HOLIDAY_COUNTRIES) assert.ok(holidaysOf(country)(day("2030-12-25")));
  assert.throws(() => holidaysOf("XX"), InvalidValueError);
  assert.throws(() => holidaysOf("constructor"), InvalidValueError);
});
