import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { BACKBONE_CHECKPOINTS as store } from "../../../src/cli/train/run_folder.ts";
import { openRunFolder, RUN_FILES } from "../../../src/cli/train/run_folder.ts";
import { backboneOf } from "../../../src/models/backbone.ts";
import { parseBackbone } from "../../../src/models/backbone_config.ts";
import type { Checkpoint } from "../../../src/models/checkpoint.ts";
import { withFolder } from "../_run.ts";

const config = parseBackbone({
  input: { kind: "signal", feature: 1 },
  width: 4,
  layers: [{ name: "s4d", config: { state: 2 } }],
  output: { size: 1 },
});
const checkpoint: Checkpoint = {
  config,
  tensors: Object.fromEntries(
    Object.entries(backboneOf(config).init(seedRandom(1))).map(([name, t]) => [
      `weights/${name}`,
      t,
    ]),
  ),
  step: 4,
  seed: 1,
  training: {},
};

Deno.test("openRunFolder() goes on from its checkpoint, without lines of later steps", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/run`;
    const { folder: run } = await openRunFolder(path, { a: 1 }, false, store);
    await run.saveCheckpoint(checkpoint);
    for (const step of [2, 4, 6]) run.log({ step, evaluation: { loss: 1 } });
    await Deno.writeTextFile(`${path}/${RUN_FILES.metrics}`, '{"step":', { append: true });
    const again = await openRunFolder(path, { a: 1 }, true, store);
    assert.deepEqual(again.checkpoint, checkpoint);
    again.folder.log({ step: 5, evaluation: { loss: 2 } });
    const lines = (await Deno.readTextFile(`${path}/${RUN_FILES.metrics}`)).trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line).step), [2, 4, 5]);
    assert.deepEqual(again.folder.known.map(({ step }) => step), [2, 4]);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(`${path}/${RUN_FILES.config}`)), { a: 1 });
  });
});

Deno.test("openRunFolder() writes nothing where the checkpoint is refused", async () => {
  await withFolder(async (folder) => {
    const { folder: run } = await openRunFolder(folder, { a: 1 }, false, store);
    await run.saveCheckpoint(checkpoint);
    run.log({ step: 6, evaluation: { loss: 1 } });
    const files = () =>
      Object.values(RUN_FILES).slice(0, 3).map((name) =>
        Deno.readTextFileSync(`${folder}/${name}`)
      );
    const before = files();
    const refuse = () => {
      throw new RangeError("another training");
    };
    await assert.rejects(openRunFolder(folder, { a: 2 }, true, store, refuse), /another training/);
    assert.deepEqual(files(), before);
    await assert.rejects(openRunFolder(`${folder}/none`, {}, true, store), { field: "output" });
    assert.ok(![...Deno.readDirSync(folder)].some(({ name }) => name === "none"));
  });
});

Deno.test("openRunFolder() loses no checkpoint and resumes none that is not there", async () => {
  await withFolder(async (folder) => {
    await assert.rejects(openRunFolder(folder, {}, true, store), { field: "output" });
    const { folder: run } = await openRunFolder(folder, {}, false, store);
    await run.saveCheckpoint(checkpoint);
    await assert.rejects(openRunFolder(folder, {}, false, store), {
      field: "output",
      message: /--resume/,
    });
  });
});
