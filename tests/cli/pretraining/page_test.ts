import assert from "node:assert/strict";
import { DEFAULT_RECIPE } from "../../../datasets/pretraining/mod.ts";
import { changeLines, generatorLines, sourcesPage } from "../../../src/cli/pretraining/page.ts";

Deno.test("sourcesPage() has a line for each source and their sum", () => {
  const page = sourcesPage([
    { source: "a", licence: "MIT", series: 2, values: 30, cuts: ["a.csv: row 9 (a/0)"] },
    { source: "b", licence: "CC-BY-4.0", series: 1, values: 5, cuts: [] },
  ], DEFAULT_RECIPE);
  assert.match(page, /^# Series of pretraining\n/);
  assert.match(page, /draws 25 % of the windows from real series/);
  assert.match(page, /\| a \| MIT \| 2 \| 30 \| a\.csv: row 9 \(a\/0\) \|/);
  assert.match(page, /\| b \| CC-BY-4\.0 \| 1 \| 5 \| no window lies in it \|/);
  assert.match(page, /\| total \| \| 3 \| 35 \| \|/);
});

Deno.test("generatorLines() states shares that add up", () => {
  const shares = generatorLines(DEFAULT_RECIPE).slice(2).map((line) =>
    Number(/\| ([\d.]+) % \|/.exec(line)![1])
  );
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 100) < 1);
});

Deno.test("docs/pretraining_data.md states generators and changes as they are", async () => {
  const page = await Deno.readTextFile(
    new URL("../../../docs/pretraining_data.md", import.meta.url),
  );
  const cells = (line: string) => line.replace(/\s+/g, " ").trim();
  const lines = page.split("\n").map(cells);
  const stated = [generatorLines(DEFAULT_RECIPE), changeLines(DEFAULT_RECIPE)];
  for (const line of stated.flatMap((table) => table.slice(2))) {
    assert.ok(lines.includes(cells(line)), `pretraining pack --page again: ${line}`);
  }
});
