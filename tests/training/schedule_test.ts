import assert from "node:assert/strict";
import { rateAt, type Schedule } from "../../src/training/schedule.ts";

const cosine: Schedule = { kind: "warmupCosine", rate: 2, warmup: 4, steps: 14, floor: 1 };

Deno.test("rateAt() rises, then falls along half a cosine to the floor", () => {
  assert.deepEqual([0, 1, 2, 3].map((step) => rateAt(cosine, step)), [0.5, 1, 1.5, 2]);
  assert.equal(rateAt(cosine, 4), 2);
  assert.ok(Math.abs(rateAt(cosine, 9) - 1.5) < 1e-15);
  assert.equal(rateAt(cosine, 14), 1);
  assert.equal(rateAt(cosine, 100), 1);
});

Deno.test("rateAt() may start from a share of the rate", () => {
  assert.deepEqual([0, 2].map((step) => rateAt({ ...cosine, from: 0.5 }, step)), [1, 1.5]);
});

Deno.test("rateAt() keeps a plateau before it decays", () => {
  const plateau: Schedule = {
    kind: "warmupStableDecay",
    rate: 1,
    warmup: 2,
    steps: 10,
    decay: 4,
  };
  assert.deepEqual([0, 1, 2, 6, 7, 9, 10].map((step) => rateAt(plateau, step)), [
    ...[0.5, 1, 1, 1, 0.75, 0.25, 0],
  ]);
  assert.equal(rateAt({ kind: "constant", rate: 3 }, 7), 3);
  assert.throws(() => rateAt(plateau, -1), { field: "step" });
});
