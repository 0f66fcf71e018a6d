import assert from "node:assert/strict";
import { measureDetection, readDetection } from "../../../../src/cli/evaluate/detection/run.ts";
import { withFolder } from "../../_run.ts";

Deno.test("measureDetection() measures nothing where the data is not there", async () => {
  await withFolder(async (folder) => {
    const given = { results: folder, commit: "c", jobs: 1, nowMs: () => 0, onProgress: () => {} };
    assert.equal(await measureDetection({ ...given, data: `${folder}/none` }), null);
    assert.equal(await readDetection(folder), null);
    await Deno.writeTextFile(`${folder}/detection.json`, '{"commit":"d"}');
    assert.equal((await readDetection(folder))!.commit, "d");
  });
});
