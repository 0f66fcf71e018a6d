import assert from "node:assert/strict";
import { DIVERGENCE_START, DivergenceError, lossLimit } from "../../src/training/divergence.ts";
import { MEDIAN_LOSSES_MAX, watchLoss } from "../../src/training/divergence.ts";

function watched(losses: readonly number[], factor = 4) {
  let state = DIVERGENCE_START;
  losses.forEach((loss, i) => state = watchLoss(state, { step: i + 1, loss, rate: 0.1 }, factor));
  return state;
}

Deno.test("watchLoss() stops at a number that is none, naming step, rate and a remedy", () => {
  for (const loss of [NaN, Infinity]) {
    assert.throws(() => watched([1, loss]), (error: unknown) => {
      assert.ok(error instanceof DivergenceError);
      assert.equal(error.step, 2);
      assert.match(error.message, /step 2: .*not finite.*rate of 0\.1000.*lower rate/);
      return true;
    });
  }
  const seen = { step: 3, loss: 1, rate: 0.1, gradientNorm: NaN };
  assert.throws(() => watchLoss(DIVERGENCE_START, seen, 4), /gradient is not finite/);
});

Deno.test("watchLoss() stops far above the running median and the first loss", () => {
  const state = watched([2, 1.5, 1, 1]);
  assert.equal(lossLimit(state, 4), 1.25 + 3 * 1.25);
  assert.throws(() => watched([2, 1.5, 1, 1, 5.1]), /is 5\.100, above the limit of 5\.000/);
  watched([2, 1.5, 1, 1, 4.9]);
  // Near 0 a loss may jump by large factors.
  watched([2, 1e-6, 1e-6, 1e-6, 1e-6, 1e-3]);
  // A likelihood's loss may be below 0.
  assert.equal(lossLimit(watched([-1, -2, -2, -2]), 4), 4);
});

Deno.test("lossLimit() waits for a few losses and remembers a bounded number", () => {
  assert.equal(lossLimit(watched([1, 1, 1]), 4), undefined);
  watched([1, 1000, 1]);
  const state = watched(Array.from({ length: 100 }, () => 1));
  assert.equal(state.losses.length, MEDIAN_LOSSES_MAX);
  assert.throws(() => lossLimit(state, 1), { field: "divergence.factor" });
});
