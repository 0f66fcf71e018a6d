import assert from "node:assert/strict";
import { HOLIDAY_RULES } from "../../src/signal/holiday_rules.ts";
import { holidaysOf } from "../../src/signal/holidays.ts";

const DAYS = 366 * 8;
const START = Date.parse("2024-01-01") / 86_400_000;

Deno.test("HOLIDAY_RULES are days that there are, in countries and regions by their codes", () => {
  for (const [region, rules] of Object.entries(HOLIDAY_RULES)) {
    assert.match(region, /^[A-Z]{2}(-[A-Z]{2,3})?$/);
    for (const rule of rules) {
      if ("easter" in rule) assert.ok(Math.abs(rule.easter) <= 60);
      else assert.ok(rule.month >= 1 && rule.month <= 12, region);
      if ("day" in rule) assert.ok(rule.day >= 1 && rule.day <= 31, region);
      if ("nth" in rule) assert.ok(rule.nth === -1 || rule.nth >= 1 && rule.nth <= 4, region);
      assert.ok((rule.from ?? 0) <= (rule.to ?? Infinity));
    }
  }
});

Deno.test("HOLIDAY_RULES give 4 to 20 holidays a year, and a region its country's", () => {
  for (const region of Object.keys(HOLIDAY_RULES)) {
    const isHoliday = holidaysOf(region);
    const days = Array.from({ length: DAYS }, (_, i) => START + i);
    const perYear = days.filter(isHoliday).length / 8;
    assert.ok(perYear >= 4 && perYear <= 20, `${region}: ${perYear}`);
    const country = region.slice(0, 2);
    // Scotland has another summer day, and no Easter Monday.
    if (region === country || region === "GB-SCT") continue;
    const ofCountry = holidaysOf(country);
    assert.ok(days.every((day) => isHoliday(day) || !ofCountry(day)), region);
  }
});
