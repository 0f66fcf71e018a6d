import assert from "node:assert/strict";
import {
  adaptiveObserve,
  adaptiveStart,
  WATCHED_LEVELS,
  widthFactor,
} from "../../src/models/adaptive_coverage.ts";
import { noise } from "./_series.ts";

/** Half widths of the standard normal's central intervals. */
const HALF_WIDTHS = [1.2816, 1.96];

Deno.test("adaptiveObserve() brings intervals of a wrong width to their level", () => {
  for (const claimed of [0.6, 1.6]) {
    const state = adaptiveStart();
    const hits = [0, 0];
    const draws = noise(6000, 3);
    draws.forEach((draw, i) => {
      WATCHED_LEVELS.forEach((level, k) => {
        const half = claimed * HALF_WIDTHS[k]! * widthFactor(state, 0, 0.5 + level / 2);
        const inside = Math.abs(draw) <= half;
        adaptiveObserve(state, k, 0, inside, 1);
        if (i >= 3000 && inside) hits[k] = hits[k]! + 1;
      });
    });
    // Three standard errors of a share over 3,000 draws: 0.022 and 0.012.
    assert.ok(Math.abs(hits[0]! / 3000 - 0.8) < 0.022, `${hits[0]}`);
    assert.ok(Math.abs(hits[1]! / 3000 - 0.95) < 0.012, `${hits[1]}`);
    assert.equal(state.seen[0], 6000);
  }
});

Deno.test("widthFactor() is even in the quantile and keeps buckets apart", () => {
  const state = adaptiveStart();
  for (let i = 0; i < 50; i++) adaptiveObserve(state, 0, 1, false, 1);
  assert.ok(widthFactor(state, 1, 0.1) > 1);
  assert.equal(widthFactor(state, 1, 0.1), widthFactor(state, 1, 0.9));
  assert.equal(widthFactor(state, 1, 0.975), 1);
  assert.equal(widthFactor(state, 0, 0.1), 1);
  const between = widthFactor(state, 1, 0.5 + 0.875 / 2);
  assert.ok(between > 1 && between < widthFactor(state, 1, 0.1));
});
