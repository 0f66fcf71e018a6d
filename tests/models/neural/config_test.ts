import assert from "node:assert/strict";
import { sizeOf } from "../../../src/tensor/shape.ts";
import {
  backboneConfigOf,
  NEURAL_PRESETS,
  NEURAL_STATE_MAX,
  NEURAL_WIDTH_MAX,
  parseNeural,
} from "../../../src/models/neural/config.ts";
import { networkOf } from "../../../src/models/neural/network.ts";

Deno.test("parseNeural() makes presets whole and refuses what is out of range", () => {
  for (const preset of Object.values(NEURAL_PRESETS)) {
    const config = parseNeural(preset);
    assert.equal(config.version, 2);
    assert.deepEqual(parseNeural(JSON.parse(JSON.stringify(config))), config);
  }
  const { s5 } = NEURAL_PRESETS;
  for (
    const [change, field] of [
      [{ width: NEURAL_WIDTH_MAX + 1 }, "network.width"],
      [{ state: NEURAL_STATE_MAX + 2 }, "network.state"],
      [{ depth: 17 }, "network.depth"],
      [{ mlp: -1 }, "network.mlp"],
      [{ head: 0 }, "network.head"],
      [{ heads: 1 }, "network.heads"],
    ] as const
  ) {
    assert.throws(() => parseNeural({ ...s5, ...change }), { field });
  }
});

Deno.test("backboneConfigOf() has a layer for each of the depth", () => {
  const { layers, output, width } = backboneConfigOf(parseNeural(NEURAL_PRESETS.mamba));
  assert.deepEqual([layers.length, output.size, width], [4, 192, 128]);
  assert.ok(layers.every(({ name }) => name === "mamba"));
});

Deno.test("NEURAL_PRESETS have the parameters that their comments say", () => {
  const counts = Object.values(NEURAL_PRESETS).map((preset) =>
    [...networkOf(parseNeural(preset)).shapes()].reduce((sum, [, shape]) => sum + sizeOf(shape), 0)
  );
  assert.deepEqual(counts, [1_434_272, 415_904, 555_424]);
});
