/** The members' forecasts as one: their weighted mean, and how far they lie from it. */
import type { EnsembleRun, PendingForecast } from "./ensemble_run.ts";
import { memberWeightsInto } from "./losses.ts";
import { memberAt } from "./member_steps.ts";

/** What a forecast is made of before its conditions are known. */
export type Outlook = Pick<PendingForecast, "point" | "spread" | "size">;

/** Sets the members' weights from their past errors. */
export function weighMembers(run: EnsembleRun): void {
  for (let bucket = 0; bucket < run.buckets.length; bucket++) {
    const [from, to] = run.buckets[bucket]!;
    memberWeightsInto(run.state.losses, bucket, to - from, run.weights[bucket]!, run.networks);
  }
}

/** Weighted mean and disagreement of the forecasts in the run, under the weights in it. */
export function combineInto(run: EnsembleRun, { point, spread, size }: Outlook): void {
  const { state: { horizon, location, scale }, forecasts, mean, apart } = run;
  mean.fill(0);
  apart.fill(0);
  for (let b = 0; b < run.buckets.length; b++) {
    const [from, to] = run.buckets[b]!;
    const weights = run.weights[b]!;
    for (let i = 0; i < weights.length; i++) {
      addWeighted(forecasts[i]!, weights[i]!, from, to, mean);
    }
    for (let i = 0; i < weights.length; i++) {
      addDistances(forecasts[i]!, weights[i]!, mean, from, to, apart);
    }
  }
  for (let l = 0; l < horizon; l++) {
    point[l] = mean[l]!;
    spread[l] = apart[l]!;
    size[l] = Math.abs(location + scale * mean[l]!);
  }
}

function addWeighted(
  forecast: Float64Array,
  weight: number,
  from: number,
  to: number,
  mean: Float64Array,
): void {
  for (let l = from; l < to; l++) mean[l] = mean[l]! + weight * forecast[l]!;
}

function addDistances(
  forecast: Float64Array,
  weight: number,
  mean: Float64Array,
  from: number,
  to: number,
  apart: Float64Array,
): void {
  for (let l = from; l < to; l++) {
    apart[l] = apart[l]! + weight * Math.abs(forecast[l]! - mean[l]!);
  }
}

/**
 * Combines past forecasts anew, under the weights that the members have now. A replay learns the
 * weights on its way, and its first forecasts are those of a committee that knew its members less:
 * the errors to come are those of the weights as they are.
 */
export function combineAnew(run: EnsembleRun, past: readonly PendingForecast[]): void {
  const { forecasts, state: { horizon } } = run;
  // One voice alone is its own mean, and is kept in less than its bits.
  if (forecasts.length < 2) return;
  weighMembers(run);
  for (const forecast of past) {
    forecasts.forEach((out, i) => {
      for (let l = 0; l < horizon; l++) out[l] = memberAt(forecast, i * horizon + l);
    });
    combineInto(run, forecast);
  }
}
