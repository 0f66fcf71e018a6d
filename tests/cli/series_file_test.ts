import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type Command, EXIT_OK, readInput, UsageError } from "../../src/cli/command.ts";
import { CSV_OPTIONS, csvChoice, onlyFile, readSeries } from "../../src/cli/series_file.ts";
import { hourlyCsv, withFolder } from "./_run.ts";

const verb: Command = {
  name: "v",
  summary: "",
  usage: "",
  description: "",
  options: CSV_OPTIONS,
  run: () => Promise.resolve(EXIT_OK),
};
const choice = (...args: string[]) => csvChoice(readInput(verb, args));

Deno.test("readSeries() reads CSV, gzipped too, in time order", async () => {
  await withFolder(async (folder) => {
    const [plain, packed] = [`${folder}/a.csv`, `${folder}/a.csv.gz`];
    await Deno.writeTextFile(plain, "t,x\n3,30\n1,10\n2,\n");
    await Deno.writeFile(packed, new Uint8Array(gzipSync(hourlyCsv(5))));
    const sorted = await readSeries(plain, choice("--precision", "s"));
    assert.deepEqual([...sorted.timestampsNs], [1_000_000_000n, 2_000_000_000n, 3_000_000_000n]);
    assert.deepEqual([...sorted.values[0]!], [10, NaN, 30]);
    const one = await readSeries(packed, choice("--column", "flat"));
    assert.deepEqual(one.channels, ["flat"]);
    assert.equal(one.timestampsNs.length, 5);
  });
});

Deno.test("readSeries() names an unknown column and a time that stands twice", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.csv`;
    await Deno.writeTextFile(path, "t,x\n1,10\n1,11\n");
    await assert.rejects(() => readSeries(path, choice("--column", "y")), /"y"/);
    await assert.rejects(() => readSeries(path, choice()), /a row of its own/);
    await assert.rejects(() => readSeries(`${folder}/none.csv`, choice()), Deno.errors.NotFound);
    await Deno.writeTextFile(path, "");
    await assert.rejects(() => readSeries(path, choice()), {
      name: "ProtocolError",
      message: `${path}: Body has no header`,
    });
  });
});

Deno.test("csvChoice() and onlyFile() refuse what they don't know", () => {
  assert.throws(() => choice("--precision", "h"), UsageError);
  assert.equal(onlyFile(readInput(verb, ["a.csv"])), "a.csv");
  assert.throws(() => onlyFile(readInput(verb, [])), /missing/);
  assert.throws(() => onlyFile(readInput(verb, ["a", "b"])), /"b" too/);
});
