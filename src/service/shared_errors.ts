import { NotFoundError } from "../base/errors.ts";
import { solve } from "../ssm/dense.ts";
import type { Segment } from "../signal/segment.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type { Store, StreamRecord } from "../stores/store.ts";
import type { Engine } from "../streams/engine.ts";

/**
 * How the errors of forecasts of several streams go together: the correlations of what was new in
 * their pasts, at several leads. The width of a sum depends on it: common weather makes all parts
 * err to one side.
 */

/** Newest slots of the past that are looked at. */
export const SHARED_SLOTS_MAX = 512;

/** Leads, in slots, at which errors are held against each other. */
export const SHARED_LEADS: readonly number[] = [1, 4, 16, 64];

/** Errors of fewer slots tell nothing of how they go together. */
const ERRORS_MIN = 24;

/** Newest values, before the lead, that a slot is regressed on. */
const RECENT_VALUES = 4;

/** Seasons of a channel that a slot is regressed on. */
const SEASONS_MAX = 2;

/** Ridge of the regression, in variances of the values. */
const RIDGE = 1e-3;

/** Errors count as if they were so many standard deviations at most, so that one is not all. */
const ERROR_MAX = 4;
const CLIP_ROUNDS = 5;

/** One channel's past on a grid that all share. */
export interface SlotSeries {
  /** NaN where a slot has no value.                                                    [slot] */
  readonly values: Float64Array;
  /** Lengths of its seasons, in slots. */
  readonly seasons: readonly number[];
}

/**
 * Means of samples by slot, the newest slot last.
 *
 * @param timesNs  increasing                                                       [sample]
 * @param endNs    a time of the last slot
 * @param stepNs   length of a slot
 * @returns        NaN where a slot has no value                                    [slots]
 */
export function slotMeans(
  timesNs: BigInt64Array,
  values: Float64Array,
  { endNs, stepNs, slots }: { endNs: bigint; stepNs: number; slots: number },
): Float64Array {
  const means = new Float64Array(slots);
  const counts = new Uint32Array(slots);
  values.forEach((value, i) => {
    const slot = slots - 1 - Math.round(Number(endNs - timesNs[i]!) / stepNs);
    if (Number.isNaN(value) || slot < 0 || slot >= slots) return;
    counts[slot] = counts[slot]! + 1;
    means[slot] = means[slot]! + (value - means[slot]!) / counts[slot]!;
  });
  return means.map((mean, slot) => counts[slot] === 0 ? NaN : mean);
}

/** Values so many times their range beyond it count as if they were no farther: a glitch is one. */
const RANGE_MAX = 2;

/** Values held to what is not far beyond the inner 98 % of them. */
function heldToRange(values: Float64Array): Float64Array {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  const low = sorted[Math.floor(0.01 * (sorted.length - 1))]!;
  const high = sorted[Math.ceil(0.99 * (sorted.length - 1))]!;
  const room = RANGE_MAX * (high - low);
  return values.map((value) => Math.min(high + room, Math.max(low - room, value)));
}

/** Values in standard deviations of themselves; gaps keep the value before. Null: none moves. */
function standardized(given: Float64Array): Float64Array | null {
  const values = heldToRange(given);
  const known = values.filter((value) => !Number.isNaN(value));
  // A scale first: squares of 1e200 are none.
  const scale = known.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const mean = known.reduce((sum, value) => sum + value / scale, 0) / known.length;
  const spread = Math.sqrt(
    known.reduce((sum, value) => sum + (value / scale - mean) ** 2, 0) / known.length,
  );
  if (!(spread > 1e-12 * Math.abs(mean))) return null;
  let last = 0;
  return values.map((value) => {
    if (!Number.isNaN(value)) last = (value / scale - mean) / spread;
    return last;
  });
}

/** How far before a slot the values lie that it is regressed on. */
function lagsOf(seasons: readonly number[], lead: number, slots: number): number[] {
  const recent = Array.from({ length: RECENT_VALUES }, (_, k) => lead + k);
  const before = seasons.slice(-SEASONS_MAX).map((season) => Math.ceil(lead / season) * season);
  return [...new Set([...recent, ...before])].filter((lag) => lag <= slots / 3);
}

/**
 * What could not be known `lead` slots before, of each slot of a past:
 *
 *   e_t = x_t − x̂_t,      x̂_t = a + Σ_l b_l x_{t−l}
 *
 * by ridge regression over the past itself, l from the lead on and whole seasons before.
 *
 * @returns standardized, 0 where a slot has no value or nothing before it          [slot]
 */
export function errorsAt({ values, seasons }: SlotSeries, lead: number): Float64Array {
  const slots = values.length;
  const errors = new Float64Array(slots);
  const x = standardized(values);
  if (x === null) return errors;
  const lags = lagsOf(seasons, lead, slots);
  const known = values.findIndex((value) => !Number.isNaN(value));
  const first = known + Math.max(...lags);
  const rows = Array.from({ length: Math.max(0, slots - first) }, (_, i) => first + i)
    .filter((t) => !Number.isNaN(values[t]!));
  const width = lags.length + 1;
  if (lags.length < RECENT_VALUES || rows.length < ERRORS_MIN + width) return errors;
  const target = Float64Array.from(rows, (t) => x[t]!);
  const columns = [0, ...lags].map((lag) =>
    lag === 0 ? target.map(() => 1) : Float64Array.from(rows, (t) => x[t - lag]!)
  );
  const left = new Float64Array(width * width);
  columns.forEach((one, a) => columns.forEach((other, b) => left[a * width + b] = dot(one, other)));
  for (let a = 0; a < width; a++) left[a * width + a] = left[a * width + a]! + RIDGE * rows.length;
  const right = Float64Array.from(columns, (column) => dot(column, target));
  const weights = solve(left, right, width, 1);
  rows.forEach((t, i) => {
    errors[t] = columns.reduce((rest, column, k) => rest - weights[k]! * column[i]!, target[i]!);
  });
  return clippedInto(errors, rows.length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** In standard deviations of what is left when none is beyond {@linkcode ERROR_MAX} of them. */
function clippedInto(errors: Float64Array, count: number): Float64Array {
  for (let round = 0; round < CLIP_ROUNDS; round++) {
    const spread = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / count);
    if (spread === 0) return errors;
    for (let t = 0; t < errors.length; t++) {
      errors[t] = Math.min(ERROR_MAX, Math.max(-ERROR_MAX, errors[t]! / spread));
    }
  }
  return errors;
}

/** At lags of 1 to `count` slots; 0 where there are no errors. */
function autocorrelationsOf(errors: Float64Array, count: number): Float64Array {
  const all = dot(errors, errors) || 1;
  return Float64Array.from(
    { length: count },
    (_, k) => dot(errors.subarray(0, errors.length - k - 1), errors.subarray(k + 1)) / all,
  );
}

/**
 * Correlations of the errors at a lead, drawn towards none by as much as chance would make of
 * independent ones:
 *
 *   R = (1 − λ) R̂ + λ I,      λ = Σ_{i≠j} (1 − r̂_ij²)² / n_ij  /  Σ_{i≠j} r̂_ij²,   at most 1
 *   n_ij = n / (1 + 2 Σ_{0<k<h} ρ_i(k) ρ_j(k))
 *
 * Schäfer and Strimmer (2005), with the variance of r̂ under normal errors. Errors at lead h
 * overlap with h − 1 others: n slots count as n_ij by their autocorrelations ρ (Bartlett 1935). A
 * slot in which one of two has no error counts as none of both. Positive definite where λ > 0,
 * semidefinite always.
 *
 * @returns symmetric, 1 on the diagonal                                   [series, series]
 */
export function errorCorrelations(series: readonly SlotSeries[], lead: number): Float64Array {
  const size = series.length;
  const errors = series.map((one) => errorsAt(one, lead));
  const norms = errors.map((own) => Math.sqrt(own.reduce((sum, e) => sum + e * e, 0)));
  const autocorrelations = errors.map((own) => autocorrelationsOf(own, lead - 1));
  const correlations = new Float64Array(size * size);
  let [chance, all] = [0, 0];
  for (let i = 0; i < size; i++) {
    correlations[i * size + i] = 1;
    for (let j = 0; j < i; j++) {
      if (norms[i] === 0 || norms[j] === 0) continue;
      let [sum, both] = [0, 0];
      for (let t = 0; t < errors[i]!.length; t++) {
        const product = errors[i]![t]! * errors[j]![t]!;
        if (product !== 0) both++;
        sum += product;
      }
      const r = sum / (norms[i]! * norms[j]!);
      correlations[i * size + j] = correlations[j * size + i] = r;
      const overlap = 1 + 2 * dot(autocorrelations[i]!, autocorrelations[j]!);
      if (both > 0) chance += (1 - r * r) ** 2 * Math.max(1, overlap) / both;
      all += r * r;
    }
  }
  const kept = all === 0 ? 0 : 1 - Math.min(1, chance / all);
  return correlations.map((r, at) => at % (size + 1) === 0 ? 1 : kept * r);
}

/** The pasts of several channels on one grid. */
export interface SharedPasts {
  /** Time of the newest sample of any of them. */
  readonly endNs: bigint;
  /** Length of a slot: the longest median step of any of them. */
  readonly stepNs: number;
  readonly series: readonly SlotSeries[];
}

function medianStepNs({ timestampsNs }: Segment): number {
  const steps = Float64Array.from(
    { length: timestampsNs.length - 1 },
    (_, i) => Number(timestampsNs[i + 1]! - timestampsNs[i]!),
  ).sort();
  return steps[steps.length >> 1] ?? 0;
}

/** Reads the newest samples of channels, and which seasons their streams have found. */
export async function sharedPasts(
  { store, engine }: { readonly store: Store; readonly engine: Engine },
  parts: readonly { readonly record: StreamRecord; readonly channel: string }[],
): Promise<SharedPasts> {
  const pasts: { timesNs: BigInt64Array; values: Float64Array; seasonsS: readonly number[] }[] = [];
  let [endNs, stepNs] = [0n, 1];
  for (const { record, channel } of parts) {
    const [tail] = await store.readTails([record.id], SHARED_SLOTS_MAX);
    if (tail === null || tail === undefined) throw new NotFoundError("stream", record.id);
    const samples = withoutMissing(tail, record.settings.channels);
    const timesNs = tail.timestampsNs;
    const values = samples.values[samples.channels.indexOf(channel)] ??
      new Float64Array(timesNs.length).fill(NaN);
    const { perChannel } = await engine.summarize(record.id);
    pasts.push({ timesNs, values, seasonsS: perChannel[channel]?.seasonsS ?? [] });
    stepNs = Math.max(stepNs, medianStepNs(tail));
    if (timesNs.at(-1)! > endNs) endNs = timesNs.at(-1)!;
  }
  const series = pasts.map(({ timesNs, values, seasonsS }) => ({
    values: slotMeans(timesNs, values, { endNs, stepNs, slots: SHARED_SLOTS_MAX }),
    seasons: seasonsS.map((season) => Math.round(season * 1e9 / stepNs)).filter((n) => n > 1),
  }));
  return { endNs, stepNs, series };
}

/** The lead at which errors are held against each other for a forecast of a time. */
export function sharedLead({ endNs, stepNs }: SharedPasts, timeNs: bigint): number {
  const lead = Number(timeNs - endNs) / stepNs;
  return SHARED_LEADS.findLast((one) => one <= lead) ?? SHARED_LEADS[0]!;
}
