import assert from "node:assert/strict";
import { measureLongHorizons, readLong } from "../../../../src/cli/evaluate/long/run.ts";
import { withFolder } from "../../_run.ts";
import { syntheticLines } from "./_series.ts";

Deno.test("measureLongHorizons keeps what it measured, null where no series is", async () => {
  await withFolder(async (folder) => {
    const progress: string[] = [];
    const given = {
      data: folder,
      results: `${folder}/results`,
      commit: "c",
      onProgress: (done: number, total: number) => progress.push(`${done}/${total}`),
    };
    assert.equal(await measureLongHorizons(given), null);
    assert.equal(await readLong(given.results), null);
    await Deno.mkdir(`${folder}/ett`);
    await Deno.writeTextFile(`${folder}/ett/ETTh2.csv`, syntheticLines(8).join("\n"));
    const record = await measureLongHorizons(given);
    assert.deepEqual(await readLong(given.results), record);
    assert.deepEqual(record!.figures.map(({ horizon }) => horizon), [96, 192, 336, 720]);
    assert.deepEqual(progress, ["1/4", "2/4", "3/4", "4/4"]);
  });
});
