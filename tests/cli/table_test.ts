import assert from "node:assert/strict";
import { formatDuration, formatNumber, formatTable } from "../../src/cli/table.ts";

Deno.test("formatTable() aligns names to the left and numbers to the right", () => {
  assert.equal(
    formatTable(["name", "n"], [["a", "1"], ["longer", "22"]]),
    "name     n\n------  --\na        1\nlonger  22",
  );
});

Deno.test("formatNumber() keeps six significant digits and shows what is missing", () => {
  assert.equal(formatNumber(1234.5678), "1234.57");
  assert.equal(formatNumber(0.1 + 0.2), "0.3");
  assert.equal(formatNumber(NaN), "-");
});

Deno.test("formatDuration() takes the largest unit that fits a whole number of times", () => {
  const cases: [number, string][] = [
    [604_800, "7 d"],
    [86_399.2, "1 d"],
    [31_558_000, "1 y"],
    [365 * 86_400, "365 d"],
    [3_602, "3602 s"],
    [5_400, "90 min"],
    [7_200, "2 h"],
    [61, "61 s"],
    [0.25, "0.25 s"],
    [0, "0 s"],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
});
