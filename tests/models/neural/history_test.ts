import assert from "node:assert/strict";
import {
  featureStart,
  HISTORY_SLOTS_MAX,
  NEWEST,
  ORIGIN,
} from "../../../src/models/neural/feature_state.ts";
import { takeSample } from "../../../src/models/neural/features.ts";
import { reachesBack, reachOf, valueBack } from "../../../src/models/neural/history.ts";
import { trendOf } from "../../../src/models/neural/sizes.ts";
import { TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";

function seen(seasons: [number, number], times: readonly number[], value: (u: number) => number) {
  const state = featureStart(seasons);
  const token = new Float32Array(TOKEN_FEATURES);
  for (const time of times) takeSample(state, time, value(time), token, 0);
  return state;
}

function near(actual: number, expected: number, tolerance = 1e-5): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} beside ${expected}`);
}

Deno.test("skipped slots and times between slots lie on the line between samples", () => {
  const line = (u: number) => 100 + 2 * u;
  const state = seen([12, 0], [0.4, 1, 1.5, 1.7, 6.2, 9.6, 20.3], line);
  for (const lag of [0, 0.1, 0.3, 0.7, 1.3, 5.05, 12, 19]) {
    near(state.numbers[ORIGIN]! + valueBack(state, lag), line(20.3 - lag));
  }
});

Deno.test("the history holds the seasons that are kept, and no slot more than its limit", () => {
  const state = seen([539, 0], Array.from({ length: 5000 }, (_, i) => i), (u) => u % 539);
  assert.ok(reachesBack(state.numbers, 5 * 539));
  assert.ok(!reachesBack(state.numbers, HISTORY_SLOTS_MAX));
  assert.ok(reachOf(state.numbers) < HISTORY_SLOTS_MAX);
  near(state.numbers[ORIGIN]! + valueBack(state, 5 * 539), 4999 % 539, 1e-4);
});

Deno.test("a gap longer than the history leaves the line's end", () => {
  const state = seen([4, 0], [0, 1, 2, 1e6], (u) => u);
  assert.equal(state.numbers[NEWEST], 1e6);
  near(state.numbers[ORIGIN]! + valueBack(state, 15), 1e6 - 15, 1e-1);
});

Deno.test("a counter that has run far from its start keeps the digits of its differences", () => {
  const counter = (u: number) => 1e12 + 1e7 * u + Math.sin(u / 4);
  const slow = (u: number) => u < 100 ? counter(u) : counter(100) + Math.sin(u / 4);
  const state = seen([24, 0], Array.from({ length: 9000 }, (_, i) => i), slow);
  for (const lag of [1, 7, 24, 100]) {
    near(state.numbers[ORIGIN]! + valueBack(state, lag), slow(8999 - lag), 1e-3);
  }
});

Deno.test("the seasonal trend of a line is its rise over a season", () => {
  // Of a slot that a stretch cuts only its share counts, at its middle: less by 0.2 % here.
  for (const [season, tolerance] of [[12, 1e-4], [7.3, 1e-2]] as const) {
    const state = seen([season, 0], Array.from({ length: 3000 }, (_, i) => i), (u) => 0.5 * u);
    near(trendOf(state.numbers), 0.5 * season, tolerance);
    // After a gap longer than the history the sums are made again.
    takeSample(state, 10_000, 5000, new Float32Array(TOKEN_FEATURES), 0);
    near(trendOf(state.numbers), 0.5 * season, 10 * tolerance);
  }
});
