import assert from "node:assert/strict";
import {
  bucketOfLead,
  leadBuckets,
  lossAge,
  lossKept,
  lossStart,
  memberWeightsInto,
} from "../../src/models/losses.ts";

Deno.test("leadBuckets() covers every lead once", () => {
  for (let horizon = 1; horizon <= 100; horizon++) {
    const leads = leadBuckets(horizon).flatMap(([from, to]) =>
      Array.from({ length: to - from }, (_, k) => from + k)
    );
    assert.deepEqual(leads, Array.from({ length: horizon }, (_, l) => l));
  }
  assert.deepEqual([...bucketOfLead(12)], [0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
});

Deno.test("memberWeightsInto() starts equal and moves to the inverse fifth power", () => {
  const state = lossStart(2, 1);
  const weights = new Float64Array(2);
  memberWeightsInto(state, 0, 1, weights);
  assert.deepEqual([...weights], [0.5, 0.5]);
  state.errors.set([1000, 2000]);
  state.weight[0] = 1000;
  memberWeightsInto(state, 0, 1, weights);
  // g = 1000 / 1001 keeps the exponent a thousandth below 5.
  assert.ok(Math.abs(weights[0]! / weights[1]! - 32) < 0.2);
  state.errors.set([1, 2]);
  state.weight[0] = 1;
  memberWeightsInto(state, 0, 1, weights);
  assert.ok(Math.abs(weights[0]! / weights[1]! - 2 ** 2.5) < 1e-6);
});

Deno.test("memberWeightsInto() stays finite when a member has never erred", () => {
  const state = lossStart(3, 1);
  state.errors.set([0, 5, 10]);
  state.weight[0] = 50;
  const weights = new Float64Array(3);
  memberWeightsInto(state, 0, 5, weights);
  assert.ok(Math.abs(weights[0]! - 1) < 1e-9 && weights.every(Number.isFinite));
  state.errors.fill(0);
  memberWeightsInto(state, 0, 5, weights);
  assert.ok(weights.every((weight) => Math.abs(weight - 1 / 3) < 1e-12));
});

Deno.test("lossAge() discounts errors and weight alike", () => {
  const state = lossStart(1, 1);
  state.errors[0] = 6;
  state.weight[0] = 3;
  lossAge(state, lossKept(10, 10));
  assert.ok(Math.abs(state.errors[0]! - 6 / Math.E) < 1e-12);
  assert.ok(Math.abs(state.errors[0]! / state.weight[0]! - 2) < 1e-12);
});

Deno.test("memberWeightsInto() gives each network what all others have together, by their errors", () => {
  const state = lossStart(4, 1);
  const out = new Float64Array(4);
  const networks = Uint8Array.of(0, 0, 0, 1);
  state.errors.set([1, 2, 4, 1]);
  state.weight[0] = 5e8;
  memberWeightsInto(state, 0, 5, out, networks);
  assert.ok(Math.abs(out[3]! - 0.5) < 1e-6);
  assert.ok(Math.abs(out[0]! / out[1]! - 32) < 1e-3);
  state.errors.set([1, 2, 4, 2]);
  memberWeightsInto(state, 0, 5, out, networks);
  assert.ok(Math.abs(out[3]! - 0.2) < 1e-6);
  memberWeightsInto(state, 0, 5, out, Uint8Array.of(1, 1, 1, 1));
  assert.ok(Math.abs(out.reduce((a, b) => a + b) - 1) < 1e-12);
});

Deno.test("memberWeightsInto() leaves a series of few origins to the networks", () => {
  const state = lossStart(3, 1);
  const out = new Float64Array(3);
  const networks = Uint8Array.of(0, 0, 1);
  memberWeightsInto(state, 0, 5, out, networks);
  assert.deepEqual([...out], [0, 0, 1]);
  // Errors alike: 20 origins, of five leads each, give the others half of the network's weight.
  state.errors.fill(100);
  state.weight[0] = 20 * 5;
  memberWeightsInto(state, 0, 5, out, networks);
  assert.ok(Math.abs(out[2]! - 2 / 3) < 1e-12, `${out[2]}`);
  memberWeightsInto(state, 0, 5, out);
  assert.ok(out.every((weight) => Math.abs(weight - 1 / 3) < 1e-12));
});
