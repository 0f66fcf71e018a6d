import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { DenseUnit } from "../../../src/device/mod.ts";
import {
  FastDecoder,
  fastDecoderBytes,
  knotRows,
} from "../../../src/models/neural/fast_decoder.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { ANCHORS, LEAD_FEATURES, leadRows, LEVELS } from "../../../src/models/neural/shapes.ts";

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

Deno.test("decodeRoughly() decodes its own rows, and mixes the others' own anchors", () => {
  const decoder = new FastDecoder(new DenseUnit(fastDecoderBytes(12)), 12, tensors);
  const hidden = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  const random = seedRandom(5);
  for (const count of [1, 2, 48, 300]) {
    const leads = leadRows(count);
    leads.anchors.forEach((_, i) => leads.anchors[i] = nextNormal(random));
    leads.features.forEach((_, i) => leads.features[i] = nextNormal(random));
    leads.scale.fill(1);
    leads.valid.fill(1);
    const row = (rows: Float32Array, at: number) =>
      rows.slice(at * LEVELS.length, (at + 1) * LEVELS.length);
    const exact = decoder.decode(hidden, leads, count).slice();
    const rough = decoder.decodeRoughly(hidden, leads, count).slice();
    const knots = knotRows(count);
    assert.equal(knots.at(-1), count - 1);
    for (const at of knots) assert.deepEqual(row(rough, at), row(exact, at));
    if (count > 20) assert.ok(knots.length < count / 2);
    // What the network sees of all leads alike leaves their anchors to tell them apart.
    const seen = leads.features.subarray(0, LEAD_FEATURES);
    for (let at = 1; at < count; at++) leads.features.set(seen, at * LEAD_FEATURES);
    const alike = decoder.decode(hidden, leads, count).slice();
    decoder.decodeRoughly(hidden, leads, count).forEach((value, i) =>
      assert.ok(Math.abs(value - alike[i]!) < 1e-5 * (1 + Math.abs(alike[i]!)))
    );
  }
});

Deno.test("FastDecoder refuses to open without a tensor", () => {
  const { "decoder.out.bias": _, ...rest } = tensors;
  const unit = new DenseUnit(fastDecoderBytes(12));
  assert.throws(() => new FastDecoder(unit, 12, rest), /decoder\.out\.bias is missing/);
});
