import assert from "node:assert/strict";
import { parsePack } from "../../../datasets/pretraining/mod.ts";
import { findContext } from "../../../src/cli/pretraining/cut.ts";
import { packSources, readWindows } from "../../../src/cli/pretraining/pack.ts";
import { REAL_SOURCES, type RealSource } from "../../../src/cli/pretraining/sources.ts";
import { withFolder } from "../_run.ts";

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

/** Folder of the real sources; the evaluation windows lie in `../eval` beside it. */
const DATA = Deno.env.get("DATA_DIR") ?? `${import.meta.dirname}/../../../../shared/data`;

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
    const { bytes, rows } = await packSources(DATA, windows, REAL_SOURCES);
    const pack = parsePack(bytes);
    assert.equal(rows.length, REAL_SOURCES.length);
    assert.ok(pack.values.length > 1_000_000);
    const column = (k: number) =>
      Float64Array.from(
        pack.values.subarray(pack.offsets[k]!, pack.offsets[k]! + pack.series[k]!.count),
      );
    const columns = pack.series.map((_, k) => column(k));
    for (const { id, context } of windows) {
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
