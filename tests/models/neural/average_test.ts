import assert from "node:assert/strict";
import { AVERAGED_MAX, averageWeights } from "../../../src/models/neural/average.ts";
import { decodeWeights, encodeWeights } from "../../../src/models/neural/weights.ts";
import { drawnNetwork } from "./_network.ts";

const drawn = (seed: number, over = {}) => decodeWeights(drawnNetwork(over, seed));

Deno.test("averageWeights() gives the mean of every parameter, taken in f64", () => {
  const networks = [drawn(1), drawn(2), { ...drawn(3), step: 70 }];
  const mean = averageWeights(networks);
  assert.deepEqual(mean.config, networks[0]!.config);
  assert.equal(mean.step, 70);
  assert.deepEqual(Object.keys(mean.tensors).sort(), Object.keys(networks[0]!.tensors).sort());
  for (const [name, { shape, data }] of Object.entries(mean.tensors)) {
    assert.deepEqual(shape, networks[0]!.tensors[name]!.shape);
    data.forEach((value, i) => {
      const sum = networks.reduce((total, { tensors }) => total + tensors[name]!.data[i]!, 0);
      assert.equal(value, Math.fround(sum / 3));
    });
  }
});

Deno.test("averageWeights() of a network and itself is the network", () => {
  assert.deepEqual(averageWeights([drawn(1), drawn(1)]).tensors, drawn(1).tensors);
});

Deno.test("averageWeights() refuses other configurations and versions by the field", () => {
  assert.throws(() => averageWeights([drawn(1), drawn(1, { head: 32 })]), /\[1\]\.config\.head/);
  assert.throws(
    () => averageWeights([drawn(1), drawn(2), { ...drawn(3), widenedFrom: 1 }]),
    /networks\[2\]\.config\.version/,
  );
  assert.throws(() => averageWeights([drawn(1)]), /networks/);
  assert.throws(() => averageWeights(Array(AVERAGED_MAX + 1).fill(drawn(1))), /2 to 64/);
});

Deno.test("encodeWeights() keeps the hashes of what was averaged", () => {
  const averageOf = ["a".repeat(64), "0".repeat(64)];
  const read = decodeWeights(encodeWeights({ ...drawn(1), averageOf }, "f32"));
  assert.deepEqual(read.averageOf, averageOf);
  assert.equal(drawn(1).averageOf, undefined);
  assert.throws(
    () => decodeWeights(encodeWeights({ ...drawn(1), averageOf: ["x"] }, "f32")),
    /averageOf/,
  );
});
