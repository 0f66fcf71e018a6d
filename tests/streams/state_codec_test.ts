import assert from "node:assert/strict";
import { StateMismatchError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { DEFAULT_SETTINGS } from "../../src/stores/store.ts";
import {
  emptyEnvelope,
  type Envelope,
  modelHashOf,
  packEnvelope,
  readEnvelope,
} from "../../src/streams/state_codec.ts";

const envelope: Envelope = {
  ...emptyEnvelope("hash"),
  epochNs: -5n,
  lastNs: 7n,
  previousNs: 6n,
  sampleCount: 3,
  channels: [{ name: "a", epochNs: -5n, state: { mean: new Float64Array([1, NaN]), n: 2 } }],
  detector: { channels: 1, state: [1, "two", null] },
};

Deno.test("readEnvelope() gives back what packEnvelope() took", () => {
  const { bytes, stateHash } = packEnvelope(envelope);
  assert.equal(stateHash, sha256Hex(bytes));
  assert.deepEqual(readEnvelope(bytes, "hash"), envelope);
  assert.equal(packEnvelope(readEnvelope(bytes, "hash")).stateHash, stateHash);
});

Deno.test("readEnvelope() refuses another model's state and damaged bytes", () => {
  const { bytes } = packEnvelope(envelope);
  assert.throws(() => readEnvelope(bytes, "other"), StateMismatchError);
  assert.throws(() => readEnvelope(bytes.subarray(0, bytes.length - 1), "hash"), SyntaxError);
});

Deno.test("modelHashOf() does not depend on the order in which ranges are declared", () => {
  const hash = (channels: typeof DEFAULT_SETTINGS["channels"]) =>
    modelHashOf({ ...DEFAULT_SETTINGS, channels }, "m/1", null);
  assert.equal(
    hash({ a: { lower: 0 }, b: { upper: 1 } }),
    hash({ b: { upper: 1 }, a: { lower: 0 } }),
  );
  assert.notEqual(hash({ a: { lower: 0 } }), hash({ a: { upper: 0 } }));
  assert.notEqual(hash({}), modelHashOf(DEFAULT_SETTINGS, "m/2", null));
  const missing = hash({ a: { missing: [-999, 0] } });
  assert.equal(hash({ a: { missing: [0, -999] } }), missing);
  assert.notEqual(hash({ a: { missing: [0] } }), missing);
  assert.equal(hash({ a: { missing: [] } }), hash({ a: {} }));
  const flags = { coolDownS: 5, effectMin: 1 };
  const told = modelHashOf({ ...DEFAULT_SETTINGS, flags }, "m/1", null);
  assert.notEqual(hash({}), told);
  const turned = { effectMin: 1, coolDownS: 5 };
  assert.equal(modelHashOf({ ...DEFAULT_SETTINGS, flags: turned }, "m/1", null), told);
  assert.notEqual(hash({}), modelHashOf(DEFAULT_SETTINGS, "m/1", "d/1"));
});
