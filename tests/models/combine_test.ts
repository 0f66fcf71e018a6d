import assert from "node:assert/strict";
import { combineAnew, combineInto, weighMembers } from "../../src/models/combine.ts";
import type { EnsembleRun } from "../../src/models/ensemble_run.ts";
import { forecastFromNewest } from "../../src/models/ensemble_forecast.ts";
import type { MemberName } from "../../src/models/members.ts";
import { memberAt } from "../../src/models/member_steps.ts";
import { fittedRun } from "./_ensembles.ts";
import { seasonalWalk } from "./_series.ts";

const HORIZON = 12;

const runOf = (members: MemberName[]): EnsembleRun =>
  fittedRun(members, seasonalWalk(240, 5), { horizon: HORIZON });

/** Makes one member the only one that has not erred. */
function trust({ state: { losses, members } }: EnsembleRun, member: number): void {
  losses.errors.forEach((_, i) => losses.errors[i] = i % members.length === member ? 1e-9 : 1e3);
  losses.weight.fill(1e3);
}

Deno.test("combineInto() is the weighted mean, with the weighted distance from it", () => {
  const run = runOf(["seasonal_naive", "mean", "ar_differences"]);
  const out = forecastFromNewest(run);
  const members = run.forecasts.map((forecast) => forecast[7]!);
  run.weights.forEach((weights) => weights.set([0.5, 0.25, 0.25]));
  combineInto(run, out);
  const mean = 0.5 * members[0]! + 0.25 * members[1]! + 0.25 * members[2]!;
  const apart = members.reduce(
    (sum, value, i) => sum + [0.5, 0.25, 0.25][i]! * Math.abs(value - mean),
    0,
  );
  assert.ok(Math.abs(out.point[7]! - mean) < 1e-6);
  assert.ok(Math.abs(out.spread[7]! - apart) < 1e-6);
});

Deno.test("combineAnew() combines past forecasts under the weights of now", () => {
  const run = runOf(["seasonal_naive", "mean"]);
  trust(run, 1);
  const past = forecastFromNewest(run);
  assert.ok(past.point.every((value, l) => Math.abs(value - run.forecasts[1]![l]!) < 1e-6));
  trust(run, 0);
  combineAnew(run, [past]);
  weighMembers(run);
  assert.ok(run.weights.every((weights) => weights[0]! > 0.999));
  const { step } = past;
  past.point.forEach((value, l) => {
    assert.ok(Math.abs(value - memberAt(past, l)) < step + 1e-6, `${value} at ${l}`);
    assert.ok(past.spread[l]! < 1e-3);
  });
});

Deno.test("combineAnew() leaves the forecasts of one voice as they are", () => {
  const run = runOf(["seasonal_naive"]);
  const past = forecastFromNewest(run);
  const before = structuredClone(past);
  combineAnew(run, [past]);
  assert.deepEqual(past, before);
});
