import assert from "node:assert/strict";
import { trialAt } from "../../../src/cli/backtest/trials.ts";
import { gridOf } from "../../../src/cli/evaluate/settings.ts";
import type { Segment } from "../../../src/signal/segment.ts";

/** Hours of a wave, of which some are missing as rows and one as a value. */
function segment(lost: readonly number[]): Segment {
  const hours = Array.from({ length: 150 }, (_, i) => i).filter((i) => !lost.includes(i));
  return {
    streamId: "s",
    channels: ["other", "x"],
    timestampsNs: BigInt64Array.from(hours, (i) => 1_000n + BigInt(i) * 3_600_000_000_000n),
    values: [
      new Float64Array(hours.length).fill(NaN),
      Float64Array.from(hours, (i) => i === 100 ? NaN : 10 + Math.sin(Math.PI * i / 12)),
    ],
  };
}

Deno.test("trialAt() knows what lies before the origin, and asks for what lies after", () => {
  const trial = trialAt(segment([]), "x", { origin: 120, horizon: 5 })!;
  assert.equal(trial.slots.length, 120);
  assert.equal(trial.origin, 119 * 3600);
  assert.deepEqual([...trial.asked], [120, 121, 122, 123, 124].map((hour) => hour * 3600));
  assert.equal(trial.target[0], 10 + Math.sin(Math.PI * 120 / 12));
  assert.deepEqual([trial.step, trial.season, trial.horizon], [3600, 24, 5]);
  assert.equal(trial.startNs, 1_000n);
  assert.equal(trialAt(segment([]), "other", { origin: 120, horizon: 5 }), null);
});

Deno.test("trialAt() tells peers the season that is declared, and models all of them", () => {
  const seasonsS = [12 * 3600, 168 * 3600];
  const trial = trialAt(segment([]), "x", { origin: 120, horizon: 5, seasonsS })!;
  assert.equal(trial.season, 12);
  assert.deepEqual(trial.seasonsS, seasonsS);
});

Deno.test("trialAt() has a grid for peers where rows and values are missing", () => {
  const trial = trialAt(segment([50, 51, 121]), "x", { origin: 118, horizon: 4 })!;
  assert.deepEqual([...trial.asked], [120, 122, 123, 124].map((hour) => hour * 3600));
  assert.equal(trial.horizon, 5);
  const grid = gridOf(trial);
  assert.equal(grid.length, 120);
  const at = (hour: number) => 10 + Math.sin(Math.PI * hour / 12);
  assert.ok(Math.abs(grid[50]! - (2 * at(49) + at(52)) / 3) < 1e-6);
  assert.ok(Math.abs(grid[100]! - (at(99) + at(101)) / 2) < 1e-6);
  assert.ok(Math.abs(grid[119]! - at(119)) < 1e-9);
});
