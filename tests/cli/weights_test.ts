import assert from "node:assert/strict";
import { addWeights, weightsCommand } from "../../src/cli/weights.ts";
import { readManifest, readWeights } from "../../src/service/weights.ts";
import { drawnNetwork } from "../models/neural/_network.ts";
import { run } from "./_run.ts";

Deno.test("addWeights() puts a network into folder and manifest, in place of its namesake", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/given.safetensors`;
  await Deno.writeFile(file, drawnNetwork({}, 1));
  await addWeights(`${folder}/weights`, "b", file);
  await addWeights(`${folder}/weights`, "a", file);
  await Deno.writeFile(file, drawnNetwork({}, 2));
  await addWeights(`${folder}/weights`, "b", file);
  assert.deepEqual(readManifest(`${folder}/weights`).map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(readWeights(`${folder}/weights`).get("b"), drawnNetwork({}, 2));
  const listed = await run(weightsCommand, "--folder", `${folder}/weights`, "--json");
  assert.equal(JSON.parse(listed.out).networks.length, 2);
  const refused = await run(weightsCommand, "--folder", folder, "--add", file, "--name", "A B");
  assert.notEqual(refused.code, 0);
  const half = await run(weightsCommand, "--add", file);
  assert.equal(half.code, 2);
  const none = await run(weightsCommand, "--folder", folder);
  assert.match(none.out, /No networks in/);
  await Deno.remove(folder, { recursive: true });
});
