import assert from "node:assert/strict";
import { DEFAULT_RECIPE, drawSeries } from "../../datasets/pretraining/mod.ts";
import { featureStart, takeLead, takeSample } from "../../src/models/neural/features.ts";
import { ANCHORS, LEAD_FEATURES, TOKEN_FEATURES } from "../../src/models/neural/shapes.ts";
import { leadRows } from "../../src/models/neural/shapes.ts";
import { assembleBatch, batchBytes, batchOn } from "../../src/training/neural_batch.ts";
import { findSeasons, LEAD_SLOTS_MAX, type NeuralSource } from "../../src/training/neural_batch.ts";
import { TARGET_MAX } from "../../src/training/neural_batch.ts";

const source: NeuralSource = { recipe: { ...DEFAULT_RECIPE, realShare: 0 }, real: null };
const sizes = { batch: 24, length: 96, picks: 6, leads: 4 };
const batch = assembleBatch(source, 3, 5, sizes);

Deno.test("assembleBatch() is a pure function that writes all of its memory", () => {
  const used = batchOn(sizes);
  new Float32Array(used.buffer).fill(NaN);
  const again = assembleBatch(source, 3, 5, sizes, used);
  assert.deepEqual(new Float32Array(again.buffer), new Float32Array(batch.buffer));
  assert.ok(new Float32Array(again.buffer).every(Number.isFinite));
  const other = assembleBatch(source, 3, 6, sizes);
  assert.notDeepEqual(new Float32Array(other.buffer), new Float32Array(batch.buffer));
  const seeded = assembleBatch(source, 4, 5, sizes);
  assert.notDeepEqual(new Float32Array(seeded.buffer), new Float32Array(batch.buffer));
  assert.equal(batch.buffer.byteLength, batchBytes(sizes));
});

Deno.test("assembleBatch() draws series batch after batch, whatever the batch's size", () => {
  const halves = { ...sizes, batch: 12 };
  const [a, b] = [10, 11].map((index) => assembleBatch(source, 3, index, halves));
  assert.deepEqual(batch.tokens, Float32Array.of(...a!.tokens, ...b!.tokens));
  assert.deepEqual(batch.target, Float32Array.of(...a!.target, ...b!.target));
});

Deno.test("assembleBatch() shows what the streaming features say, and nothing of what follows", () => {
  for (let row = 0; row < sizes.batch; row++) {
    const slots = sizes.length + LEAD_SLOTS_MAX;
    const drawn = 5 * sizes.batch + row;
    const series = drawSeries(source.recipe, 3, drawn, slots, null, findSeasons);
    const last = batch.picks[(row + 1) * sizes.picks - 1]!;
    const state = featureStart(series.seasons);
    const token = new Float32Array(TOKEN_FEATURES);
    const rows = leadRows(1);
    for (let i = 0, slot = 0; i <= last; slot++) {
      if (series.observed[slot] === 0) continue;
      // Only what was seen up to the pick goes in: the rest of the series may be anything.
      const offset = series.jitter?.[slot] ?? 0;
      const near = series.values[slot + (offset < 0 ? -1 : 1)]!;
      const value = series.values[slot]! +
        (offset === 0 ? 0 : Math.abs(offset) * (near - series.values[slot]!));
      takeSample(state, slot + offset, value, token, 0);
      const at = (row * sizes.length + i) * TOKEN_FEATURES;
      for (const [k, expected] of token.entries()) {
        assert.ok(Math.abs(batch.tokens[at + k]! - expected) < 1e-4, `row ${row}, sample ${i}`);
      }
      assert.ok(Math.abs(batch.elapsed[row * sizes.length + i]! - state.elapsed) < 1e-6);
      i++;
    }
    takeLead(state, 1, rows, 0);
    assert.ok(rows.unit[0]! > 0);
  }
});

Deno.test("assembleBatch() picks samples that are there, in order, with something after them", () => {
  for (let row = 0; row < sizes.batch; row++) {
    const picks = [...batch.picks.subarray(row * sizes.picks, (row + 1) * sizes.picks)];
    assert.deepEqual(picks, [...picks].sort((a, b) => a - b));
    for (const pick of picks) {
      assert.ok(Number.isInteger(pick) && pick >= 0 && pick < sizes.length);
      const at = (row * sizes.length + pick) * TOKEN_FEATURES;
      const token = batch.tokens.subarray(at, at + TOKEN_FEATURES);
      assert.ok(token.some((x) => x !== 0), `row ${row} picks padding at ${pick}`);
    }
  }
  const all = [...batch.picks];
  assert.ok(new Set(all).size > 30, "picks are spread");
});

Deno.test("assembleBatch() weighs known targets alone, and most are known", () => {
  let used = 0;
  for (const [i, weight] of batch.weight.entries()) {
    assert.ok(weight === 0 || weight === 1);
    assert.ok(Math.abs(batch.target[i]!) <= TARGET_MAX);
    if (weight === 0) assert.equal(batch.target[i], 0);
    used += weight;
  }
  assert.ok(used > 0.8 * batch.weight.length, `${used} of ${batch.weight.length}`);
  assert.equal(batch.features.length, batch.weight.length * LEAD_FEATURES);
  assert.ok(batch.valid.every((x) => x === 0 || x === 1));
  for (let i = 0; i < batch.anchors.length; i++) {
    if (batch.valid[i] === 0) assert.equal(batch.anchors[i], 0, `anchor ${i % ANCHORS}`);
  }
});

Deno.test("assembleBatch() refuses sizes that are none, or too large", () => {
  assert.throws(() => batchBytes({ ...sizes, picks: 0 }), { field: "sizes.picks" });
  assert.throws(() => batchBytes({ ...sizes, length: 1.5 }), { field: "sizes.length" });
  assert.throws(() => batchBytes({ ...sizes, batch: 1e6 }), { field: "sizes" });
});
