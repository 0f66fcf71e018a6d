import assert from "node:assert/strict";
import { detectCommand } from "../../src/cli/detect.ts";
import { hourlyCsv, run, withFolder } from "./_run.ts";

Deno.test("detect writes a row a sample and says how many alarms there were", async () => {
  await withFolder(async (folder) => {
    const [input, output] = [`${folder}/in.csv`, `${folder}/out.csv`];
    await Deno.writeTextFile(input, hourlyCsv(300));
    const ran = await run(detectCommand, input, "--column", "wave", "--output", output, "--json");
    assert.equal(ran.code, 0, ran.error);
    const summary = JSON.parse(ran.out);
    assert.equal(summary.sampleCount, 300);
    assert.deepEqual(summary.channels, ["wave"]);
    const rows = (await Deno.readTextFile(output)).trim().split("\n");
    assert.equal(rows[0], "timestamp,anomaly_score,flag_score,anomaly,reason");
    assert.equal(rows.length, 301);
    assert.equal(rows.filter((row) => row.split(",")[3] === "1").length, summary.alarmCount);
  });
});

Deno.test("detect tells alarms at the rate and in the way that is asked for", async () => {
  await withFolder(async (folder) => {
    const [input, output] = [`${folder}/in.csv`, `${folder}/out.csv`];
    const lines = hourlyCsv(600).split("\n");
    lines[501] = lines[501]!.replace(/,[\d.]+,/, ",99,");
    await Deno.writeTextFile(input, lines.join("\n"));
    const alarms = async (...more: string[]) => {
      const ran = await run(
        detectCommand,
        ...[input, "--column", "wave", "--output", output, "--json", ...more],
      );
      assert.equal(ran.code, 0, ran.error);
      return JSON.parse(ran.out).alarmCount as number;
    };
    const usual = await alarms();
    assert.ok(usual >= 1);
    assert.match(await Deno.readTextFile(output), /,1,spike\n/);
    assert.ok(await alarms("--false-alarms", "0.05", "--repeats", "tell") >= usual);
    assert.equal(await alarms("--false-alarms", "0"), 0);
    for (
      const [name, text] of [["--false-alarms", "2"], ["--repeats", "often"], [
        "--least-effect",
        "x",
      ]]
    ) {
      const ran = await run(detectCommand, input, "--output", output, name!, text!);
      assert.equal(ran.code, 2);
      assert.match(ran.error, new RegExp(`"${text}", expected`));
    }
  });
});

Deno.test("detect needs a file and an output, and names an unknown column", async () => {
  assert.equal((await run(detectCommand, "in.csv")).code, 2);
  assert.equal((await run(detectCommand, "--output", "out.csv")).code, 2);
  await withFolder(async (folder) => {
    const input = `${folder}/in.csv`;
    await Deno.writeTextFile(input, hourlyCsv(3));
    const ran = await run(detectCommand, input, "--column", "nope", "--output", `${folder}/o.csv`);
    assert.equal(ran.code, 1);
    assert.match(ran.error, /nope/);
    assert.doesNotMatch(ran.error, /\n\s+at /);
  });
});
