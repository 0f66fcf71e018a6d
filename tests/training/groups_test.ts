import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { LAYERS } from "../../src/layers/mod.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { byGroup, groupOf } from "../../src/training/groups.ts";

const NAMES = Object.keys(
  backboneOf(parseBackbone({
    input: { kind: "tokens", vocabulary: 4 },
    width: 8,
    layers: LAYERS.map(({ name }) => name),
    mlp: 4,
    norm: "layer",
    output: { size: 2 },
  })).init(seedRandom(1)),
);

Deno.test("groupOf() tells the parameters of every member's system", () => {
  const system = NAMES.filter((name) => groupOf(name) === "system");
  const leaves = new Set(system.map((name) => name.slice(name.lastIndexOf(".") + 1)));
  assert.deepEqual([...leaves].sort(), [
    ...["A", "B", "P", "alpha", "beta", "delta", "dtBias", "frequency", "lambdaIm", "lambdaRe"],
    ...["logA", "logDecay", "logDeviation", "logDt", "logFrequency"],
  ]);
  assert.ok(system.every((name) => name.includes(".mixer.")));
});

Deno.test("groupOf() gives decay to matrices and embeddings only", () => {
  const weights = NAMES.filter((name) => groupOf(name) === "weight");
  for (const name of ["embedding", "output.weight", "layers.0.mlp.up", "layers.0.mixer.inProj"]) {
    assert.ok(weights.includes(name), name);
  }
  assert.ok(weights.every((name) => !/norm\.|bias$|\.D$/i.test(name)), `${weights}`);
});

Deno.test("byGroup() leaves decay out and slows systems down", () => {
  const rule = byGroup(0.25);
  assert.deepEqual(rule("layers.0.mixer.logDt"), { decay: 0, rateScale: 0.25 });
  assert.deepEqual(rule("layers.0.norm.weight"), { decay: 0 });
  assert.deepEqual(rule("output.weight"), {});
  assert.throws(() => byGroup(0), { field: "systemRate" });
});
