import assert from "node:assert/strict";
import {
  adaptiveObserve,
  adaptiveStart,
  type Side,
  WATCHED_LEVELS,
  widthFactor,
} from "../../src/models/adaptive_coverage.ts";
import { noise } from "./_series.ts";

/** Half widths of the standard normal's central intervals. */
const HALF_WIDTHS = [1.2816, 1.96];

/** Which side of an interval around 0 a draw lies on. */
function sideOf(draw: number, lower: number, upper: number): Side {
  return draw < lower ? -1 : draw > upper ? 1 : 0;
}

Deno.test("adaptiveObserve() brings intervals of a wrong width to their level", () => {
  for (const claimed of [0.6, 1.6]) {
    const state = adaptiveStart();
    const hits = [0, 0];
    const draws = noise(6000, 3);
    draws.forEach((draw, i) => {
      WATCHED_LEVELS.forEach((level, k) => {
        const half = claimed * HALF_WIDTHS[k]!;
        const lower = -half * widthFactor(state, 0, 0.5 - level / 2);
        const upper = half * widthFactor(state, 0, 0.5 + level / 2);
        const side = sideOf(draw, lower, upper);
        adaptiveObserve(state, k, 0, side, 1);
        if (i >= 3000 && side === 0) hits[k] = hits[k]! + 1;
      });
    });
    // Three standard errors of a share over 3,000 draws: 0.022 and 0.012.
    assert.ok(Math.abs(hits[0]! / 3000 - 0.8) < 0.022, `${hits[0]}`);
    assert.ok(Math.abs(hits[1]! / 3000 - 0.95) < 0.012, `${hits[1]}`);
    assert.equal(state.seen[0], 6000);
  }
});

Deno.test("adaptiveObserve() brings each side of a lopsided error to half of what is left", () => {
  const state = adaptiveStart();
  const missed = [0, 0];
  const draws = noise(8000, 5);
  draws.forEach((draw, i) => {
    // Three times as far above the median as below.
    const error = draw > 0 ? 3 * draw : draw;
    const lower = -2 * HALF_WIDTHS[0]! * widthFactor(state, 0, 0.1);
    const upper = 2 * HALF_WIDTHS[0]! * widthFactor(state, 0, 0.9);
    const side = sideOf(error, lower, upper);
    adaptiveObserve(state, 0, 0, side, 1);
    if (i < 4000 || side === 0) return;
    if (side < 0) missed[0]!++;
    else missed[1]!++;
  });
  // Three standard errors of a share of 0.1 over 4,000 draws: 0.014.
  for (const count of missed) assert.ok(Math.abs(count / 4000 - 0.1) < 0.014, `${missed}`);
  assert.ok(widthFactor(state, 0, 0.9) > 2 * widthFactor(state, 0, 0.1));
});

Deno.test("adaptiveStart() has both sides a little wider than was fitted, most far out", () => {
  const state = adaptiveStart();
  for (const bucket of [0, 1, 2]) {
    assert.equal(widthFactor(state, bucket, 0.1), Math.exp(0.03));
    assert.equal(widthFactor(state, bucket, 0.9), Math.exp(0.03));
    assert.equal(widthFactor(state, bucket, 0.975), Math.exp(0.09));
  }
});

Deno.test("widthFactor() keeps sides, buckets and levels apart, and interpolates levels", () => {
  const start = adaptiveStart();
  const state = adaptiveStart();
  for (let i = 0; i < 50; i++) adaptiveObserve(state, 0, 1, -1, 1);
  const moved = (bucket: number, quantile: number) =>
    widthFactor(state, bucket, quantile) / widthFactor(start, bucket, quantile);
  assert.ok(moved(1, 0.1) > 2);
  assert.ok(moved(1, 0.9) < 1);
  assert.equal(moved(1, 0.025), 1);
  assert.equal(moved(0, 0.1), 1);
  const between = moved(1, 0.5 - 0.875 / 2);
  assert.ok(between > 1 && between < moved(1, 0.1));
});
