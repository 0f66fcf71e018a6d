import assert from "node:assert/strict";
import { parsePack } from "../../../datasets/pretraining/mod.ts";
import { findContext } from "../../../src/cli/pretraining/cut.ts";
import { secondSet } from "../../../src/cli/evaluate/second_set.ts";
import { packSources, readWindows } from "../../../src/cli/pretraining/pack.ts";
import { PackageFolder } from "../../../src/cli/pretraining/package_folder.ts";
import { PACKAGE_SOURCES } from "../../../src/cli/pretraining/package_sources.ts";
import { REAL_SOURCES, type RealSource } from "../../../src/cli/pretraining/sources.ts";
import { sha256Hex } from "../../../src/base/hash.ts";
import { withFolder } from "../_run.ts";
import { tarOf, zipped } from "./_tar.ts";

const HOUR_MS = 3_600_000;

/** Hourly table of two channels; the second is the first's sister. */
function hourly(count: number): { text: string; values: number[] } {
  const values = Array.from(
    { length: count },
    (_, i) => Number((10 * Math.sin(i / 4) + 0.01 * i).toFixed(4)),
  );
  const rows = values.map((x, i) => `${new Date(i * HOUR_MS).toISOString()},${x},${-2 * x}`);
  return { text: `timestamp,load,sister\n${rows.join("\n")}\n`, values };
}

const SOURCE: RealSource = {
  folder: "grid",
  licence: "MIT",
  files: [
    { path: "grid.csv", format: "csv", seasons: [24, 168], tasks: ["grid"] },
    { path: /^more\//, format: "csv", seasons: [0, 0] },
  ],
};

async function withGrid(use: (folder: string, values: number[]) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const { text, values } = hourly(300);
    await Deno.mkdir(`${folder}/grid/more`, { recursive: true });
    await Deno.mkdir(`${folder}/secret`);
    await Deno.writeTextFile(`${folder}/grid/grid.csv`, text);
    await Deno.writeTextFile(`${folder}/grid/more/a.csv`, hourly(40).text);
    await Deno.writeTextFile(`${folder}/secret/secret.csv`, hourly(400).text);
    await use(folder, values);
  });
}

Deno.test("packSources() packs listed sources, cut before the first context in every column", async () => {
  await withGrid(async (folder, values) => {
    const windows = [220, 180].map((from, k) => ({
      id: `grid/load/${k}`,
      task: "grid",
      series: "load",
      context: values.slice(from, from + 48),
    }));
    const { bytes, rows } = await packSources(folder, windows, [SOURCE]);
    const pack = parsePack(bytes);
    assert.deepEqual(
      pack.series.map(({ name, count }) => [name, count]),
      [
        ["grid/grid/load", 180],
        ["grid/grid/sister", 180],
        ["grid/more/a/load", 40],
        ["grid/more/a/sister", 40],
      ],
    );
    const instant = new Date(180 * HOUR_MS).toISOString();
    assert.equal(pack.series[0]!.cutAt, `${instant} (grid/load/1)`);
    assert.equal(pack.series[2]!.cutAt, null);
    assert.deepEqual(rows.map(({ series, values }) => [series, values]), [[4, 440]]);
  });
});

Deno.test("packSources() refuses a source whose window it can't find", async () => {
  await withGrid(async (folder) => {
    const context = Array.from({ length: 48 }, (_, i) => i ** 2);
    const windows = [{ id: "grid/load/0", task: "grid", series: "load", context }];
    await assert.rejects(packSources(folder, windows, [SOURCE]), /window is "grid\/load\/0"/);
  });
});

Deno.test("packSources() packs tables of packages, without the instants of a task", async () => {
  await withFolder(async (folder) => {
    const rates = Array.from(
      { length: 90 },
      (_, i) => [new Date(i * 24 * HOUR_MS).toISOString().slice(0, 10), { SEK: i, NOK: -i }],
    );
    const text = JSON.stringify(Object.fromEntries(rates));
    const bytes = await zipped(tarOf({ "package/days.json": text }));
    await Deno.writeFile(`${folder}/rates-1.0.0.tgz`, bytes);
    const source: RealSource = {
      folder: "rates",
      licence: "CC0-1.0",
      files: [{
        package: {
          registry: "npm",
          name: "rates",
          version: "1.0.0",
          file: "rates-1.0.0.tgz",
          sha256: sha256Hex(bytes),
        },
        path: "package/days.json",
        format: "days",
        columns: ["SEK"],
        seasons: [7, 0],
        outside: { from: "1970-01-31", until: "1970-03-02", task: "money" },
      }],
    };
    const packed = await packSources(folder, [], [source], new PackageFolder(folder));
    assert.deepEqual(
      packed.series.map(({ name, values }) => [name, values[0], values.at(-1), values.length]),
      [["rates/rates/days/before/SEK", 0, 29, 30], ["rates/rates/days/after/SEK", 60, 89, 30]],
    );
    assert.deepEqual(packed.rows[0]!.cuts, [
      "rates/days.json: 1970-01-31 to 1970-03-02 left out (money)",
    ]);
    await assert.rejects(packSources(folder, [], [source]), /a folder with those of rates/);
  });
});

/** Folder of the real sources; the evaluation windows lie in `../eval` beside it. */
const DATA = Deno.env.get("DATA_DIR") ?? `${import.meta.dirname}/../../../../shared/data`;

/** Folder of the fetched packages; without one only the other sources are packed. */
const PACKAGES = Deno.env.get("PACKAGES_DIR");

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

Deno.test({
  name: `packSources() packs no sample of any evaluation window (${
    isThere(DATA) ? "real sources" : "skipped: DATA_DIR names no folder"
  })`,
  ignore: !isThere(DATA),
  async fn() {
    const windows = await readWindows(`${DATA}/../eval/windows.dev.jsonl.gz`);
    const judged = [...windows, ...await secondSet(`${DATA}/..`)];
    const sources = PACKAGES === undefined ? REAL_SOURCES : [...REAL_SOURCES, ...PACKAGE_SOURCES];
    const packages = PACKAGES === undefined ? null : new PackageFolder(PACKAGES);
    const { bytes, rows } = await packSources(DATA, windows, sources, packages);
    const pack = parsePack(bytes);
    assert.deepEqual(rows.filter(({ series }) => series === 0), []);
    assert.equal(rows.length, sources.length);
    assert.ok(pack.values.length > 1_000_000);
    const column = (k: number) =>
      Float64Array.from(
        pack.values.subarray(pack.offsets[k]!, pack.offsets[k]! + pack.series[k]!.count),
      );
    const columns = pack.series.map((_, k) => column(k));
    for (const { id, context } of judged) {
      // Neither a whole context nor its first two dozen samples are in any packed series.
      const head = context.slice(0, 24);
      if (new Set(head.filter((x) => x !== null)).size < 12) continue;
      columns.forEach((values, k) => {
        if (pack.series[k]!.source === "icu_irregular") return;
        assert.equal(findContext(values, head), -1, `${id} in ${pack.series[k]!.name}`);
      });
    }
    for (const folder of ["ett", "m3", "m4", "walmart_weekly", "skab", "los_speed", "kpi"]) {
      assert.ok(!pack.series.some(({ source }) => source === folder), folder);
    }
  },
});
