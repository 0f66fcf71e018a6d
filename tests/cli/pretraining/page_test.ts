import assert from "node:assert/strict";
import { sourcesPage } from "../../../src/cli/pretraining/page.ts";

Deno.test("sourcesPage() has a line for each source and their sum", () => {
  const page = sourcesPage([
    { source: "a", licence: "MIT", series: 2, values: 30, cuts: ["a.csv: row 9 (a/0)"] },
    { source: "b", licence: "CC-BY-4.0", series: 1, values: 5, cuts: [] },
  ]);
  assert.match(page, /^# Real series in pretraining\n/);
  assert.match(page, /\| a \| MIT \| 2 \| 30 \| a\.csv: row 9 \(a\/0\) \|/);
  assert.match(page, /\| b \| CC-BY-4\.0 \| 1 \| 5 \| no window lies in it \|/);
  assert.match(page, /\| total \| \| 3 \| 35 \| \|/);
});
