import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { DenseUnit } from "../../../src/device/mod.ts";
import { FastDecoder, fastDecoderBytes } from "../../../src/models/neural/fast_decoder.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { ANCHORS, leadRows, LEVELS } from "../../../src/models/neural/shapes.ts";

const config = parseNeural({ kind: "s5", width: 8, depth: 1, state: 4, mlp: 0, head: 12 });
const tensors = networkOf(config).init(seedRandom(4));

Deno.test("FastDecoder gives an absent anchor no part, whatever it is", () => {
  const decoder = new FastDecoder(new DenseUnit(fastDecoderBytes(12)), 12, tensors);
  const hidden = new Float32Array(12).fill(0.3);
  const leads = leadRows(1);
  leads.anchors.fill(2);
  leads.scale.fill(0);
  leads.valid.fill(1);
  assert.ok(decoder.decode(hidden, leads, 1).every((value) => Math.abs(value - 2) < 1e-6));
  leads.anchors[ANCHORS - 1] = NaN;
  leads.valid[ANCHORS - 1] = 0;
  assert.ok(decoder.decode(hidden, leads, 1).every((value) => Math.abs(value - 2) < 1e-6));
  leads.valid.fill(0);
  assert.deepEqual([...decoder.decode(hidden, leads, 1)], new Array(LEVELS.length).fill(0));
});

Deno.test("FastDecoder refuses to open without a tensor", () => {
  const { "decoder.out.bias": _, ...rest } = tensors;
  const unit = new DenseUnit(fastDecoderBytes(12));
  assert.throws(() => new FastDecoder(unit, 12, rest), /decoder\.out\.bias is missing/);
});
