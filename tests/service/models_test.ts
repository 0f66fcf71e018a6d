import assert from "node:assert/strict";
import {
  ConflictError,
  InvalidValueError,
  LimitError,
  NotFoundError,
} from "../../src/base/errors.ts";
import { MODEL_BYTES_MAX, TRAINED_MODELS_MAX } from "../../src/service/models.ts";
import { BASE, makeJobs } from "./_tuning.ts";
import { withFolder } from "../_folder.ts";

const open = async (folder: string) => {
  const opened = makeJobs(folder);
  await opened.models.load();
  return opened;
};

const FROM = { base: "neural", job: "0123456789abcdef" };

Deno.test("a model outlives a restart, is served again, and goes with its files", async () => {
  await withFolder(async (folder) => {
    const { models } = await open(folder);
    const added = await models.add("mine", BASE, FROM);
    const again = await open(folder);
    assert.deepEqual(again.models.get("mine"), added);
    assert.deepEqual(again.served.get("mine"), BASE);
    assert.deepEqual(await again.models.file("mine"), BASE);
    assert.equal(await again.models.file("neural"), undefined);
    await again.models.remove("mine");
    assert.ok(!again.served.has("mine"));
    assert.throws(() => again.models.get("mine"), NotFoundError);
    assert.deepEqual([...Deno.readDirSync(`${folder}/models`)], []);
    await assert.rejects(() => again.models.remove("neural"), ConflictError);
    await assert.rejects(() => again.models.remove("mine"), NotFoundError);
  });
});

for (
  const [what, damage] of [
    [
      "a changed file",
      (path: string) => Deno.writeFileSync(`${path}.safetensors`, BASE.with(99, 1)),
    ],
    ["a cut file", (path: string) => Deno.truncateSync(`${path}.safetensors`, 100)],
    ["no file", (path: string) => Deno.removeSync(`${path}.safetensors`)],
    ["a foreign note", (path: string) => Deno.writeTextFileSync(`${path}.json`, '{"base": 1}')],
    ["a note that is none", (path: string) => Deno.writeTextFileSync(`${path}.json`, "{")],
    [
      "a huge file",
      (path: string) => Deno.truncateSync(`${path}.safetensors`, MODEL_BYTES_MAX + 1),
    ],
  ] as const
) {
  Deno.test(`a model of ${what} does not serve, and the others do`, async () => {
    await withFolder(async (folder) => {
      const { models } = await open(folder);
      await models.add("bad", BASE, FROM);
      await models.add("good", BASE, FROM);
      damage(`${folder}/models/bad`);
      const { models: again, served } = await open(folder);
      assert.throws(() => again.get("bad"), NotFoundError);
      assert.ok(again.get("good"));
      assert.deepEqual([...served.keys()], ["good"]);
    });
  });
}

Deno.test("a model whose name the program has taken since does not serve", async () => {
  await withFolder(async (folder) => {
    const { models } = await open(folder);
    await models.add("mine", BASE, FROM);
    for (const ending of ["json", "safetensors"]) {
      Deno.renameSync(`${folder}/models/mine.${ending}`, `${folder}/models/neural.${ending}`);
    }
    const { models: again, served } = await open(folder);
    assert.equal(again.get("neural").origin, "built-in");
    assert.equal(served.size, 0);
  });
});

Deno.test("add() refuses what is no model and keeps nothing of it", async () => {
  await withFolder(async (folder) => {
    const { models, served } = await open(folder);
    await assert.rejects(() => models.add("a", new Uint8Array(20), FROM), SyntaxError);
    await assert.rejects(() => models.add("../a", BASE, FROM), InvalidValueError);
    await assert.rejects(
      () => models.add("a", new Uint8Array(MODEL_BYTES_MAX + 1), FROM),
      LimitError,
    );
    assert.equal(served.size, 0);
    assert.deepEqual([...Deno.readDirSync(`${folder}/models`)], []);
  });
});

Deno.test("checkFree() refuses names that are taken, and one model too many", async () => {
  await withFolder(async (folder) => {
    const { models } = await open(folder);
    assert.throws(() => models.checkFree("committee"), ConflictError);
    assert.throws(() => models.checkFree("No"), InvalidValueError);
    for (let i = 0; i < TRAINED_MODELS_MAX; i++) {
      models.checkFree(`m${i}`);
      await models.add(`m${i}`, BASE, FROM);
    }
    assert.throws(() => models.checkFree("m0"), ConflictError);
    assert.throws(
      () => models.checkFree("more"),
      (error) => error instanceof LimitError && error.limitName === "TRAINED_MODELS_MAX",
    );
    assert.throws(() => models.require("more"), /model is "more", expected one of committee, /);
    models.require("m0");
  });
});
