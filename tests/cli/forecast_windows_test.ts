import assert from "node:assert/strict";
import { forecastWindows } from "../../src/cli/forecast_windows.ts";
import { withFolder } from "../_folder.ts";

function windowsText(count: number): string {
  const lines = Array.from({ length: count }, (_, w) =>
    JSON.stringify({
      id: `w${w}`,
      task: "t",
      freq: "M",
      m: 12,
      h: 3,
      context: w === 1 ? [null] : Array.from({ length: 40 + w }, (_, i) => 10 + (i % 12) + w),
      target: "must never be read",
    }));
  return lines.join("\n") + "\n";
}

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

Deno.test("forecastWindows() answers every window in order, from plain and gzipped files", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/in.jsonl`, windowsText(5));
    await Deno.writeFile(`${folder}/in.jsonl.gz`, await gzip(windowsText(5)));
    const outputs: string[] = [];
    for (const [input, jobs] of [["in.jsonl", 1], ["in.jsonl.gz", 2]] as const) {
      const output = `${folder}/${input}.out`;
      const seen: number[] = [];
      const result = await forecastWindows({
        input: `${folder}/${input}`,
        output,
        model: "seasonal_naive",
        jobs,
        onProgress: (done) => seen.push(done),
      });
      assert.deepEqual([result.windows, result.failed], [5, 1]);
      assert.deepEqual(seen, [1, 2, 3, 4, 5]);
      assert.ok(result.msMedian >= 0 && result.msMean >= 0);
      outputs.push(await Deno.readTextFile(output));
    }
    const parsed = outputs.map((text) =>
      text.trim().split("\n").map((line) => ({ ...JSON.parse(line), ms: 0 }))
    );
    assert.deepEqual(parsed[0], parsed[1]);
    assert.deepEqual(parsed[0]!.map((line) => line.id), ["w0", "w1", "w2", "w3", "w4"]);
    assert.equal(parsed[0]![1].q, null);
    // The season of 12 repeats exactly: the median is the value a season ago.
    assert.deepEqual(parsed[0]![0].q[5].map(Math.round), [14, 15, 16]);
  });
});

Deno.test("forecastWindows() refuses what it cannot do, before it starts", async () => {
  const options = { input: "no-such-file", output: "never-written" };
  await assert.rejects(forecastWindows({ ...options, model: "oracle" }), /model is "oracle"/);
  await assert.rejects(forecastWindows({ ...options, jobs: 0 }), /jobs is "0"/);
  await assert.rejects(forecastWindows(options), { name: "NotFound" });
});

Deno.test("forecastWindows() of an empty file writes an empty file", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/in.jsonl`, "\n");
    const output = `${folder}/out.jsonl`;
    const result = await forecastWindows({ input: `${folder}/in.jsonl`, output });
    assert.equal(result.windows, 0);
    assert.equal(await Deno.readTextFile(output), "");
  });
});
