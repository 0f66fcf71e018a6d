import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { gaussianCrps } from "../../src/ops/gaussian_crps.ts";
import { quantileLoss } from "../../src/ops/quantile_loss.ts";
import { distance, run, t } from "./_run.ts";

Deno.test("quantileLoss() charges what is too low by the quantile, too high by the rest", async () => {
  const predictions = t([2, 2], [1, 1, 4, 4]);
  const targets = t([2], [3, 3]);
  const { loss } = await run(quantileLoss, { predictions, targets }, { quantiles: [0.2, 0.9] });
  // 2·0.2 and 2·0.9 below, 1·0.8 and 1·0.1 above, over four.
  assert.ok(distance(loss!.data, [(0.4 + 1.8 + 0.8 + 0.1) / 4]) < 1e-15);
});

Deno.test("quantileLoss() is least at the sample's quantile", async () => {
  const random = seedRandom(3);
  const sample = Array.from({ length: 999 }, () => nextNormal(random));
  const at = async (prediction: number) => {
    const predictions = t([999, 1], sample.map(() => prediction));
    const out = await run(quantileLoss, { predictions, targets: t([999], sample) }, {
      quantiles: [0.25],
    });
    return out.loss!.data[0]!;
  };
  const quartile = [...sample].sort((a, b) => a - b)[249]!;
  const least = await at(quartile);
  for (const step of [-0.3, -0.01, 0.01, 0.3]) assert.ok(await at(quartile + step) > least);
});

/** Inverse of the normal distribution function by bisection on the ranked probability's slope. */
function normalQuantile(share: number): number {
  let [low, high] = [-9, 9];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Φ by Simpson's rule from 0. */
function normalShare(z: number): number {
  const steps = 400;
  const h = z / steps;
  const density = (v: number) => Math.exp(-v * v / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(z);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * density(i * h);
  return 0.5 + sum * h / 3;
}

Deno.test("quantileLoss() with scale 2 and many quantiles is the closed ranked probability score", async () => {
  const count = 999;
  const quantiles = Array.from({ length: count }, (_, k) => (k + 0.5) / count);
  const values = quantiles.map(normalQuantile);
  for (const target of [-2, 0, 0.7]) {
    const targets = t([1], [target]);
    const some = await run(quantileLoss, { predictions: t([1, count], values), targets }, {
      quantiles,
      scale: 2,
    });
    const closed = await run(gaussianCrps, { predictions: t([1, 2], [0, 0]), targets }, {});
    // The midpoint rule over 999 quantiles, with the density's tails cut at 1/1998.
    assert.ok(distance(some.loss!.data, closed.loss!.data) < 1e-4);
  }
});

Deno.test("quantileLoss() counts quantiles by their shares, and rows above a cap by the log", async () => {
  const predictions = t([2, 2], [1, 1, 0, 0]);
  const targets = t([2], [3, 103]);
  const params = { quantiles: [0.2, 0.9], shares: [2, 0.5], scale: 2, cap: 4 };
  const { loss } = await run(quantileLoss, { predictions, targets }, params);
  const near = 2 * 0.2 * 2 + 2 * 0.9 * 0.5;
  const far = 4 + Math.log(1 + 103 * (0.2 * 2 + 0.9 * 0.5) - 4);
  assert.ok(distance(loss!.data, [(near + far) / 2]) < 1e-14);
});

Deno.test("quantileLoss() names the parameter at fault", async () => {
  const inputs = { predictions: t([1, 1], [0]), targets: t([1], [0]) };
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [1] }), {
    field: "quantiles[0]",
  });
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [] }), {
    field: "quantiles.length",
  });
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [0.5], scale: 0 }), {
    field: "scale",
  });
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [0.5], cap: 0 }), {
    field: "cap",
  });
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [0.5], shares: [1, 1] }), {
    field: "shares.length",
  });
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [0.5], shares: [-1] }), {
    field: "shares[0]",
  });
  await assert.rejects(() => run(quantileLoss, inputs, { quantiles: [0.2, 0.5] }), {
    axis: "predictions.column",
  });
});
