import assert from "node:assert/strict";
import {
  forgetCheckpoints,
  keepRecords,
  readRecords,
  textOf,
} from "../../../src/cli/evaluate/store.ts";
import { withFolder } from "../_run.ts";
import { record } from "./_records.ts";

Deno.test("keepRecords() adds to what is there, and makes the folder", async () => {
  await withFolder(async (folder) => {
    const results = `${folder}/deep/results`;
    assert.deepEqual(await readRecords(results, "dev"), []);
    await keepRecords(results, "dev", [record("a", "given", { t: 1 })]);
    await keepRecords(results, "dev", [record("b", "given", { t: 2 })]);
    await keepRecords(results, "dev", [record("a", "given", { t: 3 })]);
    const kept = await readRecords(results, "dev");
    assert.deepEqual(kept.map(({ model, tasks }) => [model, tasks.t!.mase]), [["a", 3], ["b", 2]]);
    assert.deepEqual(await readRecords(results, "second"), []);
    assert.equal(await textOf(`${results}/none`), null);
  });
});

Deno.test("forgetCheckpoints() drops those of another training, and nothing else", async () => {
  await withFolder(async (folder) => {
    const names = ["neural", "neural@1", "neural@2", "neural_mamba@1", "committee"];
    await keepRecords(folder, "dev", names.map((name) => record(name, "given", { t: 1 })));
    await forgetCheckpoints(folder, "dev", ["committee"]);
    assert.equal((await readRecords(folder, "dev")).length, 5);
    await forgetCheckpoints(folder, "dev", ["neural@2", "neural@3"]);
    assert.deepEqual(
      (await readRecords(folder, "dev")).map(({ model }) => model),
      ["committee", "neural", "neural@2", "neural_mamba@1"],
    );
  });
});
