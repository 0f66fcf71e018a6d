import assert from "node:assert/strict";
import { adaptiveStart, widthFactor } from "../../src/models/adaptive_coverage.ts";
import { openEnsemble } from "../../src/models/ensemble.ts";
import { ensembleQuantiles } from "../../src/models/ensemble_forecast.ts";
import { forecastParts } from "../../src/models/forecast_parts.ts";
import { refit } from "../../src/models/refit.ts";
import { hours, seasonalWalk } from "./_series.ts";

const LENGTH = 240;
const HORIZON = 12;

Deno.test("forecastParts() are what ensembleQuantiles() puts together", () => {
  const values = seasonalWalk(LENGTH, 5);
  const { state } = refit({
    members: ["seasonal_naive", "mean", "structural"],
    horizon: HORIZON,
    seasonsS: [],
    times: hours(LENGTH),
    values,
    seen: LENGTH,
    records: [],
    prefixes: [],
    before: null,
  });
  const run = openEnsemble(state);
  const quantiles = Float64Array.of(0.1, 0.5, 0.8);
  const adaptive = adaptiveStart();
  const us = Float64Array.from({ length: HORIZON }, (_, l) => LENGTH + l);
  const whole = ensembleQuantiles(run, us, quantiles, adaptive);
  const { members: forecasts, weights, pooled } = forecastParts(run, quantiles);
  const { location, scale } = run.state;
  for (let l = 0; l < HORIZON; l++) {
    const bucket = run.bucket[l]!;
    let point = 0;
    weights[bucket]!.forEach((weight, i) => point += weight * forecasts[i * HORIZON + l]!);
    for (let q = 0; q < quantiles.length; q++) {
      const live = widthFactor(adaptive, bucket, quantiles[q]!);
      const expected = location + scale * (point + live * pooled[l * quantiles.length + q]!);
      assert.ok(Math.abs(whole[l * quantiles.length + q]! - expected) < 1e-4 * scale);
    }
  }
});
