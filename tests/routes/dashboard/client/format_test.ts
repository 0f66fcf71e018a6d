import assert from "node:assert/strict";
import {
  decimalsFor,
  formatAgo,
  formatBytes,
  formatDuration,
  formatFixed,
  formatQuantity,
  formatRange,
  formatShare,
  formatValue,
  labelTexts,
  timeFormatter,
} from "../../../../routes/dashboard/client/format.ts";

Deno.test("formatValue() keeps five digits and says what is missing", () => {
  const cases: [number | null, string][] = [
    [null, "–"],
    [NaN, "–"],
    [0, "0"],
    [-0, "0"],
    [5.4, "5.4"],
    [363.456, "363.46"],
    [2822.48, "2,822.5"],
    [123456.7, "123,457"],
    [-3.14159, "−3.14"],
    [0.012345, "0.0123"],
    [12_345_678, "1.235e7"],
    [0.00001234, "1.234e−5"],
  ];
  for (const [value, text] of cases) assert.equal(formatValue(value), text);
  assert.equal(formatRange([-1, null]), "−1 … –");
});

Deno.test("formatFixed() gives a column of values one form", () => {
  assert.deepEqual([0.15, 0.87, 65, 2_000, 0, NaN].map(decimalsFor), [2, 2, 0, 0, 2, 2]);
  assert.equal(formatFixed(412.8, 2), "412.80");
  assert.equal(formatFixed(-0.5, 1), "\u22120.5");
  assert.equal(formatFixed(null, 2), "–");
  assert.equal(formatRange([412.8, 414.74], 2), "412.80 … 414.74");
});

Deno.test("formatQuantity() puts the unit's sign behind the value", () => {
  assert.equal(formatQuantity(5.4, "Cel"), "5.4\u00a0°C");
  assert.equal(formatQuantity(363.4, "ppm"), "363.4\u00a0ppm");
  assert.equal(formatQuantity(3, "1"), "3");
  assert.equal(formatQuantity(3, undefined), "3");
  assert.equal(formatQuantity(null, "ppm"), "–");
});

Deno.test("labelTexts() begins with the title and leaves the unit to the values", () => {
  assert.deepEqual(labelTexts({ site: "north", title: "Boiler 7", unit: "Cel" }), [
    "Boiler 7",
    "site: north",
  ]);
  assert.deepEqual(labelTexts({}), []);
});

Deno.test("formatDuration() picks the largest fitting unit", () => {
  const cases: [number | null, string][] = [
    [null, "–"],
    [0.02, "20 ms"],
    [1, "1 s"],
    [90, "1.5 min"],
    [3_600, "1 h"],
    [86_400, "1 d"],
    [604_800, "7 d"],
    [30.44 * 86_400, "30.4 d"],
    [31_556_952, "1 yr"],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
});

Deno.test("formatAgo() counts near times and dates far ones", () => {
  const nowMs = Date.UTC(2026, 10, 22, 12);
  assert.equal(formatAgo(nowMs - 500, nowMs, "utc"), "now");
  assert.equal(formatAgo(nowMs - 3_700_000, nowMs, "utc"), "1 h ago");
  assert.equal(formatAgo(nowMs + 120_000, nowMs, "utc"), "in 2 min");
  assert.equal(formatAgo(Date.UTC(2010, 11, 31), nowMs, "utc"), "31 Dec 2010");
});

Deno.test("formatShare() and formatBytes() tell their units", () => {
  assert.equal(formatShare(0.8123), "81.2 %");
  assert.equal(formatShare(null), "–");
  assert.equal(formatBytes(900), "900 B");
  assert.equal(formatBytes(183_421), "179.1 KiB");
});

Deno.test("timeFormatter() shows the parts that the period needs", () => {
  const timeMs = Date.UTC(2010, 11, 31, 23, 5, 7, 250);
  assert.equal(timeFormatter("utc", 3_600)(timeMs), "31 Dec 2010, 23:05");
  assert.equal(timeFormatter("utc", 1)(timeMs), "31 Dec 2010, 23:05:07");
  assert.equal(timeFormatter("utc", 0.01)(timeMs), "31 Dec 2010, 23:05:07.250");
  assert.equal(timeFormatter("utc", 86_400)(Date.UTC(2010, 11, 31)), "31 Dec 2010");
  assert.equal(timeFormatter("utc", 86_400)(timeMs), "31 Dec 2010, 23:05");
});
