import assert from "node:assert/strict";
import { DEFAULT_RECIPE } from "../../../datasets/pretraining/mod.ts";
import { packagesOf } from "../../../src/cli/pretraining/package_folder.ts";
import { PACKAGE_SOURCES } from "../../../src/cli/pretraining/package_sources.ts";
import { REAL_SOURCES } from "../../../src/cli/pretraining/sources.ts";
import { changeLines, generatorLines, sourcesPage } from "../../../src/cli/pretraining/page.ts";

Deno.test("sourcesPage() has a line for each source and their sum", () => {
  const page = sourcesPage(
    [
      { source: "a", licence: "MIT", series: 2, values: 30, cuts: ["a.csv: row 9 (a/0)"] },
      { source: "b", licence: "CC-BY-4.0", series: 1, values: 5, cuts: [] },
    ],
    DEFAULT_RECIPE,
    [],
  );
  assert.match(page, /^# Series of pretraining\n/);
  assert.match(page, /draws 25 % of the windows from real series/);
  assert.match(page, /\| a \| MIT \| 2 \| 30 \| a\.csv: row 9 \(a\/0\) \|/);
  assert.match(page, /\| b \| CC-BY-4\.0 \| 1 \| 5 \| no window lies in it \|/);
  assert.match(page, /\| total \| \| 3 \| 35 \| \|/);
});

Deno.test("sourcesPage() says how packages are fetched, and their hashes", () => {
  const file = "r-cran-a_1_all.deb";
  const one = { registry: "debian", name: "r-cran-a", version: "1", file, sha256: "ab12" } as const;
  const table = { package: one, path: "a.csv", format: "csv", seasons: [0, 0] } as const;
  const source = { folder: "a", licence: "MIT", note: "Why it is here.", files: [table] };
  const page = sourcesPage([], DEFAULT_RECIPE, [source]);
  assert.match(page, /^- \*\*a\*\*: Why it is here\.$/m);
  assert.match(page, /```sh\napt-get download r-cran-a=1\n```/);
  assert.match(page, /\| r-cran-a_1_all\.deb \| ab12 \|/);
  assert.doesNotMatch(sourcesPage([], DEFAULT_RECIPE, []), /## Packages/);
});

Deno.test("docs/pretraining_data.md lists every source that may be packed", async () => {
  const page = await Deno.readTextFile(
    new URL("../../../docs/pretraining_data.md", import.meta.url),
  );
  for (const { folder, licence } of [...REAL_SOURCES, ...PACKAGE_SOURCES]) {
    const line = page.split("\n").find((text) => text.startsWith(`| ${folder} `));
    assert.ok(line?.includes(licence), `pretraining pack --page again: ${folder}`);
  }
  for (const { file, sha256 } of packagesOf(PACKAGE_SOURCES)) {
    assert.ok(page.includes(file) && page.includes(sha256), `pretraining pack --page: ${file}`);
  }
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
