import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { floatEntry, readSafetensors, writeSafetensors } from "../../src/base/safetensors.ts";
import type { SafetensorsEntry } from "../../src/base/safetensors.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { DEPTH_MAX, parseBackbone, WIDTH_MAX } from "../../src/models/backbone_config.ts";
import { VOCABULARY_MAX } from "../../src/models/backbone_config.ts";
import { type Checkpoint, decodeCheckpoint, decodeModel } from "../../src/models/checkpoint.ts";
import { encodeCheckpoint, encodeModel, parameterShapes } from "../../src/models/checkpoint.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";

const config = parseBackbone({
  input: { kind: "tokens", vocabulary: 5 },
  width: 4,
  layers: ["mamba", { name: "s4d", config: { state: 4 } }],
  output: { size: 3 },
});
const tensors: Record<string, Tensor> = Object.fromEntries(
  Object.entries(backboneOf(config).init(seedRandom(1))).map(([name, tensor]) => [
    name,
    asDtype(tensor, "f32"),
  ]),
);
const model = { config, tensors, step: 12, isAverage: true };
const checkpoint: Checkpoint = {
  config,
  tensors: {
    ...Object.fromEntries(Object.entries(tensors).map(([name, t]) => [`weights/${name}`, t])),
    "sum/loss": tensorOf([1], Float64Array.of(0.1)),
  },
  step: 7,
  seed: 3,
  training: { losses: [0.1, 1 / 3], best: null },
};

/** A file with other metadata or tensors. */
function changed(
  file: Uint8Array,
  change: (parts: {
    tensors: Map<string, SafetensorsEntry>;
    metadata: Record<string, string>;
  }) => void,
): Uint8Array {
  const { tensors, metadata } = readSafetensors(file);
  const parts = { tensors: new Map(tensors), metadata: { ...metadata } };
  change(parts);
  return writeSafetensors(parts.tensors, parts.metadata);
}

Deno.test("decodeModel() reads what encodeModel() writes, bit for bit", () => {
  const bytes = encodeModel(model);
  assert.deepEqual(decodeModel(bytes), model);
  assert.deepEqual(encodeModel(decodeModel(bytes)), bytes);
});

Deno.test("decodeCheckpoint() reads what encodeCheckpoint() writes, bit for bit", () => {
  const bytes = encodeCheckpoint(checkpoint);
  assert.deepEqual(decodeCheckpoint(bytes), checkpoint);
  assert.deepEqual(encodeCheckpoint(decodeCheckpoint(bytes)), bytes);
});

Deno.test("parameterShapes() are those of the first parameters", () => {
  const shapes = parameterShapes(config);
  assert.deepEqual([...shapes.keys()], Object.keys(tensors));
  assert.deepEqual(shapes.get("embedding"), [5, 4]);
});

Deno.test("decodeModel() refuses whatever is not as it was written, by its field", () => {
  const file = encodeModel(model);
  const name = "layers.0.mixer.logA";
  type Change = Parameters<typeof changed>[1];
  const broken: [string, Change][] = [
    ["metadata.format", ({ metadata }) => metadata["format"] = "driftline-model/2"],
    ["metadata.config", ({ metadata }) => delete metadata["config"]],
    ["metadata.author", ({ metadata }) => metadata["author"] = "nobody"],
    ["metadata.step", ({ metadata }) => metadata["step"] = "-1"],
    ["metadata.isAverage", ({ metadata }) => metadata["isAverage"] = "yes"],
    ["metadata.configHash", ({ metadata }) => metadata["configHash"] = "0".repeat(64)],
    [
      "metadata.configHash",
      ({ metadata }) => metadata["config"] = metadata["config"]!.replace("mamba", "mamba2"),
    ],
    [name, ({ tensors }) => tensors.delete(name)],
    ["extra", ({ tensors }) => tensors.set("extra", floatEntry([1], Float32Array.of(1)))],
    [`${name}.shape`, ({ tensors }) => {
      const { bytes, shape: [inner = 0, state = 0] } = tensors.get(name)!;
      tensors.set(name, { dtype: "F32", shape: [state, inner], bytes });
    }],
    [`${name}.dtype`, ({ tensors }) => {
      const { bytes, shape } = tensors.get(name)!;
      tensors.set(name, { dtype: "I32", shape, bytes });
    }],
    [`${name}[1]`, ({ tensors }) => {
      const { shape, bytes } = tensors.get(name)!;
      const data = new Float32Array(bytes.length / 4);
      data[1] = NaN;
      tensors.set(name, floatEntry(shape, data));
    }],
  ];
  for (const [field, change] of broken) {
    const read = () => decodeModel(changed(file, change));
    assert.throws(read, { name: "InvalidValueError", field }, field);
  }
  assert.throws(() => decodeModel(file.subarray(0, 100)), SyntaxError);
});

Deno.test("decodeModel() refuses a model larger than its file before it makes it", () => {
  // Its parameters are some 10^11 numbers, which no machine here holds.
  const huge = parseBackbone({
    input: { kind: "tokens", vocabulary: VOCABULARY_MAX },
    width: WIDTH_MAX,
    layers: Array.from({ length: DEPTH_MAX }, () => "mamba"),
    mlp: 4 * WIDTH_MAX,
    output: { size: VOCABULARY_MAX },
  });
  const file = encodeModel({ ...model, config: huge });
  assert.throws(() => decodeModel(file), { field: "embedding.shape" });
  const { embedding: _, ...others } = tensors;
  const none = encodeModel({ ...model, config: huge, tensors: others });
  assert.throws(() => decodeModel(none), { field: "embedding" });
});

Deno.test("decodeCheckpoint() refuses another format, training or parameters", () => {
  const file = encodeCheckpoint(checkpoint);
  const broken: [string, Parameters<typeof changed>[1]][] = [
    ["metadata.trainingHash", ({ metadata }) => metadata["training"] = "{}"],
    ["metadata.seed", ({ metadata }) => metadata["seed"] = "1.5"],
    ["weights/norm.weight", ({ tensors }) => tensors.delete("weights/norm.weight")],
  ];
  for (const [field, change] of broken) {
    const read = () => decodeCheckpoint(changed(file, change));
    assert.throws(read, { name: "InvalidValueError", field }, field);
  }
  assert.throws(() => decodeCheckpoint(encodeModel(model)), { field: /metadata\./ });
});
