import assert from "node:assert/strict";
import { DEFAULT_MODEL, MODEL_NAMES, modelHash, modelNamed } from "../../src/models/mod.ts";
import { channel } from "./_series.ts";

Deno.test("modelNamed() knows every name and says which there are", () => {
  assert.equal(MODEL_NAMES[0], DEFAULT_MODEL);
  for (const name of MODEL_NAMES) assert.match(modelNamed(name).name, new RegExp(`^${name}/\\d+$`));
  assert.throws(() => modelNamed("prophet"), /model is "prophet", expected one of committee, /);
  assert.throws(() => modelNamed("toString"), /model is "toString"/);
});

Deno.test("modelHash() changes with model and configuration, and with nothing else", () => {
  const hash = modelHash("committee", channel());
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(modelHash("committee", channel()), hash);
  assert.notEqual(modelHash("structural", channel()), hash);
  assert.notEqual(modelHash("committee", channel({ horizon: 13 })), hash);
  assert.notEqual(modelHash("committee", channel({ lower: 0 })), hash);
  assert.notEqual(modelHash("committee", channel({ epochNs: 1n })), hash);
});
