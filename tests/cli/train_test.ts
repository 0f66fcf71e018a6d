import assert from "node:assert/strict";
import { RUN_FILES } from "../../src/cli/train/run_folder.ts";
import { trainCommand } from "../../src/cli/train.ts";
import { decodeCheckpoint, decodeModel } from "../../src/models/checkpoint.ts";
import { list, ROOT } from "../_source.ts";
import { hourlyCsv, run, withFolder } from "./_run.ts";

const TRAINING = {
  steps: 12,
  batch: 4,
  schedule: { kind: "warmupCosine", rate: 0.01, warmup: 2 },
  emaDecay: 0.9,
  logEvery: 3,
  saveEvery: 5,
  evaluation: { every: 6, examples: 8 },
};

/** Writes a configuration over a series of its own; returns its path. */
async function prepare(folder: string, change: object = {}): Promise<string> {
  await Deno.writeTextFile(`${folder}/wave.csv`, hourlyCsv(120));
  const path = `${folder}/config.json`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      model: { width: 6, layers: [{ name: "mamba", config: { state: 2 } }], dropout: 0.1 },
      data: { kind: "series", files: [`${folder}/wave.csv`], context: 12, horizon: 2 },
      training: TRAINING,
      device: "cpu",
      ...change,
    }),
  );
  return path;
}

const linesOf = async (folder: string) =>
  (await Deno.readTextFile(`${folder}/${RUN_FILES.metrics}`)).trimEnd().split("\n").map((line) => {
    const { elapsedS: _, samplesPerS: __, ...rest } = JSON.parse(line);
    return rest;
  });

Deno.test("train writes metrics, a checkpoint and a model that can be read", async () => {
  await withFolder(async (folder) => {
    const config = await prepare(folder);
    const out = `${folder}/run`;
    const ran = await run(trainCommand, "--config", config, "--output", out, "--json");
    assert.equal(ran.code, 0, ran.error);
    const result = JSON.parse(ran.out);
    assert.equal(result.end, "finished");
    assert.equal(result.step, 12);
    const steps = (await linesOf(out)).map(({ step }) => step);
    assert.deepEqual(steps, [3, 6, 6, 9, 12, 12]);
    const model = decodeModel(await Deno.readFile(`${out}/${RUN_FILES.model}`));
    assert.equal(model.step, 12);
    assert.ok(model.isAverage);
    assert.equal(model.config.output.size, 2 * 9);
  });
});

Deno.test("train --resume goes on as if there had been no break", async () => {
  await withFolder(async (folder) => {
    const config = await prepare(folder);
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    const train = (...args: string[]) => run(trainCommand, "--config", config, "--json", ...args);
    assert.equal((await train("--output", whole)).code, 0);
    const part = await train("--output", parts, "--steps", "7");
    assert.equal(JSON.parse(part.out).end, "interrupted");
    const past = await train("--output", parts, "--resume", "--steps", "7");
    assert.equal(past.code, 1);
    assert.match(past.error, /--steps is "7", expected more than the 7 steps of the checkpoint/);
    assert.equal((await train("--output", parts, "--resume")).code, 0);
    const modelOf = (out: string) => Deno.readFile(`${out}/${RUN_FILES.model}`);
    assert.deepEqual(await modelOf(parts), await modelOf(whole));
    assert.deepEqual(await linesOf(parts), await linesOf(whole));
    const again = await train("--output", parts);
    assert.equal(again.code, 1);
    assert.match(
      again.error,
      /output is ".*", expected a folder without a checkpoint, or --resume/,
    );
    const other = await prepare(folder, { training: { ...TRAINING, batch: 5 } });
    const refused = await run(trainCommand, "--config", other, "--output", parts, "--resume");
    assert.match(refused.error, /config\.training\.batch is "5", expected 4 as in the checkpoint/);
  });
});

Deno.test("train --dashboard says where it shows itself, and ends with the training", async () => {
  await withFolder(async (folder) => {
    const config = await prepare(folder);
    const out = `${folder}/run`;
    const ran = await run(trainCommand, "--config", config, "--output", out, "--dashboard", "0");
    assert.equal(ran.code, 0, ran.error);
    const url = /shows itself at (http:\/\/127\.0\.0\.1:\d+)/.exec(ran.error)![1]!;
    await assert.rejects(fetch(url), TypeError);
    assert.match(ran.out, /^finished after 12 steps, \d+ parameters$/m);
    const wrong = await run(trainCommand, "--config", config, "--output", out, "--dashboard", "x");
    assert.equal(wrong.code, 2);
  });
});

Deno.test("train refuses what it cannot do", async () => {
  assert.equal((await run(trainCommand)).code, 2);
  await withFolder(async (folder) => {
    const config = await prepare(folder, { model: { width: 6, layers: ["mamba3"] } });
    const unknown = await run(trainCommand, "--config", config, "--output", `${folder}/out`);
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.error,
      /config\.model\.layers\[0\]\.name is "mamba3", expected one of .*mamba/,
    );
    const nowhere = await run(trainCommand, "--config", config);
    assert.match(nowhere.error, /--output is missing/);
    const absent = await run(trainCommand, "--config", `${folder}/none.json`);
    assert.equal(absent.code, 1);
  });
});

Deno.test("the example configurations of the documents run", async () => {
  const examples = list("docs/examples/train_*.json");
  assert.ok(examples.length > 0);
  await withFolder(async (folder) => {
    for (const [i, example] of examples.entries()) {
      const out = `${folder}/${i}`;
      const args = ["--config", `${ROOT}/${example}`, "--output", out, "--steps", "2", "--json"];
      const ran = await run(trainCommand, ...args);
      assert.equal(ran.code, 0, ran.error);
      const model = decodeModel(await Deno.readFile(`${out}/${RUN_FILES.model}`));
      assert.equal(model.step, 2);
    }
  });
});

Deno.test({
  name: "Ctrl-C ends a training with a checkpoint and says how to go on",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withFolder(async (folder) => {
      const training = { ...TRAINING, steps: 100_000, saveEvery: 100_000 };
      const config = await prepare(folder, { training });
      const out = `${folder}/run`;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "main.ts", "train", "--config", config, "--output", out],
        cwd: ROOT,
        stdout: "piped",
        stderr: "piped",
        env: { NO_COLOR: "1" },
      }).spawn();
      const metrics = `${out}/${RUN_FILES.metrics}`;
      const isUnderWay = async () => (await Deno.readTextFile(metrics).catch(() => "")).length > 0;
      while (!await isUnderWay()) await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill("SIGINT");
      const { code, stdout, stderr } = await child.output();
      const said = new TextDecoder().decode(stdout);
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.match(said, /^interrupted after \d+ steps/);
      assert.match(
        said,
        new RegExp(`Go on with: deno task driftline train --config ${config} .*--resume`),
      );
      const { step } = decodeCheckpoint(await Deno.readFile(`${out}/${RUN_FILES.checkpoint}`));
      assert.ok(step > 0 && step < 100_000);
    });
  },
});
