import assert from "node:assert/strict";
import { pretrainingCommand } from "../../src/cli/pretraining.ts";
import { run, withFolder } from "./_run.ts";

Deno.test("driftline pretraining preview writes a sheet", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/sheet.svg`;
    const ran = await run(pretrainingCommand, "preview", "--output", file, "--count", "4");
    assert.equal(ran.code, 0);
    assert.match(await Deno.readTextFile(file), /^<svg [^]*<\/svg>\n$/);
  });
});

Deno.test("driftline pretraining pack packs what is allowed, and preview shows it", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/pjm_load`);
    for (const source of ["pjm_load", "ett"]) {
      await Deno.mkdir(`${folder}/${source}`, { recursive: true });
    }
    const rows = Array.from(
      { length: 400 },
      (_, i) => `${new Date(i * 3_600_000).toISOString()},${(100 * Math.sin(i / 9)).toFixed(3)}`,
    );
    const bytes = new TextEncoder().encode(`timestamp,AEP\n${rows.join("\n")}\n`);
    const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
    await Deno.writeFile(`${folder}/pjm_load/pjm_load.csv.gz`, packed);
    const context = rows.slice(300, 350).map((row) => Number(row.split(",")[1]));
    const window = { id: "p/0", task: "pjm_load", series: "AEP", context };
    await Deno.writeTextFile(`${folder}/windows.jsonl`, `${JSON.stringify(window)}\n`);
    for (const source of ["elec_price", "vic_elec", "household_power", "beijing_pm25"]) {
      await Deno.mkdir(`${folder}/${source}`);
    }
    const args = ["--windows", `${folder}/windows.jsonl`, "--output", `${folder}/real.bin`];
    const missing = await run(pretrainingCommand, "pack", "--data", folder, ...args);
    assert.equal(missing.code, 1, "a source of the list that is not there is an error");
    for (
      const source of [
        "air_quality",
        "classics",
        "ili",
        "nab",
        "telemetry",
        "synthetic_anomaly",
        "ecg_svdb",
        "ecg_mitdb",
        "eeg_eye_state",
        "eeg_motor",
        "icu_irregular",
      ]
    ) await Deno.mkdir(`${folder}/${source}`);
    const page = `${folder}/page.md`;
    const ran = await run(pretrainingCommand, "pack", "--data", folder, ...args, "--page", page);
    assert.equal(ran.code, 0, ran.error);
    assert.match(ran.out, /1 series, 300 values/);
    assert.match(await Deno.readTextFile(page), /\| pjm_load \| .* \| 1 \| 300 \|/);
    const empty = ["--packages", folder, ...args];
    const unfetched = await run(pretrainingCommand, "pack", "--data", folder, ...empty);
    assert.equal(unfetched.code, 1, "packages that are not there are an error");
    assert.match(unfetched.error, /fetch there: npm pack @stdlib\/.*; apt-get download r-cran-/);
    const sheet = `${folder}/sheet.svg`;
    const drawn = await run(
      pretrainingCommand,
      "preview",
      "--real",
      `${folder}/real.bin`,
      "--output",
      sheet,
      "--count",
      "8",
    );
    assert.equal(drawn.code, 0, drawn.error);
  });
});

Deno.test("driftline pretraining says what it was not given", async () => {
  assert.equal((await run(pretrainingCommand)).code, 2);
  assert.equal((await run(pretrainingCommand, "paint")).code, 2);
  assert.equal((await run(pretrainingCommand, "pack", "--data", "x")).code, 2);
  assert.equal((await run(pretrainingCommand, "preview")).code, 2);
});
