import assert from "node:assert/strict";
import { longSeries, readLongSeries } from "../../../../src/cli/evaluate/long/series.ts";
import { withFolder } from "../../_run.ts";
import { syntheticLines } from "./_series.ts";

Deno.test("longSeries splits by months and standardises by the training ones", () => {
  const series = longSeries("waves", syntheticLines());
  assert.equal(series.samplesADay, 6);
  assert.deepEqual(
    [series.trainEnd, series.validationEnd, series.testEnd],
    [12 * 180, 16 * 180, 20 * 180],
  );
  for (const x of series.columns) {
    const train = x.subarray(0, series.trainEnd);
    const mean = train.reduce((sum, v) => sum + v, 0) / train.length;
    const variance = train.reduce((sum, v) => sum + v * v, 0) / train.length;
    assert.ok(Math.abs(mean) < 1e-9 && Math.abs(variance - 1) < 1e-9);
  }
});

Deno.test("longSeries refuses too few samples and what is no number", () => {
  const lines = syntheticLines();
  assert.throws(() => longSeries("s", lines.slice(0, 100)), /s has 99 samples, expected 3600/);
  const wrong = lines.with(5, `${lines[5]!.split(",")[0]},x,1`);
  assert.throws(() => longSeries("s", wrong), /s, row 5: "x" is no number/);
});

Deno.test("readLongSeries finds series by name, none where no folder is", async () => {
  await withFolder(async (folder) => {
    assert.deepEqual(await readLongSeries(`${folder}/none`), []);
    await Deno.writeTextFile(`${folder}/ETTh2.csv`, syntheticLines().join("\n"));
    await Deno.writeTextFile(`${folder}/notes.csv`, "x");
    assert.deepEqual((await readLongSeries(folder)).map(({ name }) => name), ["ETTh2"]);
  });
});
