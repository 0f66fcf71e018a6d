import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { readSafetensors, writeSafetensors } from "../../../src/base/safetensors.ts";
import { sha256Hex } from "../../../src/base/hash.ts";
import { canonicalJson } from "../../../src/models/backbone_config.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { decodeWeights, encodeWeights } from "../../../src/models/neural/weights.ts";
import { featureStart, takeLead, takeSample } from "../../../src/models/neural/features.ts";
import {
  ANCHORS,
  LEAD_FEATURES,
  leadRows,
  LEVELS,
  TOKEN_FEATURES,
} from "../../../src/models/neural/shapes.ts";
import {
  LOGIT_ASLEEP,
  LOGIT_AWAKE,
  wakeAnchors,
  widenWeights,
} from "../../../src/models/neural/widen.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { anchorMixture, runOp } from "../../../src/ops/mod.ts";
import { type Tensor, tensorOf } from "../../../src/tensor/tensor.ts";
import { drawn } from "./_check.ts";

const config = parseNeural({ kind: "s5", width: 8, depth: 1, state: 4, mlp: 6, head: 5 });

/** The first 13 anchors, 16 scalars and 20 numbers of a sample: what version 1 saw. */
const LEAD_1 = [
  ...Array.from({ length: 13 }, (_, i) => i),
  ...Array.from({ length: 13 }, (_, i) => ANCHORS + i),
  ...Array.from({ length: 16 }, (_, i) => 2 * ANCHORS + i),
  ...Array.from({ length: 34 }, (_, i) => 2 * ANCHORS + 18 + i),
];

/** Some weights of version 1, from the first parameters of version 2. */
function version1(): Record<string, Tensor> {
  const now = networkOf(config).init(seedRandom(3));
  const columns = (name: string, kept: readonly number[]): Tensor => {
    const { shape: [rows, width], data } = now[name]!;
    const out = Array.from(
      { length: rows! },
      (_, row) => kept.map((column) => data[row * width! + column]!),
    ).flat();
    return tensorOf([rows!, kept.length], Float32Array.from(out));
  };
  const rows = (name: string, count: number): Tensor => {
    const { shape: [, width], data } = now[name]!;
    const shape = width === undefined ? [count] : [count, width];
    return tensorOf(shape, Float32Array.from(data.subarray(0, count * (width ?? 1))));
  };
  const first20 = Array.from({ length: 20 }, (_, i) => i);
  return {
    ...now,
    "input.weight": columns("input.weight", first20),
    "decoder.lead.weight": columns("decoder.lead.weight", LEAD_1),
    "decoder.out.weight": rows("decoder.out.weight", 13 + 1 + LEVELS.length),
    "decoder.out.bias": rows("decoder.out.bias", 13 + 1 + LEVELS.length),
  };
}

const product = (weight: Tensor, input: ArrayLike<number>): number[] => {
  const [rows, columns] = weight.shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += weight.data[row * columns + i]! * input[i]!;
    return sum;
  });
};

Deno.test("widenWeights() sees and forecasts what version 1 did", () => {
  const old = version1();
  const wide = widenWeights(old);
  const series = drawn(2, 90, [12, 36]);
  const state = featureStart(series.seasons);
  const token = new Float32Array(TOKEN_FEATURES);
  series.times.forEach((time, i) => takeSample(state, time, series.values[i]!, token, 0));
  assert.deepEqual(
    product(wide["input.weight"]!, token),
    product(old["input.weight"]!, token.subarray(0, 20)),
  );
  const rows = leadRows(1);
  takeLead(state, 7, rows, 0);
  assert.equal(rows.features.length, LEAD_FEATURES);
  const lead1 = LEAD_1.map((column) => rows.features[column]!);
  assert.deepEqual(
    product(wide["decoder.lead.weight"]!, rows.features),
    product(old["decoder.lead.weight"]!, lead1),
  );
  const mixture = (weights: Record<string, Tensor>, anchors: number): number[] => {
    const columns = product(weights["decoder.out.weight"]!, [0.3, -1, 0.2, 0.5, 2])
      .map((x, i) => x + weights["decoder.out.bias"]!.data[i]!);
    const cpu = openCpu();
    const of = (shape: number[], data: ArrayLike<number>) =>
      cpu.upload(tensorOf(shape, Float32Array.from(data)));
    const { q } = runOp(cpu, anchorMixture, {
      z: of([1, columns.length], columns),
      anchors: of([1, anchors], rows.anchors.subarray(0, anchors)),
      valid: of([1, anchors], rows.valid.subarray(0, anchors)),
      scale: of([1], rows.scale),
    }, {});
    return [...cpu.dataOf(q)];
  };
  assert.deepEqual(mixture(wide, ANCHORS), mixture(old, 13));
});

Deno.test("decodeWeights() widens a file of version 1, and refuses one of another size", () => {
  const { tensors: entries, metadata } = readSafetensors(
    encodeWeights({ config, tensors: version1(), step: 7 }, "f32"),
  );
  const tensors = new Map(entries);
  const text = canonicalJson({ ...config, version: 1 });
  const about = { ...metadata, config: text, configHash: sha256Hex(text) };
  const read = decodeWeights(writeSafetensors(tensors, about));
  assert.equal(read.config.version, 2);
  assert.deepEqual(read.tensors["decoder.out.bias"]!.shape, [ANCHORS + 1 + LEVELS.length]);
  assert.equal(read.tensors["decoder.out.bias"]!.data[13], LOGIT_ASLEEP);
  tensors.set("input.weight", tensors.get("decoder.lead.weight")!);
  assert.throws(
    () => decodeWeights(writeSafetensors(tensors, about)),
    /input\.weight\.shape\[1\] is "76", expected 20/,
  );
  tensors.delete("decoder.out.bias");
  assert.throws(
    () => decodeWeights(writeSafetensors(tensors, about)),
    { field: "input.weight.shape[1]" },
  );
  tensors.set("input.weight", entries.get("input.weight")!);
  assert.throws(
    () => decodeWeights(writeSafetensors(tensors, about)),
    { field: "decoder.out.bias" },
  );
});

Deno.test("wakeAnchors() lifts sleeping anchors and nothing else", () => {
  const wide = widenWeights(version1());
  const bias = wide["decoder.out.bias"]!.data;
  const woken = wakeAnchors(wide)["decoder.out.bias"]!.data;
  bias.forEach((value, i) => {
    assert.equal(woken[i], i >= 13 && i < ANCHORS ? LOGIT_AWAKE : value);
  });
  const trained = wakeAnchors(wakeAnchors(wide));
  assert.deepEqual(trained["decoder.out.bias"]!.data, woken);
});
