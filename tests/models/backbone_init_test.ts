import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { memberNamed, parseBackbone } from "../../src/models/backbone_config.ts";
import { initialShapes, initialTensors } from "../../src/models/backbone_init.ts";

const config = parseBackbone({
  input: { kind: "tokens", vocabulary: 500 },
  width: 16,
  layers: ["mamba"],
  mlp: 24,
  norm: "layer",
  output: { size: 3 },
});
const placed = [{
  layer: memberNamed("mamba"),
  config: config.layers[0]!.config,
  prefix: "layers.0.",
  index: 0,
}];
const tensors = initialTensors(config, placed, seedRandom(1));

Deno.test("initialTensors() names every parameter by its place", () => {
  const own = Object.keys(tensors).filter((name) => !name.includes(".mixer."));
  assert.deepEqual(own, [
    "embedding",
    ...["layers.0.norm.weight", "layers.0.norm.bias"],
    ...["layers.0.mlp.norm.weight", "layers.0.mlp.norm.bias", "layers.0.mlp.up"],
    ...["layers.0.mlp.down", "norm.weight", "norm.bias", "output.weight", "output.bias"],
  ]);
  assert.deepEqual(tensors["layers.0.mlp.up"]!.shape, [48, 16]);
  assert.deepEqual(tensors["layers.0.mixer.logA"]!.shape, [32, 16]);
});

Deno.test("initialTensors() draws what is customary, and the same from the same seed", () => {
  const values = Array.from(tensors["embedding"]!.data);
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
  // 8,000 draws: the deviation is known to a hundredth.
  assert.ok(Math.abs(deviation - 0.02) < 1e-3, `${deviation}`);
  const bound = Math.max(...Array.from(tensors["output.weight"]!.data, Math.abs));
  assert.ok(bound <= 1 / 4 && bound > 0.2, `${bound}`);
  assert.ok(tensors["norm.weight"]!.data.every((value) => value === 1));
  assert.deepEqual(initialTensors(config, placed, seedRandom(1)), tensors);
  assert.notDeepEqual(initialTensors(config, placed, seedRandom(2)), tensors);
});

Deno.test("initialShapes() are those of initialTensors(), each configuration drawn once", () => {
  let drawn = 0;
  const { layer } = placed[0]!;
  const counting = {
    ...layer,
    init: (...given: Parameters<typeof layer.init>) => {
      drawn++;
      return layer.init(...given);
    },
  };
  const layers = [0, 1, 2].map((index) => (
    { ...placed[0]!, layer: counting, prefix: `layers.${index}.`, index }
  ));
  const expected = Object.entries(initialTensors(config, layers, seedRandom(1)));
  drawn = 0;
  const shapes = initialShapes(config, layers);
  assert.deepEqual(shapes.next().value, ["embedding", [500, 16]]);
  assert.equal(drawn, 0);
  const rest = expected.slice(1).map(([name, { shape }]) => [name, shape]);
  assert.deepEqual([...shapes], rest);
  assert.equal(drawn, 1);
});
