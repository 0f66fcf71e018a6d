import assert from "node:assert/strict";
import { evaluateCommand } from "../../src/cli/evaluate.ts";
import { seedRandom } from "../../src/base/random.ts";
import { networkOf, parseNeural } from "../../src/models/neural/network.ts";
import { encodeWeights } from "../../src/models/neural/weights.ts";
import { waveWindows } from "./evaluate/_window.ts";
import { run, withFolder } from "./_run.ts";

interface Printed {
  readonly records: { readonly model: string; readonly setting: string; readonly commit: string }[];
  readonly stale: string[];
  readonly streams: unknown[];
}

async function evaluateIn(folder: string, ...args: string[]) {
  const { code, out, error } = await run(
    evaluateCommand,
    ...["--set", "dev", "--windows", `${folder}/windows.jsonl`, "--results", folder],
    ...["--docs", `${folder}/docs`, "--json", "--workers", "1", ...args],
  );
  return { code, error, printed: out === "" ? null : JSON.parse(out) as Printed };
}

async function withWindows(body: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const lines = waveWindows(4).map((window) => JSON.stringify(window));
    await Deno.writeTextFile(`${folder}/windows.jsonl`, `${lines.join("\n")}\n`);
    await body(folder);
  });
}

const ONLY = ["--models", "seasonal_naive", "--settings"];

Deno.test("evaluate measures, keeps, writes the page, and does not measure again", async () => {
  await withWindows(async (folder) => {
    const first = await evaluateIn(folder, ...ONLY, "main");
    assert.equal(first.code, 0, first.error);
    assert.deepEqual(
      first.printed!.records.map(({ model, setting }) => `${model} ${setting}`),
      ["seasonal-naive", "seasonal_naive"].flatMap((m) => [`${m} found`, `${m} given`]),
    );
    assert.ok(first.printed!.stale.includes("accuracy.md"));
    const page = await Deno.readTextFile(`${folder}/docs/accuracy.md`);
    assert.match(page, /\| seasonal_naive \| found \|/);
    const again = await evaluateIn(folder, ...ONLY, "main,drop30");
    assert.deepEqual(again.printed!.records.map(({ setting }) => setting), ["drop30", "drop30"]);
    assert.equal((await evaluateIn(folder, "--check")).code, 0);
  });
});

Deno.test("evaluate measures again what other code measured, unless it is told to keep it", async () => {
  await withWindows(async (folder) => {
    await evaluateIn(folder, ...ONLY, "given");
    const path = `${folder}/accuracy.dev.jsonl`;
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replaceAll(/"code":"\w+"/g, '"code":"old"'));
    const kept = await evaluateIn(folder, ...ONLY, "given", "--keep");
    assert.deepEqual(kept.printed!.records, []);
    const again = await evaluateIn(folder, ...ONLY, "given");
    assert.equal(again.printed!.records.length, 2);
    assert.ok(!(await Deno.readTextFile(path)).includes('"code":"old"'));
  });
});

Deno.test("evaluate --sample keeps nothing; --check tells of a page that is not current", async () => {
  await withWindows(async (folder) => {
    const sampled = await evaluateIn(folder, ...ONLY, "given", "--sample", "2");
    assert.equal(sampled.printed!.records.length, 2);
    await assert.rejects(Deno.stat(`${folder}/accuracy.dev.jsonl`), Deno.errors.NotFound);
    const checked = await evaluateIn(folder, "--check");
    assert.equal(checked.code, 1);
    assert.ok(checked.printed!.stale.includes("accuracy.md"));
    await assert.rejects(Deno.stat(`${folder}/docs/accuracy.md`), Deno.errors.NotFound);
  });
});

Deno.test("evaluate --weights measures checkpoints and forgets those of another training", async () => {
  await withWindows(async (folder) => {
    const config = parseNeural({ kind: "s5", width: 8, depth: 1, state: 4, mlp: 6, head: 5 });
    const tensors = networkOf(config).init(seedRandom(1));
    const paths = [];
    for (const step of [5, 6, 7]) {
      const path = `${folder}/step-${step}.safetensors`;
      await Deno.writeFile(path, encodeWeights({ config, tensors, step }, "f16"));
      paths.push(path);
    }
    const models = async () => {
      const text = await Deno.readTextFile(`${folder}/accuracy.dev.jsonl`);
      return text.trim().split("\n").map((line) => JSON.parse(line).model);
    };
    await evaluateIn(folder, "--weights", paths.slice(0, 2).join(","), "--settings", "given");
    assert.deepEqual(await models(), ["neural@5", "neural@6", "seasonal-naive"]);
    const last = ["--weights", paths[2]!, "--settings", "given"];
    await evaluateIn(folder, ...last, "--sample", "2");
    assert.deepEqual(await models(), ["neural@5", "neural@6", "seasonal-naive"]);
    await evaluateIn(folder, ...last);
    assert.deepEqual(await models(), ["neural@7", "seasonal-naive"]);
    const page = await Deno.readTextFile(`${folder}/docs/accuracy.md`);
    assert.match(page, /\| neural \| given \| 1 \| [\d.]+ … /);
  });
});

Deno.test("evaluate measures the baseline that a setting is compared with", async () => {
  await withWindows(async (folder) => {
    const { printed } = await evaluateIn(folder, ...ONLY, "lead2", "--sample", "2");
    assert.deepEqual(
      printed!.records.map(({ model, setting }) => `${model} ${setting}`),
      ["seasonal-naive given", "seasonal-naive lead2", "seasonal_naive lead2"],
    );
  });
});

Deno.test("evaluate refuses names that nothing has, before it measures", async () => {
  await withWindows(async (folder) => {
    const unknown = [["--settings", "best"], ["--models", "oracle"], ["--set", "hidden"]];
    for (const [option, name] of unknown) {
      const { code, out, error } = await run(
        evaluateCommand,
        ...["--windows", `${folder}/windows.jsonl`, "--results", folder, "--docs", folder],
        ...["--workers", "1", "--json", option!, name!],
        ...(option === "--set" ? [] : ["--set", "dev"]),
      );
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(error, new RegExp(`"${name}", expected`));
    }
  });
});

Deno.test("docs/accuracy.md and its pictures are what the stored scores say", async () => {
  const { code, out } = await run(evaluateCommand, "--check");
  assert.equal(code, 0, `${out}\nRun: deno task evaluate --page`);
});

Deno.test("evaluate --live feeds windows and streams, and keeps them apart", async () => {
  await withWindows(async (folder) => {
    const live = ["--live", "--models", "seasonal_naive"];
    const first = await evaluateIn(folder, ...live);
    assert.equal(first.code, 0, first.error);
    assert.deepEqual(first.printed!.records.map(({ model }) => model), ["seasonal_naive"]);
    assert.ok(first.printed!.streams.length === 1);
    await assert.rejects(Deno.stat(`${folder}/accuracy.dev.jsonl`), Deno.errors.NotFound);
    assert.match(await Deno.readTextFile(`${folder}/docs/accuracy.md`), /### Long streams, sea/);
    const again = await evaluateIn(folder, ...live);
    assert.deepEqual(again.printed, { records: [], stale: [], streams: [] });
    assert.notEqual((await evaluateIn(folder, "--live", "--settings", "given")).code, 0);
  });
});
