import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { InvalidValueError } from "../../src/base/errors.ts";
import { type Command, EXIT_OK, readInput, UsageError } from "../../src/cli/command.ts";
import {
  decodeSeries,
  fileChoice,
  onlyFile,
  readSeries,
  SERIES_OPTIONS,
} from "../../src/cli/series_file.ts";
import { hourlyCsv, withFolder } from "./_run.ts";

const verb: Command = {
  name: "v",
  summary: "",
  usage: "",
  description: "",
  options: SERIES_OPTIONS,
  run: () => Promise.resolve(EXIT_OK),
};
const choice = (...args: string[]) => fileChoice(readInput(verb, args));

function noNote(line: string): void {
  assert.fail(`unexpected note: ${line}`);
}

Deno.test("readSeries() reads CSV, gzipped too, in time order", async () => {
  await withFolder(async (folder) => {
    const [plain, packed] = [`${folder}/a.csv`, `${folder}/a.csv.gz`];
    await Deno.writeTextFile(plain, "t,x\n3,30\n1,10\n2,\n");
    await Deno.writeFile(packed, new Uint8Array(gzipSync(hourlyCsv(5))));
    const sorted = await readSeries(plain, choice("--precision", "s"), noNote);
    assert.deepEqual([...sorted.timestampsNs], [1_000_000_000n, 2_000_000_000n, 3_000_000_000n]);
    assert.deepEqual([...sorted.values[0]!], [10, NaN, 30]);
    const one = await readSeries(packed, choice("--column", "flat"), noNote);
    assert.deepEqual(one.channels, ["flat"]);
    assert.equal(one.timestampsNs.length, 5);
  });
});

Deno.test("readSeries() takes the values of --missing for missing ones", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.csv`;
    await Deno.writeTextFile(
      path,
      "t,x,y\n2026-01-01,-999,-999.0\n2026-01-02,10,9999\n2026-01-03,NA,5\n",
    );
    const series = await readSeries(path, choice("--missing=-999", "--missing", "9999"), noNote);
    assert.deepEqual(series.values.map((column) => [...column]), [[NaN, 10, NaN], [NaN, NaN, 5]]);
  });
});

Deno.test("readSeries() names an unknown column and a file without a header", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.csv`;
    await Deno.writeTextFile(path, "t,x\n1,10\n1,11\n");
    await assert.rejects(() => readSeries(path, choice("--column", "y"), noNote), /"y"/);
    await assert.rejects(
      () => readSeries(`${folder}/none.csv`, choice(), noNote),
      Deno.errors.NotFound,
    );
    await Deno.writeTextFile(path, "");
    await assert.rejects(() => readSeries(path, choice(), noNote), {
      name: "ProtocolError",
      message: `${path}: Body has no header`,
    });
  });
});

Deno.test("readSeries() takes the first row of a time and tells of the others", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.csv`;
    await Deno.writeTextFile(
      path,
      "date,x\n2026-01-02,3\n2026-01-01,1\n2026-01-01,2\n2026-01-02,3\n",
    );
    const notes: string[] = [];
    const series = await readSeries(path, choice(), (line) => notes.push(line));
    assert.deepEqual([...series.values[0]!], [1, 3]);
    assert.equal(series.timestampsNs.length, 2);
    assert.equal(notes.length, 1);
    assert.match(
      notes[0]!,
      /^2 rows repeat .* first 2026-01-01T00:00:00Z: .* the first row is taken$/,
    );
  });
});

Deno.test("readSeries() doubts seconds that were read as milliseconds", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.csv`;
    await Deno.writeTextFile(path, "ts,x\n1772323200,1\n1772323260,2\n");
    const notes: string[] = [];
    await readSeries(path, choice(), (line) => notes.push(line));
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /1970-01-21T12:18:43.2Z to .* --precision/);
    const asked = await readSeries(path, choice("--precision", "s"), noNote);
    assert.equal(asked.timestampsNs[0], 1_772_323_200_000_000_000n);
  });
});

Deno.test("fileChoice() and onlyFile() refuse what they don't know", () => {
  assert.throws(() => choice("--precision", "h"), UsageError);
  for (const text of ["x", "", "Infinity"]) {
    assert.throws(() => choice("--missing", text), /--missing is ".*", expected a finite number/);
  }
  assert.equal(onlyFile(readInput(verb, ["a.csv"])), "a.csv");
  assert.throws(() => onlyFile(readInput(verb, [])), /missing/);
  assert.throws(() => onlyFile(readInput(verb, ["a", "b"])), /"b" too/);
});

Deno.test("decodeSeries() reads a file by the end of its name", async () => {
  await withFolder(async (folder) => {
    const recording = `${folder}/night.edf.gz`;
    const edf = new URL("../testdata/protocols/edf/breaks/input.edf", import.meta.url);
    await Deno.writeFile(recording, gzipSync(Deno.readFileSync(edf)));
    const told = choice("--column", "EEG Cz", "--missing=-100");
    const series = await readSeries(recording, told, noNote);
    assert.deepEqual(series.channels, ["EEG Cz"]);
    assert.deepEqual([...series.values[0]!].slice(0, 4), [0, 1, NaN, 100]);
    await assert.rejects(
      () => decodeSeries(recording, choice("--column", "Fp1")),
      (error) => error instanceof InvalidValueError && error.message.includes("Temp rectal"),
    );
    await assert.rejects(
      () => decodeSeries(recording, choice("--timestamp-column", "t")),
      /no CSV/,
    );
    const rows = `${folder}/rows.ndjson`;
    const row = (stream: string) => JSON.stringify({ stream, timestamp: 0, value: 1 });
    await Deno.writeTextFile(rows, `${row("a")}\n${row("b")}\n`);
    await assert.rejects(() => decodeSeries(rows, {}), /samples of one stream only/);
    const sound = `${folder}/sound.wav`;
    const wav = new URL("../testdata/protocols/wav/pcm8/", import.meta.url);
    const [file] = [...Deno.readDirSync(wav)].filter(({ name }) => name.startsWith("input"));
    await Deno.copyFile(new URL(file!.name, wav), sound);
    assert.equal((await decodeSeries(sound, {})).timestampsNs[0], 0n);
  });
});
