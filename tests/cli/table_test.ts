import assert from "node:assert/strict";
import { formatNumber, formatTable } from "../../src/cli/table.ts";

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
