import assert from "node:assert/strict";
import { adaptiveStart } from "../../src/models/adaptive_coverage.ts";
import { ensembleObserve } from "../../src/models/ensemble.ts";
import type { EnsembleRun } from "../../src/models/ensemble_run.ts";
import {
  ensembleQuantiles,
  issueWhenDue,
  memberShares,
} from "../../src/models/ensemble_forecast.ts";
import type { MemberName } from "../../src/models/members.ts";
import { fittedRun } from "./_ensembles.ts";
import { noise, seasonalWalk } from "./_series.ts";

const LENGTH = 240;
const HORIZON = 12;

const runOf = (members: MemberName[], values = seasonalWalk(LENGTH, 5)): EnsembleRun =>
  fittedRun(members, values, { horizon: HORIZON });

function at(run: EnsembleRun, leads: number[], quantile = 0.5): number[] {
  const us = Float64Array.from(leads, (lead) => LENGTH - 1 + lead);
  return [...ensembleQuantiles(run, us, Float64Array.of(quantile), adaptiveStart())];
}

Deno.test("ensembleQuantiles() of the naive model repeats the season, beyond the horizon too", () => {
  const values = seasonalWalk(LENGTH, 5);
  const leads = [1, 5, 12, 24, 30];
  const expected = leads.map((lead) => values[LENGTH - 24 + (lead - 1) % 24]!);
  // Within the horizon the point has 24 bits; beyond it fades to the naive forecast it equals.
  at(runOf(["seasonal_naive"], values), leads).forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]!) < 1e-3, `${value} at ${leads[i]}`)
  );
});

Deno.test("ensembleQuantiles() between slots follows the season's curve, not a straight line", () => {
  const wave = (u: number) => 10 * Math.sin(2 * Math.PI * u / 4);
  const values = Float64Array.from({ length: LENGTH }, (_, i) => wave(i));
  const run = runOf(["structural"], values);
  const [half] = at(run, [1.5]);
  const truth = wave(LENGTH + 0.5);
  const straight = (wave(LENGTH) + wave(LENGTH + 1)) / 2;
  assert.ok(Math.abs(half! - truth) < 0.3 * Math.abs(straight - truth), `${half} for ${truth}`);
});

Deno.test("ensembleQuantiles() widens on beyond the horizon, as a power of the lead", () => {
  const widthsOf = (values: Float64Array) => {
    const run = runOf(["structural"], values);
    return (lead: number) => at(run, [lead], 0.9)[0]! - at(run, [lead], 0.5)[0]!;
  };
  const errors = noise(LENGTH, 7);
  const width = widthsOf(errors.map((error, i) => error + 8 * Math.sin(2 * Math.PI * i / 24)));
  const growth = Math.log2(width(2 * HORIZON) / width(HORIZON));
  assert.ok(growth >= 0.1 - 1e-9 && growth <= 0.75 + 1e-9, `${growth}`);
  assert.ok(Math.abs(Math.log2(width(4 * HORIZON) / width(HORIZON)) - 2 * growth) < 1e-6);
  const wandering = widthsOf(seasonalWalk(LENGTH, 5));
  assert.ok(wandering(HORIZON) > wandering(1));
  // What rises steadily moves farther over long lags, whatever the errors were up to the horizon.
  const rising = widthsOf(errors.map((error, i) => error + 0.2 * i));
  assert.ok(rising(4 * HORIZON) > 2 ** 1.5 * rising(HORIZON));
});

Deno.test("issueWhenDue() issues every stride and lets coverage be kept", () => {
  const run = runOf(["seasonal_naive", "structural"]);
  const adaptive = adaptiveStart();
  const future = seasonalWalk(LENGTH + 400, 5).subarray(LENGTH);
  future.forEach((value, i) => {
    if (ensembleObserve(run, LENGTH + i, value, adaptive)) issueWhenDue(run, adaptive);
  });
  assert.ok(adaptive.seen[0]! > 1000);
  assert.equal(adaptive.seen[0], adaptive.seen[1]);
  const covered = adaptive.inside[0]! / adaptive.seen[0]!;
  assert.ok(covered > 0.65 && covered < 0.93, `${covered}`);
  // In the values' units: noise of 0.5 on a level that takes steps of 0.2.
  assert.ok(adaptive.width[0]! > 1 && adaptive.width[0]! < 4, `${adaptive.width}`);
  assert.ok(adaptive.width[1]! > 1.2 * adaptive.width[0]!);
});

Deno.test("memberShares() sums to one and favours who is right", () => {
  const shares = memberShares(runOf(["seasonal_naive", "mean", "structural"]));
  const total = Object.values(shares).reduce((sum, share) => sum + share, 0);
  assert.ok(Math.abs(total - 1) < 1e-12);
  assert.ok(shares["structural"]! > shares["mean"]!);
});
