import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { LimitError, ProtocolError } from "../../src/base/errors.ts";
import { ALARMS_SHOWN_MAX, detectFile } from "../../src/cli/detect_file.ts";
import { withFolder } from "../_folder.ts";

/** Hourly samples with one spike at 900; the second column counts. */
function body(): string {
  const random = seedRandom(1);
  let text = "time,load,other\n";
  for (let i = 0; i < 1000; i++) {
    const timestamp = new Date(Date.UTC(2024, 0, 1, i)).toISOString();
    text += `${timestamp},${i === 900 ? 50 : nextNormal(random)},${i === 5 ? "" : i}\n`;
  }
  return text;
}

async function gzip(text: string): Promise<Uint8Array> {
  const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

Deno.test("detectFile() writes a row a sample and finds a spike, plain or gzipped", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/in.csv`, body());
    await Deno.writeFile(`${folder}/in.csv.gz`, await gzip(body()));
    const output = `${folder}/out.csv`;
    const blocks: number[] = [];
    const summary = await detectFile({
      input: `${folder}/in.csv`,
      output,
      columns: ["load"],
      onProgress: (done) => blocks.push(done),
    });
    const text = await Deno.readTextFile(output);
    const rows = text.trimEnd().split("\n").map((line) => line.split(","));
    assert.deepEqual(rows[0], ["timestamp", "anomaly_score", "flag_score", "anomaly", "reason"]);
    assert.equal(rows.length, 1001);
    assert.equal(rows[901]![0], "2024-02-07T12:00:00Z");
    assert.ok(Number(rows[901]![1]) > 3);
    assert.deepEqual(rows[901]!.slice(3), ["1", "spike"]);
    assert.ok(summary.alarms.includes("2024-02-07T12:00:00Z"));
    assert.equal(summary.alarmCount, rows.filter((row) => row[3] === "1").length);
    assert.ok(summary.alarms.length <= ALARMS_SHOWN_MAX);
    assert.equal(summary.sampleCount, 1000);
    assert.deepEqual(summary.channels, ["load"]);
    assert.deepEqual(blocks, [1000]);
    await detectFile({ input: `${folder}/in.csv.gz`, output: `${output}2`, columns: ["load"] });
    assert.equal(await Deno.readTextFile(`${output}2`), text);
  });
});

Deno.test("detectFile() refuses an unknown column and a broken cell before it writes", async () => {
  await withFolder(async (folder) => {
    const [input, output] = [`${folder}/in.csv`, `${folder}/out.csv`];
    await Deno.writeTextFile(input, body());
    await assert.rejects(
      detectFile({ input, output, columns: ["lod"] }),
      (error: unknown) =>
        error instanceof ProtocolError && /No column "lod"; there are/.test(error.message),
    );
    await Deno.writeTextFile(input, "time,a\n1,2\n2,x\n");
    await assert.rejects(detectFile({ input, output }), ProtocolError);
    await Deno.writeTextFile(input, "x".repeat(2_000_000));
    await assert.rejects(detectFile({ input, output }), LimitError);
    await Deno.writeTextFile(input, "");
    await assert.rejects(detectFile({ input, output }), {
      message: `${input}: Body has no header`,
    });
    await assert.rejects(detectFile({ input: folder, output }), { field: "file" });
    await assert.rejects(Deno.stat(output), Deno.errors.NotFound);
    await assert.rejects(detectFile({ input: `${folder}/no`, output }), Deno.errors.NotFound);
  });
});

Deno.test("detectFile() tells of rows that repeat a time or go back, and scores each of them", async () => {
  await withFolder(async (folder) => {
    const [input, output] = [`${folder}/in.csv`, `${folder}/out.csv`];
    const noted = async (text: string, precision?: "s") => {
      const notes: string[] = [];
      await Deno.writeTextFile(input, text);
      await detectFile({ input, output, precision, note: (line) => notes.push(line) });
      return notes;
    };
    assert.deepEqual(await noted(body()), []);
    const rows = body().trimEnd().split("\n");
    const [header, ...samples] = rows;
    const moved = [...samples.slice(0, 10), samples[9]!, samples[3]!, ...samples.slice(10)];
    const notes = await noted([header, ...moved].join("\n"));
    assert.equal(notes.length, 1);
    assert.match(
      notes[0]!,
      /^2 rows are not after the row before \(1 repeat its time, 1 go back\)/,
    );
    assert.match(notes[0]!, /first 2024-01-01T09:00:00Z/);
    const written = (await Deno.readTextFile(output)).trimEnd().split("\n");
    assert.equal(written.length, 1 + moved.length);
    const seconds = "t,v\n1700000000,1\n1700000060,2\n1700000060,2\n";
    assert.match((await noted(seconds))[0]!, /^1 row is not after/);
    assert.match((await noted(seconds))[1]!, /integers are read as ms unless/);
    assert.equal((await noted(seconds, "s")).length, 1);
  });
});
