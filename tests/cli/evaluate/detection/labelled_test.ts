import assert from "node:assert/strict";
import {
  LABELLED_SETS,
  type LabelledSeries,
  labelledSeries,
} from "../../../../src/cli/evaluate/detection/labelled.ts";
import { withFolder } from "../../_run.ts";

async function writeGzip(path: string, text: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(path, stream);
}

async function readAll(folder: string): Promise<LabelledSeries[]> {
  const all: LabelledSeries[] = [];
  for await (const series of labelledSeries(folder)) all.push(series);
  return all;
}

function rows(count: number, row: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => row(i)).join("\n");
}

/** A small folder with a file of each form. */
async function withData(use: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    for (const set of LABELLED_SETS) await Deno.mkdir(`${folder}/${set}`);
    const stamp = (i: number) => new Date(Date.UTC(2026, 0, 1) + i * 300_000).toISOString();
    const nab = rows(20, (i) => `${stamp(i)},${i === 3 ? "" : i},${i >= 10 && i < 13 ? 1 : 0}`);
    await writeGzip(`${folder}/nab/real/a.csv.gz`, `timestamp,value,label\n${nab}\n`);
    const spans = { "real/a.csv": [[stamp(10), stamp(12)]], "real/b.csv": [] };
    await Deno.writeTextFile(`${folder}/nab/windows.json`, JSON.stringify(spans));
    const test = rows(4, (i) => `${i},${i},7,${i === 2 ? 1 : 0}`);
    await writeGzip(`${folder}/telemetry/x/P.test.csv.gz`, `t,value,cmd1,label\n${test}\n`);
    const train = rows(3, (i) => `${i},${10 + i},7`);
    await writeGzip(`${folder}/telemetry/x/P.train.csv.gz`, `t,value,cmd1\n${train}\n`);
    const ucr = rows(9, (i) => `${i},${i},${i >= 6 && i <= 7 ? 1 : 0}`);
    await writeGzip(`${folder}/ucr_anomaly/x_5_6_7.csv.gz`, `t,value,label\n${ucr}\n`);
    await use(folder);
  });
}

Deno.test("labelledSeries() reads values, labels, leads and windows of every form", async () => {
  await withData(async (folder) => {
    const [nab, telemetry, ucr, ...more] = await readAll(folder);
    assert.equal(more.length, 0);
    assert.deepEqual([nab!.set, nab!.name, nab!.start, nab!.lead], ["nab", "nab/real/a", 3, 0]);
    assert.deepEqual(nab!.windows, [[10, 12]]);
    assert.deepEqual([...nab!.timesS.subarray(0, 3)], [0, 300, 600]);
    // A gap holds the last value.
    assert.deepEqual([...nab!.values[0]!.subarray(0, 5)], [0, 1, 2, 2, 4]);
    assert.deepEqual([telemetry!.lead, telemetry!.start], [3, 0]);
    assert.deepEqual([...telemetry!.values[0]!], [10, 11, 12, 0, 1, 2, 3]);
    assert.deepEqual([...telemetry!.label], [0, 0, 1, 0]);
    assert.deepEqual([ucr!.start, ucr!.label.length], [5, 9]);
  });
});
