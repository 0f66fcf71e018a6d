/**
 * What the committee says of one window, and what came: a row of the gate's table.
 *
 * All values are in units of the seasonal naive error of the context, counted from the newest
 * value; losses are the members' discounted past errors by lead bucket as the committee keeps them.
 */
import { adaptiveStart, widthFactor } from "../../models/adaptive_coverage.ts";
import { growthExponent } from "../../models/calibration.ts";
import { type EnsembleRun, newestSlot, openEnsemble } from "../../models/ensemble.ts";
import { type ForecastParts, forecastParts } from "../../models/forecast_parts.ts";
import { CONTEXT_PREFIXES } from "../../models/forecaster.ts";
import type { MemberName } from "../../models/members.ts";
import { refit } from "../../models/refit.ts";
import { type JudgedForecast, naiveScaleOf } from "../../models/replay.ts";
import type { GateWindow } from "./gate_windows.ts";

/** Leads of a row: strata of the horizon, one lead of each. */
export const ROW_LEADS = 12;

/** Quantiles of the fans, beside the median. */
export const ROW_QUANTILES: Float64Array = Float64Array.of(0.1, 0.3, 0.7, 0.9);

/** Lead buckets at most. */
export const ROW_BUCKETS = 3;

/** Numbers about the window as a whole, in this order. */
export const ROW_GLOBALS = [
  "samples",
  "horizon",
  "season",
  "secondSeason",
  "trueSeason",
  "logPeriodS",
  "isTold",
  "logUnit",
  "logStepUnit",
  "deviation",
  "mean",
  "seasonMean",
  "pastMean",
  "least",
  "lossHalf",
  "recency",
  "growth",
  "maseScale",
] as const;

/**
 * Numbers of each member and bucket, in this order: mean |error| with the kept and with a shorter
 * memory, mean error, and what a little more weight would have spared: the mean of
 * sign(value − point)·(member − point), with the committee's point.
 */
export const ROW_LOSSES = ["kept", "short", "signed", "gain"] as const;

/** One row; numbers are NaN where a member, a bucket or a lead isn't there. */
export interface GateRow {
  readonly group: string;
  readonly series: string;
  /** By {@linkcode ROW_GLOBALS}. */
  readonly globals: Float64Array;
  /** Leads, from 1.                                                                      [lead] */
  readonly leads: Float64Array;
  readonly truth: Float64Array;
  /** The seasonal naive forecast by the true season.                                     [lead] */
  readonly naive: Float64Array;
  /** Discounted origins of each bucket.                                                [bucket] */
  readonly origins: Float64Array;
  /** [ROW_LOSSES, bucket, member] */
  readonly losses: Float64Array;
  /** [member, lead] */
  readonly forecasts: Float64Array;
  /** [lead, quantile] */
  readonly pooled: Float64Array;
  /** [network, lead, quantile] */
  readonly fans: Float64Array;
}

/** The shorter memory of the losses, in shares of the kept one and in horizons. */
const SHORT_SHARE = 1 / 6;
const SHORT_HORIZONS = 0.5;

/** Mean |error|, error and gain of every member, discounted, from the forecasts of a replay. */
function discountedErrors(
  run: EnsembleRun,
  past: readonly JudgedForecast[],
  half: number,
): Record<"absolute" | "signed" | "gain", Float64Array> {
  const { horizon, members, grid } = run.state;
  const now = newestSlot(run.state);
  const absolute = new Float64Array(ROW_BUCKETS * members.length);
  const signed = new Float64Array(absolute.length);
  const gain = new Float64Array(absolute.length);
  const weights = new Float64Array(ROW_BUCKETS);
  for (const one of past) {
    const weight = Math.exp((one.slot - now) / half);
    for (let l = 0; l < horizon; l++) {
      if (Number.isNaN(one.errors[l]!)) continue;
      const z = grid.values[one.slot + 1 + l - grid.first]!;
      const point = one.point[l]!;
      const bucket = run.bucket[l]!;
      weights[bucket] = weights[bucket]! + weight;
      for (let i = 0; i < members.length; i++) {
        const forecast = one.members[i * horizon + l]!;
        const error = z - forecast;
        const at = bucket * members.length + i;
        absolute[at] = absolute[at]! + weight * Math.abs(error);
        signed[at] = signed[at]! + weight * error;
        gain[at] = gain[at]! + weight * Math.sign(z - point) * (forecast - point);
      }
    }
  }
  const mean = (sum: number, i: number) => sum / weights[Math.floor(i / members.length)]!;
  return { absolute: absolute.map(mean), signed: signed.map(mean), gain: gain.map(mean) };
}

function meanOf(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i]!;
  return sum / (to - from);
}

/** Values of the window on whole slots; a missing one is the one before. */
function evenly({ slots, values, origin }: GateWindow): Float64Array {
  const out = new Float64Array(origin + 1);
  let at = 0;
  for (let slot = 0; slot <= origin; slot++) {
    while (at + 1 < slots.length && slots[at + 1]! <= slot) at++;
    out[slot] = values[at]!;
  }
  return out;
}

function stepsOf(values: Float64Array, lag: number): number {
  const m = values.length > lag ? lag : 1;
  let sum = 0;
  for (let i = m; i < values.length; i++) sum += Math.abs(values[i]! - values[i - m]!);
  return sum / (values.length - m);
}

function globalsOf(run: EnsembleRun, window: GateWindow, unit: number, recency: number) {
  const { grid, seasons, scale, lossHalf, calibration, horizon, low } = run.state;
  const season = seasons[0]?.slots ?? 1;
  const z = Float64Array.from(grid.values.subarray(0, grid.length));
  const mean = meanOf(z, 0, z.length);
  const square = z.reduce((sum, value) => sum + (value - mean) ** 2, 0) / z.length;
  const recent = Math.min(z.length, Math.max(season, 4));
  const before = Math.max(0, z.length - 5 * recent);
  const last = z[z.length - 1]!;
  const inUnits = (value: number) => (value - last) / unit;
  const steps = stepsOf(evenly(window), 1) / scale;
  return Float64Array.of(
    window.values.length,
    horizon,
    season,
    seasons[1]?.slots ?? 0,
    window.season,
    Math.log(window.periodS),
    window.isTold ? 1 : 0,
    Math.log(unit * scale),
    Math.log(steps / unit + 1e-9),
    Math.sqrt(square) / unit,
    inUnits(mean),
    inUnits(meanOf(z, z.length - recent, z.length)),
    inUnits(before < z.length - recent ? meanOf(z, before, z.length - recent) : mean),
    inUnits(low),
    lossHalf,
    recency,
    growthExponent(calibration!),
    stepsOf(evenly(window), window.season) / scale / unit,
  );
}

/** Leads of the horizon, one of each stratum; all where there are no more than strata. */
function leadsOf(horizon: number): number[] {
  const count = Math.min(ROW_LEADS, horizon);
  return Array.from({ length: count }, (_, k) => Math.floor((k + 0.5) * horizon / count));
}

function fitted(window: GateWindow, members: readonly MemberName[]) {
  const { slots, values, periodS, season, isTold, target } = window;
  return refit({
    members,
    horizon: target.length,
    seasonsS: isTold ? [season * periodS] : [],
    times: slots.map((slot) => slot * periodS),
    values,
    seen: values.length,
    records: [],
    prefixes: CONTEXT_PREFIXES,
    before: null,
  });
}

const missing = (size: number) => new Float64Array(size).fill(NaN);

/** Numbers of the row's leads, NaN behind the last one.                                  [lead] */
function perLead(leads: readonly number[], at: (lead: number) => number): Float64Array {
  const out = missing(ROW_LEADS);
  leads.forEach((lead, k) => out[k] = at(lead));
  return out;
}

/** Numbers of the row's leads and quantiles.                                   [lead, quantile] */
function perQuantile(
  leads: readonly number[],
  at: (lead: number, quantile: number) => number,
): Float64Array {
  const out = missing(ROW_LEADS * ROW_QUANTILES.length);
  leads.forEach((lead, k) => {
    for (let q = 0; q < ROW_QUANTILES.length; q++) out[k * ROW_QUANTILES.length + q] = at(lead, q);
  });
  return out;
}

/** How the members erred in the replay, in units.                [ROW_LOSSES, bucket, member] */
function lossesOf(
  run: EnsembleRun,
  past: readonly JudgedForecast[],
  members: readonly MemberName[],
  unit: number,
): Float64Array {
  const { state } = run;
  const out = missing(ROW_LOSSES.length * ROW_BUCKETS * members.length);
  const shortHalf = Math.max(SHORT_HORIZONS * state.horizon, SHORT_SHARE * state.lossHalf);
  const kept = discountedErrors(run, past, state.lossHalf);
  const short = discountedErrors(run, past, shortHalf);
  [kept.absolute, short.absolute, kept.signed, kept.gain].forEach((sums, kind) => {
    state.members.forEach((name, i) => {
      const member = members.indexOf(name);
      for (let bucket = 0; bucket < run.buckets.length; bucket++) {
        out[(kind * ROW_BUCKETS + bucket) * members.length + member] =
          sums[bucket * state.members.length + i]! / unit;
      }
    });
  });
  return out;
}

/** Forecasts of all members, and the fans of the pooled errors and of the networks; in units. */
function forecastsOf(
  run: EnsembleRun,
  parts: ForecastParts,
  members: readonly MemberName[],
  { leads, unit }: { readonly leads: readonly number[]; readonly unit: number },
): Pick<GateRow, "forecasts" | "pooled" | "fans"> {
  const { grid, horizon, members: there } = run.state;
  const last = grid.values[grid.length - 1]!;
  const adaptive = adaptiveStart();
  const widths = ROW_QUANTILES.length;
  const fanOf = (offsets: Float64Array) =>
    perQuantile(leads, (lead, q) => {
      const live = widthFactor(adaptive, run.bucket[lead]!, ROW_QUANTILES[q]!);
      return live * offsets[lead * widths + q]! / unit;
    });
  const forecasts = members.map((name) => {
    const i = there.indexOf(name);
    if (i < 0) return missing(ROW_LEADS);
    return perLead(leads, (lead) => (parts.members[i * horizon + lead]! - last) / unit);
  });
  const networks = members.filter((name) => name.startsWith("network:"));
  const fans = networks.map((name) => {
    const fan = parts.fans[there.indexOf(name)];
    return fan == null ? missing(ROW_LEADS * widths) : fanOf(fan);
  });
  const joined = (rows: readonly Float64Array[]) => Float64Array.from(rows.flatMap((r) => [...r]));
  return { forecasts: joined(forecasts), pooled: fanOf(parts.pooled), fans: joined(fans) };
}

/**
 * Runs the committee over a window's context.
 *
 * @param members  the committee's; NaN stands for one that the series can't have
 */
export function gateRow(window: GateWindow, members: readonly MemberName[]): GateRow {
  const { state, past } = fitted(window, members);
  const run = openEnsemble(state);
  const { horizon, grid } = state;
  const parts = forecastParts(run, ROW_QUANTILES);
  const unit = naiveScaleOf(state);
  const leads = leadsOf(horizon);
  const last = grid.values[grid.length - 1]!;
  const inUnits = (value: number) => ((value - state.location) / state.scale - last) / unit;
  const even = evenly(window);
  const back = Math.min(window.season, even.length);
  return {
    group: window.group,
    series: window.series,
    globals: globalsOf(run, window, unit, parts.recency),
    leads: perLead(leads, (lead) => lead + 1),
    truth: perLead(leads, (lead) => inUnits(window.target[lead]!)),
    naive: perLead(leads, (lead) => inUnits(even[even.length - back + lead % back]!)),
    origins: Float64Array.from({ length: ROW_BUCKETS }, (_, bucket) => {
      const range = run.buckets[bucket];
      return range === undefined ? NaN : state.losses.weight[bucket]! / (range[1] - range[0]);
    }),
    losses: lossesOf(run, past, members, unit),
    ...forecastsOf(run, parts, members, { leads, unit }),
  };
}
