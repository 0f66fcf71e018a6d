import assert from "node:assert/strict";
import { NEURAL_CHECKPOINTS, planNeural } from "../../../src/cli/train/neural_session.ts";
import { snapshotFile } from "../../../src/cli/train/neural_session.ts";
import { parseTrainConfig, type PretrainingConfig } from "../../../src/cli/train/config.ts";
import { trainCommand } from "../../../src/cli/train.ts";
import { decodeWeights } from "../../../src/models/neural/weights.ts";
import { encodePack } from "../../../datasets/pretraining/mod.ts";
import { list, ROOT } from "../../_source.ts";
import { run, withFolder } from "../_run.ts";

const MODEL = { kind: "s5", width: 8, depth: 2, state: 8, mlp: 8, head: 8 };
const DATA = { kind: "pretraining", length: 40, picks: 3, leads: 2, recipe: { realShare: 0 } };
const SCHEDULE = { kind: "warmupStableDecay", rate: 0.003, warmup: 4, decay: 6 };
const TRAINING = { steps: 14, batch: 4, seed: 3, schedule: SCHEDULE, logEvery: 1, saveEvery: 5 };

async function prepare(folder: string, change: object = {}, name = "config"): Promise<string> {
  const path = `${folder}/${name}.json`;
  const config = { model: MODEL, data: DATA, training: TRAINING, device: "cpu", ...change };
  await Deno.writeTextFile(path, JSON.stringify(config));
  return path;
}

/** The lines of a run without what the clock says. */
async function linesOf(folder: string) {
  const text = await Deno.readTextFile(`${folder}/metrics.jsonl`);
  return text.trimEnd().split("\n").map((line) => {
    const { elapsedS: _, samplesPerS: __, windowsPerS, feedWait, ...rest } = JSON.parse(line);
    if (rest.evaluation === undefined) assert.ok(windowsPerS > 0 && feedWait >= 0);
    return rest;
  });
}

const train = (...args: string[]) => run(trainCommand, "--json", ...args);

Deno.test("train: same seed, same first 100 losses bit for bit, whatever the workers", async () => {
  await withFolder(async (folder) => {
    const losses: number[][] = [];
    const heldOut: number[][] = [];
    for (const workers of [1, 3]) {
      const evaluation = { every: 10, examples: 32 };
      const training = { ...TRAINING, steps: 100, saveEvery: 1000, evaluation };
      const data = { ...DATA, workers };
      const config = await prepare(folder, { data, training }, `workers${workers}`);
      const ran = await train("--config", config, "--output", `${folder}/${workers}`);
      assert.equal(ran.code, 0, ran.error);
      const lines = await linesOf(`${folder}/${workers}`);
      losses.push(lines.filter(({ loss }) => loss !== undefined).map(({ loss }) => loss));
      heldOut.push(lines.flatMap(({ evaluation }) => evaluation?.loss ?? []));
    }
    assert.equal(losses[0]!.length, 100);
    assert.ok(losses[0]!.every(Number.isFinite));
    assert.deepEqual(losses[0], losses[1]);
    assert.deepEqual(heldOut[0], heldOut[1]);
    assert.equal(heldOut[0]!.length, 10);
    assert.ok(heldOut[0]!.at(-1)! < heldOut[0]![0]!, "it learns");
  });
});

Deno.test("train --resume on a neural forecaster is the uninterrupted run", async () => {
  await withFolder(async (folder) => {
    const evaluation = { every: 7, examples: 6 };
    const training = { ...TRAINING, evaluation, snapshots: [6, 14], accumulate: 2, emaDecay: 0.9 };
    const config = await prepare(folder, { training });
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    assert.equal((await train("--config", config, "--output", whole)).code, 0);
    const part = await train("--config", config, "--output", parts, "--steps", "6");
    assert.equal(JSON.parse(part.out).end, "interrupted");
    const rest = await train("--config", config, "--output", parts, "--resume");
    assert.equal(JSON.parse(rest.out).end, "finished", rest.error);
    assert.deepEqual(await linesOf(parts), await linesOf(whole));
    for (const name of ["model.safetensors", snapshotFile(6), snapshotFile(14)]) {
      const [a, b] = await Promise.all(
        [whole, parts].map((out) => Deno.readFile(`${out}/${name}`)),
      );
      assert.deepEqual(a, b, name);
    }
    const { step, config: model } = decodeWeights(
      await Deno.readFile(`${whole}/${snapshotFile(14)}`),
    );
    assert.equal(step, 14);
    assert.equal(model.kind, "s5");
    const [a, b] = await Promise.all([whole, parts].map((out) => NEURAL_CHECKPOINTS.read(out)));
    assert.deepEqual(a!.tensors, b!.tensors);
  });
});

Deno.test("train --resume may lay the decay anew as long as it has not begun", async () => {
  await withFolder(async (folder) => {
    const config = await prepare(folder);
    const schedule = { ...SCHEDULE, decay: 3 };
    const training = { ...TRAINING, steps: 11, schedule };
    const shorter = await prepare(folder, { training }, "shorter");
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    assert.equal((await train("--config", shorter, "--output", whole)).code, 0);
    assert.equal((await train("--config", config, "--output", parts, "--steps", "8")).code, 0);
    const rest = await train("--config", shorter, "--output", parts, "--resume");
    assert.equal(rest.code, 0, rest.error);
    assert.deepEqual(await linesOf(parts), await linesOf(whole));
    const late = `${folder}/late`;
    assert.equal((await train("--config", config, "--output", late, "--steps", "9")).code, 0);
    const refused = await train("--config", shorter, "--output", late, "--resume");
    assert.match(refused.error, /config\.training\.steps is "11", expected 14/);
    const other = await prepare(folder, { training: { ...TRAINING, batch: 5 } }, "other");
    const another = await train("--config", other, "--output", late, "--resume");
    assert.match(another.error, /config\.training\.batch is "5", expected 4/);
  });
});

Deno.test("train begins with the weights of training.start, and resumes as such", async () => {
  await withFolder(async (folder) => {
    const plain = await prepare(folder);
    const first = `${folder}/first`;
    assert.equal((await train("--config", plain, "--output", first)).code, 0);
    const start = `${first}/model.safetensors`;
    const begin = decodeWeights(await Deno.readFile(start));
    const training = { ...TRAINING, seed: 4, saveEvery: 100, start };
    const config = await prepare(folder, { training }, "next");
    const parsed = parseTrainConfig(await Deno.readTextFile(config));
    const plan = await planNeural(parsed, parsed.data as PretrainingConfig);
    assert.deepEqual(plan.start, begin.tensors);
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    assert.equal((await train("--config", config, "--output", whole)).code, 0);
    assert.equal((await train("--config", config, "--output", parts, "--steps", "6")).code, 0);
    const rest = await train("--config", config, "--output", parts, "--resume");
    assert.equal(rest.code, 0, rest.error);
    assert.deepEqual(await linesOf(parts), await linesOf(whole));
    const fresh = await prepare(folder, { training: { ...training, start: undefined } }, "fresh");
    assert.equal((await train("--config", fresh, "--output", `${folder}/fresh`)).code, 0);
    const [on, anew] = await Promise.all([whole, `${folder}/fresh`].map(linesOf));
    assert.notEqual(on![0].loss, anew![0].loss);
    assert.equal(on![0].rate, anew![0].rate, "warm-up and optimizer begin anew");
    const refused = await train("--config", fresh, "--output", whole, "--resume");
    assert.match(refused.error, /config\.training\.start/);
    const narrow = { ...MODEL, width: 6 };
    const other = await prepare(folder, { model: narrow, training }, "other");
    const wrong = await train("--config", other, "--output", `${folder}/other`);
    assert.match(wrong.error, /config\.model\.width is "6", expected 8 as in .*model\.safetensors/);
  });
});

Deno.test("train --until-s ends a run with a checkpoint", async () => {
  await withFolder(async (folder) => {
    const training = { ...TRAINING, steps: 1_000_000, logEvery: 10, saveEvery: 1_000_000 };
    const config = await prepare(folder, { training });
    const out = `${folder}/out`;
    const ran = await train("--config", config, "--output", out, "--until-s", "1");
    const { end, step } = JSON.parse(ran.out);
    assert.equal(end, "interrupted");
    assert.equal((await NEURAL_CHECKPOINTS.read(out)).step, step);
  });
});

Deno.test("a checkpoint in several files leaves no part of an older one", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/checkpoint-3-2.safetensors`, new Uint8Array(4));
    const config = await prepare(folder);
    const out = `${folder}/out`;
    assert.equal((await train("--config", config, "--output", out)).code, 0);
    await Deno.writeFile(`${out}/checkpoint-3-2.safetensors`, new Uint8Array(4));
    await NEURAL_CHECKPOINTS.write(out, await NEURAL_CHECKPOINTS.read(out));
    const names = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
    assert.deepEqual(names, [
      "checkpoint.safetensors",
      "config.json",
      "metrics.jsonl",
      "model.safetensors",
    ]);
  });
});

Deno.test("train refuses minibatches that no memory has room for", async () => {
  await withFolder(async (folder) => {
    const data = { ...DATA, length: 2 ** 16, workers: 2 };
    const training = { ...TRAINING, batch: 65_536 };
    const config = await prepare(folder, { data, training });
    const ran = await train("--config", config, "--output", `${folder}/out`);
    assert.equal(ran.code, 1);
    assert.match(ran.error, /sizes is .*expected at most 268435456 numbers/);
  });
});

Deno.test("planNeural() reads a pack, and wants one where the recipe takes real series", async () => {
  await withFolder(async (folder) => {
    const parse = (data: object) => {
      const text = JSON.stringify({ model: MODEL, data: { ...DATA, ...data }, training: TRAINING });
      return parseTrainConfig(text);
    };
    const plan = (config: ReturnType<typeof parse>) =>
      planNeural(config, config.data as PretrainingConfig);
    await assert.rejects(plan(parse({ recipe: {} })), { field: "config.data.pack" });
    await assert.rejects(plan(parse({ recipe: { realShares: 1 } })), /config\.data\.recipe/);
    const values = Float32Array.from({ length: 300 }, (_, i) => i % 7);
    const about = { name: "a/b", source: "a", licence: "CC0", cutAt: null } as const;
    const bytes = encodePack([{ ...about, seasons: [7, 0], values }]);
    await Deno.writeFile(`${folder}/pack.bin`, bytes);
    const { source, settings } = await plan(parse({ recipe: {}, pack: `${folder}/pack.bin` }));
    assert.ok(source.real!.values.buffer instanceof SharedArrayBuffer);
    assert.deepEqual(Float32Array.from(source.real!.values), values);
    assert.equal((settings as { data: { pack: string } }).data.pack, source.real!.sha256);
  });
});

Deno.test("the pretraining examples of the documents are whole configurations", async () => {
  const examples = list("docs/examples/pretrain_*.json");
  assert.ok(examples.length >= 3);
  for (const path of examples) {
    const config = parseTrainConfig(await Deno.readTextFile(`${ROOT}/${path}`));
    const data = { ...config.data as PretrainingConfig, pack: undefined, recipe: { realShare: 0 } };
    const { sizes } = await planNeural(config, data as unknown as PretrainingConfig);
    assert.deepEqual(sizes, { batch: 192, length: 768, picks: 24, leads: 8 });
  }
});
