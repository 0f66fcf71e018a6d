import assert from "node:assert/strict";
import {
  readSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "../../../src/base/safetensors.ts";
import { seedRandom } from "../../../src/base/random.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { decodeWeights, encodeWeights, neuralCount } from "../../../src/models/neural/weights.ts";

const config = parseNeural({ kind: "s5", width: 8, depth: 1, state: 4, mlp: 6, head: 5 });
const tensors = networkOf(config).init(seedRandom(1));
const bytes = encodeWeights({ config, tensors, step: 7 }, "f16");

Deno.test("decodeWeights() reads what encodeWeights() wrote, rounded to 16 bits", () => {
  const read = decodeWeights(bytes);
  assert.deepEqual(read.config, config);
  assert.equal(read.step, 7);
  assert.deepEqual(Object.keys(read.tensors).sort(), Object.keys(tensors).sort());
  let count = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    assert.deepEqual(read.tensors[name]!.shape, shape);
    // What sets a memory keeps 32 bits.
    const isClock = /logDt|lambda/.test(name);
    const kept = isClock ? Math.fround : Math.f16round;
    data.forEach((value, i) => assert.equal(read.tensors[name]!.data[i], kept(value)));
    count += data.length;
  }
  assert.equal(neuralCount(config), count);
});

Deno.test("decodeWeights() refuses what is not the network that the file says", () => {
  const { tensors: entries, metadata } = readSafetensors(bytes);
  const changed = (
    change: (entries: Map<string, SafetensorsEntry>) => void,
    rest: Record<string, string> = {},
  ) => {
    const copy = new Map(entries);
    change(copy);
    return () => decodeWeights(writeSafetensors(copy, { ...metadata, ...rest }));
  };
  assert.throws(changed((map) => map.delete("decoder.out.bias")), /decoder\.out\.bias/);
  assert.throws(
    changed((map) => map.set("more", map.get("decoder.out.bias")!)),
    /more is "a tensor", expected no tensor of this name/,
  );
  assert.throws(
    changed((map) => map.set("decoder.out.bias", map.get("decoder.mlp.bias")!)),
    /decoder\.out\.bias\.shape/,
  );
  assert.throws(
    changed((map) => {
      const { shape } = map.get("decoder.mlp.bias")!;
      map.set("decoder.mlp.bias", { dtype: "F16", shape, bytes: new Uint8Array(10).fill(0x7c) });
    }),
    /decoder\.mlp\.bias\[0\]/,
  );
  assert.throws(changed(() => {}, { configHash: "0" }), /metadata\.configHash/);
  assert.throws(changed(() => {}, { format: "other" }), /metadata\.format/);
  assert.throws(() => decodeWeights(bytes.subarray(0, 40)), SyntaxError);
});
