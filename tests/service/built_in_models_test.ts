import assert from "node:assert/strict";
import { sha256Hex } from "../../src/base/hash.ts";
import { COMMITTEE_NETWORKS, MODEL_NAMES, modelNamed, setModel } from "../../src/models/mod.ts";
import { builtInModels, inspectNetwork } from "../../src/service/built_in_models.ts";
import { smallNetwork } from "./_network.ts";

/** A network that the committee hears. */
const VOICE = COMMITTEE_NETWORKS[0]!;

Deno.test("builtInModels() lists every model of the hub, and the networks that are shipped", () => {
  const bare = builtInModels(new Map());
  assert.deepEqual(bare.map(({ name }) => name), MODEL_NAMES);
  assert.ok(bare.every(({ parameters, stateBytesMax }) => parameters === 0 && stateBytesMax > 0));
  const shipped = builtInModels(new Map([[VOICE, smallNetwork()]]));
  const { parameters, hash, kind } = shipped.at(-1)!;
  assert.equal(hash, sha256Hex(smallNetwork()));
  assert.equal(kind, "s5");
  assert.ok(parameters > 0);
  // The committee hears it: its own behaviour is another one.
  assert.equal(shipped[0]!.parameters, parameters);
  assert.notEqual(shipped[0]!.hash, bare[0]!.hash);
  assert.ok(shipped[0]!.stateBytesMax > bare[0]!.stateBytesMax);
});

Deno.test("builtInModels() tells the bounds of the models that serve, without serving them", () => {
  const told = builtInModels(new Map([[VOICE, smallNetwork()]]));
  assert.throws(() => modelNamed(VOICE));
  setModel(VOICE, smallNetwork());
  try {
    for (const { name, stateBytesMax } of told) {
      assert.equal(stateBytesMax, modelNamed(name).stateBytesMax, name);
    }
  } finally {
    setModel(VOICE, null);
  }
});

Deno.test("inspectNetwork() refuses files that are no networks", () => {
  assert.throws(() => inspectNetwork("a", new Uint8Array(3)), SyntaxError);
  const cut = smallNetwork().subarray(0, -4);
  assert.throws(() => inspectNetwork("a", cut), SyntaxError);
});
