import assert from "node:assert/strict";
import { formatGoldens, GOLDEN_GROUPS, goldensCommand } from "../../src/cli/goldens.ts";
import { GOLDENS_FOLDER_DEFAULT, runGoldens } from "../../src/cli/goldens.ts";
import { runVerb } from "../../src/cli/command.ts";
import { fileOf, manifestOf } from "./goldens/_files.ts";
import { withFolder } from "../_folder.ts";

/** A fresh folder with files, gone after the test. */
function withFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    await body(folder);
  });
}

const discretization = {
  json: await Deno.readTextFile(`${GOLDENS_FOLDER_DEFAULT}/discretization.json`),
  safetensors: await Deno.readFile(`${GOLDENS_FOLDER_DEFAULT}/discretization.safetensors`),
};

Deno.test("runGoldens() passes a group whose cases have other names", async () => {
  const renamed = JSON.parse(discretization.json);
  // Names of one length keep the offsets; the cases must be told by what they hold.
  const names = Object.keys(renamed.cases);
  const nameOf = new Map(names.map((name, i) => [name, `${i}`.padStart(name.length, "q")]));
  const bytes = discretization.safetensors.slice();
  const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  let header = new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes));
  for (const [from, to] of nameOf) header = header.replaceAll(`"${from}/`, `"${to}/`);
  bytes.set(new TextEncoder().encode(header), 8);
  renamed.cases = Object.fromEntries(
    names.map((name) => [nameOf.get(name)!, renamed.cases[name]]),
  );
  const files = { "d.json": JSON.stringify(renamed), "d.safetensors": bytes };
  await withFiles(files, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    assert.deepEqual(report.faults, []);
    assert.deepEqual(report.rows[0]!.results.flatMap(({ messages }) => messages), []);
    assert.equal(report.rows[0]!.passed, names.length);
    assert.ok(report.passed);
  });
});

Deno.test("runGoldens() fails on one wrong number", async () => {
  const wrong = discretization.safetensors.slice();
  const view = new DataView(wrong.buffer);
  const headerBytes = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(wrong.subarray(8, 8 + headerBytes)));
  const at = 8 + headerBytes + header["dense_zoh/Ad"].data_offsets[0];
  view.setFloat64(at, view.getFloat64(at, true) + 1e-9, true);
  const files = { "discretization.json": discretization.json, "discretization.safetensors": wrong };
  await withFiles(files, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    assert.equal(report.passed, false);
    assert.equal(report.rows[0]!.failed, 1);
    assert.equal(report.rows[0]!.worstAt, "dense_zoh/Ad");
    assert.match(formatGoldens(report), /FAILED: discretization\/dense_zoh\/Ad error/);
  });
});

Deno.test("runGoldens() fails on damaged, missing and absent files, and runs the rest", async () => {
  const files = {
    "discretization.json": discretization.json,
    "discretization.safetensors": discretization.safetensors,
    "cut.json": discretization.json,
    "cut.safetensors": discretization.safetensors.slice(0, -8),
    "alone.json": manifestOf(),
    "orphan.safetensors": fileOf(),
  };
  await withFiles(files, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    assert.equal(report.rows.length, 1);
    assert.equal(report.rows[0]!.failed, 0);
    assert.equal(report.passed, false);
    assert.match(report.faults.join("\n"), /orphan\.safetensors has no orphan\.json/);
    assert.match(report.faults.join("\n"), /alone: .*alone\.safetensors/);
    assert.match(report.faults.join("\n"), /cut: Tensors end at data byte/);
  });
  await withFiles({}, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    assert.match(report.faults[0]!, /holds no golden files/);
  });
  const nowhere = await runGoldens({ folder: "/nonexistent/goldens", twinsOnly: true });
  assert.match(nowhere.faults[0]!, /nonexistent/);
});

Deno.test("runGoldens() lists a group that this build lacks as unsupported, never passed", async () => {
  const files = { "made.json": manifestOf(), "made.safetensors": fileOf() };
  await withFiles(files, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    const [row] = report.rows;
    assert.deepEqual([row!.passed, row!.unsupported, row!.failed], [0, 1, 0]);
    assert.match(
      formatGoldens(report),
      /unsupported: made\/one: this build does not have the group/,
    );
  });
});

Deno.test("runGoldens() fails a case that lacks what its kind needs", async () => {
  const manifest = JSON.parse(discretization.json);
  delete manifest.cases.dense_zoh.scalars.dts;
  const files = {
    "discretization.json": JSON.stringify(manifest),
    "discretization.safetensors": discretization.safetensors,
  };
  await withFiles(files, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    const failed = report.rows[0]!.results.filter(({ status }) => status === "failed");
    assert.match(failed[0]!.messages[0]!, /dense_zoh.*"dts"/);
  });
});

Deno.test("runGoldens() fails the damaged cases of a group by name and runs the others", async () => {
  const manifest = JSON.parse(discretization.json);
  delete manifest.cases.dense_zoh.atol;
  manifest.cases.dense_euler.tensors.A.shape = [9, 9];
  delete manifest.cases.diag_zoh.tensors.B;
  const files = {
    "discretization.json": JSON.stringify(manifest),
    "discretization.safetensors": discretization.safetensors,
  };
  await withFiles(files, async (folder) => {
    const report = await runGoldens({ folder, twinsOnly: true });
    const [row] = report.rows;
    assert.deepEqual([row!.cases, row!.failed, row!.passed], [16, 3, 13]);
    assert.equal(report.passed, false);
    const text = formatGoldens(report);
    assert.match(text, /FAILED: discretization\/dense_zoh: no atol/);
    assert.match(text, /FAILED: discretization\/dense_euler\/A: shape is \[9,9\]/);
    assert.match(text, /FAILED: discretization\/diag_zoh: needs tensor "B"/);
    assert.match(text, /FAILED: discretization: tensor "diag_zoh\/B\.re" is in the file/);
  });
});

Deno.test("goldensCommand exits 1 on a failure and prints JSON where asked", async () => {
  const lines: string[] = [];
  const print = { out: (line: string) => lines.push(line), error: () => {} };
  const files = { "made.json": manifestOf(), "made.safetensors": fileOf() };
  await withFiles(files, async (folder) => {
    assert.equal(await runVerb(goldensCommand, [folder, "--json"], print), 0);
    assert.equal(JSON.parse(lines[0]!).rows[0].unsupported, 1);
    await Deno.remove(`${folder}/made.safetensors`);
    assert.equal(await runVerb(goldensCommand, [folder], print), 1);
  });
});

Deno.test("runGoldens() passes cases of other sizes and options than the published", async () => {
  const folder = `${import.meta.dirname}/../testdata/golden_variants`;
  const report = await runGoldens({ folder, requireGpu: Deno.env.get("REQUIRE_GPU") === "1" });
  const messages = report.rows.flatMap(({ results }) => results.flatMap((each) => each.messages));
  assert.deepEqual([...messages, ...report.faults], []);
  assert.ok(report.passed);
});

Deno.test("GOLDEN_GROUPS names each group once", () => {
  assert.equal(new Set(GOLDEN_GROUPS.map(({ group }) => group)).size, GOLDEN_GROUPS.length);
});
