import assert from "node:assert/strict";
import {
  manifestText,
  readManifest,
  readWeights,
  serveShippedWeights,
  shippedWeights,
  WEIGHTS_BYTES_MAX,
  WEIGHTS_FOLDER,
  WEIGHTS_VARIABLE,
  type WeightsEntry,
  weightsEntry,
} from "../../src/service/weights.ts";
import { modelNames } from "../../src/models/mod.ts";
import { drawnNetwork } from "../models/neural/_network.ts";

/** A folder with one network, whose manifest entry is changed. */
async function folderWith(
  change: Partial<WeightsEntry>,
  run: (folder: string) => void,
  bytes = drawnNetwork(),
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/lti.safetensors`, bytes);
    const entry = { ...weightsEntry("lti", drawnNetwork()), ...change };
    await Deno.writeTextFile(`${folder}/manifest.json`, manifestText([entry]));
    run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readWeights() gives the files of a manifest", async () => {
  await folderWith({}, (folder) => {
    assert.deepEqual(readWeights(folder), new Map([["lti", drawnNetwork()]]));
    assert.equal(
      readManifest(folder)[0]!.parameters,
      weightsEntry("lti", drawnNetwork()).parameters,
    );
    assert.deepEqual(shippedWeights(folder).size, 1);
  });
});

Deno.test("readWeights() of a folder without a manifest, or that is not there, is nothing", async () => {
  const folder = await Deno.makeTempDir();
  assert.equal(readWeights(folder).size, 0);
  assert.equal(readWeights(`${folder}/nowhere`).size, 0);
  await Deno.remove(folder);
  assert.equal(shippedWeights("none").size, 0);
});

Deno.test("readWeights() refuses a file that is not the manifest's, by name", async () => {
  const refused = (change: Partial<WeightsEntry>, message: RegExp, bytes = drawnNetwork()) =>
    folderWith(change, (folder) => assert.throws(() => readWeights(folder), message), bytes);
  await refused({}, /lti\.safetensors\.sha256 is/, drawnNetwork({}, 2));
  await refused({ parameters: 5 }, /lti\.safetensors\.parameters is/);
  await refused({ kind: "mamba" }, /lti\.safetensors\.kind is "s5"/);
  await refused({ configHash: "0".repeat(64) }, /lti\.safetensors\.configHash is/);
  await refused({ bytes: 10 }, /lti\.safetensors/);
  await refused({ file: "other.safetensors" }, /other\.safetensors is missing/);
  await refused({ file: "../lti.safetensors" }, /networks\[0\]\.file is/);
  await refused({ name: "LTI" }, /networks\[0\]\.name is "LTI"/);
  await refused({ bytes: WEIGHTS_BYTES_MAX + 1 }, /WEIGHTS_BYTES_MAX/);
});

Deno.test("readManifest() refuses what is no manifest", async () => {
  const folder = await Deno.makeTempDir();
  const write = (text: string) => Deno.writeTextFileSync(`${folder}/manifest.json`, text);
  write("{");
  assert.throws(() => readManifest(folder), /expected JSON/);
  write(JSON.stringify({ format: "other", networks: [] }));
  assert.throws(() => readManifest(folder), /format is "other"/);
  const entry = weightsEntry("lti", drawnNetwork());
  write(manifestText([entry, entry]));
  assert.throws(() => readManifest(folder), /networks\[1\]\.name is "lti"/);
  write(" ".repeat(100_000));
  assert.throws(() => readManifest(folder), /manifest\.json/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("serveShippedWeights() serves what comes with the program, if anything does", () => {
  const shipped = [...readWeights(WEIGHTS_FOLDER).keys()];
  const before = Deno.env.get(WEIGHTS_VARIABLE);
  Deno.env.delete(WEIGHTS_VARIABLE);
  serveShippedWeights();
  serveShippedWeights();
  if (before !== undefined) Deno.env.set(WEIGHTS_VARIABLE, before);
  for (const name of shipped) assert.ok(modelNames().includes(name), name);
});
