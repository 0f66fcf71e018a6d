import assert from "node:assert/strict";
import { fitOf, standardised, unitOf } from "../../src/models/regression_fit.ts";
import { noise } from "./_series.ts";

Deno.test("unitOf() leaves missing values out, and finds no deviation where nothing changes", () => {
  assert.deepEqual(unitOf(Float64Array.of(1, NaN, 5)), { mean: 3, deviation: 2 });
  assert.equal(unitOf(Float64Array.of(1e9, 1e9 + 1e-4)).deviation, 0);
});

Deno.test("standardised() cuts at six deviations; what is missing is as usual", () => {
  assert.equal(standardised(7, 3, 2), 2);
  assert.equal(standardised(-1e9, 3, 2), -6);
  assert.equal(standardised(NaN, 3, 2), 0);
  assert.equal(standardised(7, 3, 0), 0);
});

/** Innovations of a channel that are `weight` times those of a regressor, and noise of 1. */
function innovations(weight: number, count = 400): number[][] {
  const x = noise(count, 3);
  return [[...noise(count, 4)].map((draw, t) => draw + weight * x[t]!), [...x]];
}

Deno.test("fitOf() finds a coefficient within its error, and what it gains", () => {
  const given = { innovations: innovations(0.8), samples: [], windows: [] };
  const { weights, cov, noise: size, share, ratio } = fitOf(given, [Infinity]);
  // 400 samples leave a deviation of the noise's over √400.
  const deviation = size * Math.sqrt(cov[0]!);
  assert.ok(Math.abs(deviation * 20 / size - 1) < 0.2, `${deviation}`);
  assert.ok(Math.abs(weights[0]! - 0.8) < 3 * deviation, `${weights[0]}`);
  // |error| falls from √(1 + 0.8²) to 1, so all of the effect is used.
  assert.ok(Math.abs(ratio - 1 / Math.sqrt(1.64)) < 0.08, `${ratio}`);
  assert.ok(share > 0.99);
});

Deno.test("fitOf() uses nothing of a regressor that does not gain, or before it is judged", () => {
  const idle = fitOf({ innovations: innovations(0), samples: [], windows: [] }, [Infinity]);
  assert.ok(idle.share < 0.2, `${idle.share}`);
  const few = fitOf({ innovations: innovations(0.8, 12), samples: [], windows: [] }, [Infinity]);
  assert.deepEqual([few.share, few.ratio], [0, 1]);
});

Deno.test("fitOf() is told by past forecasts, as far as a regressor is known ahead", () => {
  const [errors, x] = innovations(0.8) as [number[], number[]];
  // What forecasts missed is the regressor's own way ahead, window after window a little otherwise.
  const windows = Array.from({ length: 8 }, (_, i) => ({
    at: 200 + 20 * i,
    errors: [1 + 0.1 * (i % 3), 1].map((ahead) => Float64Array.of(0.8 * ahead, ahead)),
  }));
  // Without a gain of one step only the windows speak.
  const spoilt = errors.map((error, t) => error - 0.8 * x[t]! * (t > 120 ? 1 : 0));
  const shareOf = (known: number) =>
    fitOf({ innovations: [spoilt, x], samples: [], windows }, [known]).share;
  assert.ok(shareOf(2) > 0.9, `${shareOf(2)}`);
  assert.ok(shareOf(0) < 0.2, `${shareOf(0)}`);
});
