import assert from "node:assert/strict";
import { LAYERS } from "../../src/layers/mod.ts";
import { backboneHash, canonicalJson, memberDefaults } from "../../src/models/backbone_config.ts";
import { memberNamed, parseBackbone } from "../../src/models/backbone_config.ts";

const GOOD = {
  input: { kind: "tokens", vocabulary: 16 },
  width: 32,
  layers: ["mamba2", { name: "s4d", config: { state: 16 } }, "attention"],
  output: { size: 16, pool: "last" },
};

Deno.test("parseBackbone() makes every layer's configuration whole", () => {
  const config = parseBackbone(GOOD);
  assert.deepEqual(config.layers.map(({ name }) => name), ["mamba2", "s4d", "attention"]);
  assert.equal(config.layers[1]!.config["state"], 16);
  assert.equal(config.layers[1]!.config["start"], "lin");
  assert.ok(config.layers.every(({ config }) => config["feature"] === 32));
  assert.equal(config.norm, "rms");
  // What was read may be read again: a checkpoint holds the whole configuration.
  assert.deepEqual(parseBackbone(JSON.parse(JSON.stringify(config))), config);
});

Deno.test("parseBackbone() names the field that is wrong", () => {
  const broken: [string, Record<string, unknown>][] = [
    ["model.width", { width: 0 }],
    ["model.widht", { widht: 32 }],
    ["model.layers", { layers: [] }],
    ["model.layers[0].name", { layers: ["mamba3"] }],
    ["model.layers[1].config.states", { layers: ["s4d", { name: "s4d", config: { states: 4 } }] }],
    ["model.layers[0].config.state", { layers: [{ name: "s4d", config: { state: 5 } }] }],
    ["model.layers[0].config.state", { layers: [{ name: "s4d", config: { state: "5" } }] }],
    ["model.layers[0].config.feature", { layers: [{ name: "s4d", config: { feature: 5 } }] }],
    ["model.output.pool", { output: { size: 2, pool: "max" } }],
    ["model.input.vocabulary", { input: { kind: "tokens", vocabulary: 1.5 } }],
    ["model.dropout", { dropout: 1 }],
  ];
  for (const [field, change] of broken) {
    const read = () => parseBackbone({ ...GOOD, ...change });
    assert.throws(read, { name: "InvalidValueError", field }, field);
  }
});

Deno.test("memberNamed() lists the members where there is none of the name", () => {
  for (const { name } of LAYERS) {
    assert.throws(() => memberNamed("mamba3"), new RegExp(`"mamba3".*\\b${name}\\b`));
  }
});

Deno.test("memberDefaults() are valid for every member at the usual widths", () => {
  for (const layer of LAYERS) {
    for (const width of [4, 12, 64, 96, 256]) {
      const config = memberDefaults(layer, width);
      layer.validate(config);
      assert.equal(config["feature"], width);
    }
  }
});

Deno.test("backboneHash() depends on what is said, not on the order of the keys", () => {
  const config = parseBackbone(GOOD);
  const { width, ...rest } = config;
  assert.equal(backboneHash({ ...rest, width }), backboneHash(config));
  assert.notEqual(backboneHash({ ...config, width: 64 }), backboneHash(config));
  assert.equal(
    canonicalJson({ b: [2, 1], a: { d: 1, c: null } }),
    '{"a":{"c":null,"d":1},"b":[2,1]}',
  );
});
