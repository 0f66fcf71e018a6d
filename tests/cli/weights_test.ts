import assert from "node:assert/strict";
import { addWeights, weightsCommand } from "../../src/cli/weights.ts";
import { readManifest, readWeights, WEIGHTS_VARIABLE } from "../../src/service/weights.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { averageWeights } from "../../src/models/neural/average.ts";
import { decodeWeights } from "../../src/models/neural/weights.ts";
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
  const before = Deno.env.get(WEIGHTS_VARIABLE);
  try {
    Deno.env.set(WEIGHTS_VARIABLE, `${folder}/weights`);
    assert.equal(JSON.parse((await run(weightsCommand, "--json")).out).folder, `${folder}/weights`);
  } finally {
    if (before === undefined) Deno.env.delete(WEIGHTS_VARIABLE);
    else Deno.env.set(WEIGHTS_VARIABLE, before);
  }
  const none = await run(weightsCommand, "--folder", folder);
  assert.match(none.out, /No networks in/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("weights --average writes the mean and the hashes of its parts", async () => {
  const folder = await Deno.makeTempDir();
  const parts = [1, 2].map((seed) => drawnNetwork({}, seed));
  const files = parts.map((_, k) => `${folder}/${k}.safetensors`);
  for (const [k, file] of files.entries()) await Deno.writeFile(file, parts[k]!);
  const output = `${folder}/mean.safetensors`;
  const done = await run(weightsCommand, "--average", ...files, "--output", output);
  assert.equal(done.code, 0);
  const read = decodeWeights(await Deno.readFile(output));
  assert.deepEqual(read.tensors, averageWeights(parts.map(decodeWeights)).tensors);
  assert.deepEqual(read.averageOf, parts.map((part) => sha256Hex(part)));
  await Deno.writeFile(files[1]!, drawnNetwork({ depth: 3 }, 2));
  const refused = await run(weightsCommand, "--average", ...files, "--output", output);
  assert.equal(refused.code, 1);
  assert.match(refused.error, /networks\[1\]\.config\.depth/);
  assert.equal((await run(weightsCommand, "--average", ...files)).code, 2);
  assert.equal((await run(weightsCommand, ...files)).code, 2);
  await Deno.remove(folder, { recursive: true });
});
