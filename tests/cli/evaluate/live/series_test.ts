import assert from "node:assert/strict";
import { drawnStreams, realStreams } from "../../../../src/cli/evaluate/live/series.ts";
import { GENERATORS } from "../../../../datasets/pretraining/mod.ts";
import { withFolder } from "../../_run.ts";

Deno.test("drawnStreams() are the same every time, one of each generator among them", () => {
  const [streams, again] = [drawnStreams(), drawnStreams()];
  assert.deepEqual(streams, again);
  const names = streams.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name } of GENERATORS) assert.ok(names.includes(name), name);
});

Deno.test("drawnStreams() know the error of the best forecast", () => {
  const known = drawnStreams().filter(({ ideal }) => ideal !== null);
  assert.ok(known.length >= 8);
  for (const { name, values, ideal } of known) {
    // What is left of a walk, and of AR(1) of 0.7 without its day, by what they were a lead before.
    const share = name.includes("walk") ? 1 : name.includes("AR(1)") ? 0.7 : 0;
    const day = (i: number) => name.includes("day") ? 6 * Math.sin(Math.PI * i / 12) : 0;
    for (const lead of [1, 5]) {
      let square = 0;
      for (let i = lead; i < values.length; i++) {
        const before = values[i - lead]! - day(i - lead);
        square += (values[i]! - day(i) - share ** lead * before) ** 2 / (values.length - lead);
      }
      const ratio = Math.sqrt(square) / ideal![lead - 1]!;
      assert.ok(Math.abs(ratio - 1) < 0.1, `${name}, lead ${lead}: ${ratio}`);
    }
  }
});

Deno.test("realStreams() are none without the development data, and told of a missing column", async () => {
  await withFolder(async (folder) => {
    assert.deepEqual(await realStreams(folder), []);
    await Deno.writeTextFile(`${folder}/README.md`, "");
    await Deno.mkdir(`${folder}/ett`);
    const table = new Blob(["timestamp,HUFL\n2016-07-01,1\n"]).stream();
    const packed = table.pipeThrough(new CompressionStream("gzip"));
    await Deno.writeFile(`${folder}/ett/ETTh1.csv.gz`, packed);
    await assert.rejects(realStreams(folder), /no column MULL/);
  });
});
