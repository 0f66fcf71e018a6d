import assert from "node:assert/strict";
import { adaptiveStart } from "../../src/models/adaptive_coverage.ts";
import { expectedBeyond } from "../../src/models/beyond_horizon.ts";
import { referenceAt } from "../../src/models/ensemble.ts";
import type { EnsembleRun } from "../../src/models/ensemble_run.ts";
import { ensembleQuantiles } from "../../src/models/ensemble_forecast.ts";
import type { MemberName } from "../../src/models/members.ts";
import { fittedRun } from "./_ensembles.ts";
import { noise, seasonalWalk } from "./_series.ts";

const LENGTH = 400;
const HORIZON = 8;
const FAR = Float64Array.of(LENGTH + 20, LENGTH + 31, LENGTH + 200);

const runOf = (members: MemberName[], values = seasonalWalk(LENGTH, 5)): EnsembleRun =>
  fittedRun(members, values, { horizon: HORIZON, prefixes: [0.5] });

const ALL = Float64Array.of(1);

Deno.test("expectedBeyond() of naive members is the season again, and the mean", () => {
  const naive = runOf(["seasonal_naive"]);
  const { grid, mean } = naive.state;
  const expected = FAR.map((u) => grid.values[grid.length - 24 + (u - LENGTH) % 24]!);
  assert.deepEqual(expectedBeyond(naive, FAR, ALL), expected);
  const level = runOf(["mean"]);
  assert.deepEqual(expectedBeyond(level, FAR, ALL), FAR.map(() => mean.sum / mean.count));
});

Deno.test("expectedBeyond() weighs the members that know any lead, and no other", () => {
  const run = runOf(["seasonal_naive", "structural", "analog", "ar_differences"]);
  const one = (i: number) =>
    expectedBeyond(run, FAR, Float64Array.of(0, 0, 0, 0).fill(1, i, i + 1));
  const [naive, filter] = [one(0), one(1)];
  assert.deepEqual(filter, FAR.map((u) => referenceAt(run, u)));
  const both = expectedBeyond(run, FAR, Float64Array.of(0.3, 0.1, 0.4, 0.2));
  both.forEach((value, t) => {
    const weighed = 0.75 * naive[t]! + 0.25 * filter[t]!;
    assert.ok(Math.abs(value - weighed) < 1e-12, `${value} for ${weighed}`);
  });
  // Those that know their horizon only leave it to the reference.
  assert.deepEqual(one(2), filter);
});

Deno.test("ensembleQuantiles() beyond the horizon believes the member that has been right", () => {
  // Pulses of a sixteenth of the season: too sharp for a filter's twelve harmonics.
  const season = 96;
  const pulse = (i: number) => (i % season < 6 ? 10 : 0) + Math.sin(i * i) / 20;
  const values = Float64Array.from({ length: LENGTH }, (_, i) => pulse(i));
  const us = Float64Array.from({ length: season }, (_, i) => LENGTH + 2 * HORIZON + i);
  const errorOf = (run: EnsembleRun) => {
    const medians = ensembleQuantiles(run, us, Float64Array.of(0.5), adaptiveStart());
    return medians.reduce((sum, median, t) => sum + Math.abs(median - pulse(us[t]!)), 0) / season;
  };
  const alone = errorOf(runOf(["structural"], values));
  const together = errorOf(runOf(["structural", "seasonal_naive"], values));
  assert.ok(together < 0.4 * alone, `${together} beside ${alone}`);
});

Deno.test("ensembleQuantiles() beyond the horizon hold a trend that no member follows so far", () => {
  const errors = noise(LENGTH + 160, 2);
  const rising = errors.map((error, i) => 0.1 * i + 4 * Math.sin(2 * Math.PI * i / 24) + error);
  const run = runOf(["seasonal_naive", "structural"], rising.slice(0, LENGTH));
  const us = Float64Array.from({ length: 150 }, (_, i) => LENGTH + HORIZON + 1 + i);
  const rows = ensembleQuantiles(run, us, Float64Array.of(0.1, 0.9), adaptiveStart());
  const inside = us.filter((u, t) => rows[2 * t]! < rising[u]! && rising[u]! < rows[2 * t + 1]!);
  assert.ok(inside.length > 0.7 * us.length, `${inside.length} of ${us.length}`);
  // A stationary series is held by intervals that stay as they are.
  const steady = runOf(["seasonal_naive"], errors.slice(0, LENGTH));
  const widths = ensembleQuantiles(steady, us, Float64Array.of(0.1, 0.9), adaptiveStart());
  const [first, last] = [0, us.length - 1].map((t) => widths[2 * t + 1]! - widths[2 * t]!);
  assert.ok(last! < 1.7 * first!, `${last} beside ${first}`);
});
