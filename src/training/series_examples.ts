/**
 * Minibatches for the neural forecaster from series that somebody has: windows of their samples go
 * through the features that serve; at some samples of a window, the picks, the decoder's rows are
 * written down for later samples of the same series, with what was measured there.
 *
 *   pick    a sample at which forecasts are made, uniform over the later half of the window
 *   lead    to a later sample, log-uniform over those within {@linkcode SERIES_LEAD_MAX} slots: the
 *           truth is always a value that was measured, whatever the gaps between samples
 *   target  (value − last)/unit, with weight 0 where it is more than {@linkcode TARGET_MAX} units
 *           away
 *
 * The last part of each series is held out: no window that is trained on has a sample of it, as
 * context or as target, and what the evaluations forecast lies in it alone.
 */
import { InvalidValueError } from "../base/errors.ts";
import { nextUint32, nextUniform, type RandomState, seedRandom } from "../base/random.ts";
import { featureStart, seasonClock, takeLead, takeSample } from "../models/neural/features.ts";
import type { NeuralBatch, NeuralBatchSizes } from "../models/neural/network.ts";
import { ANCHORS, LEAD_FEATURES, type LeadRows, TOKEN_FEATURES } from "../models/neural/shapes.ts";
import { fitSlotClock, slotTime } from "../models/slot_clock.ts";
import { seasonsOf } from "../models/season.ts";
import type { TuningSeries } from "./tuning.ts";

/** The longest lead that is practised, slots. */
export const SERIES_LEAD_MAX = 96;
/** Targets further than this many units from the last value are left out. */
export const TARGET_MAX = 1_000;
/** Share of a series, at its end, that is never trained on. */
export const HELD_OUT_SHARE = 0.2;
/** Samples of a series, and of its held-out part, below which it is left out. */
export const SERIES_SAMPLES_MIN = 48;
/** Samples of a window at which forecasts are made. */
export const SERIES_PICKS = 8;
/** Leads to which each of them is made. */
export const SERIES_LEADS = 8;
/** Newest slots that a season is looked for in. */
const SEASON_SLOTS = 3_000;

/** A series on its slots. */
export interface SlotSeries {
  /** Slot times, increasing.                                                          [length] */
  readonly us: Float64Array;
  /** All measured.                                                                    [length] */
  readonly values: Float64Array;
  /** Season lengths in slots; 0 = none. */
  readonly seasons: readonly [number, number];
  /** Samples before the held-out part. */
  readonly cut: number;
}

/** Values on whole slots, gaps filled by straight lines; for finding seasons only. */
function evenValues(us: Float64Array, values: Float64Array, count: number): Float64Array {
  const last = Math.round(us[count - 1]!);
  const first = Math.max(Math.round(us[0]!), last - SEASON_SLOTS + 1);
  const even = new Float64Array(last - first + 1);
  let at = 0;
  for (let slot = first; slot <= last; slot++) {
    while (at + 1 < count && us[at + 1]! <= slot) at++;
    const next = Math.min(at + 1, count - 1);
    const span = us[next]! - us[at]!;
    const share = span > 0 ? Math.min(1, Math.max(0, (slot - us[at]!) / span)) : 0;
    even[slot - first] = values[at]! * (1 - share) + values[next]! * share;
  }
  return even;
}

/** Puts a series on its slots; null where it is too short. Seasons are those of the early part. */
function onSlots({ timesS, values, seasonsS }: TuningSeries): SlotSeries | null {
  if (values.length < SERIES_SAMPLES_MIN) return null;
  const clock = fitSlotClock(timesS);
  const us = timesS.map((time) => slotTime(clock, time));
  const cut = Math.floor(values.length * (1 - HELD_OUT_SHARE));
  const [first, second] = seasonsOf(evenValues(us, values, cut), clock, seasonsS);
  return { us, values, seasons: [first?.length ?? 0, second?.length ?? 0], cut };
}

/**
 * Puts series on their slots.
 *
 * @throws {InvalidValueError} none of them is long enough
 */
export function slotSeriesOf(series: readonly TuningSeries[]): SlotSeries[] {
  const usable = series.map(onSlots).filter((each) => each !== null);
  if (usable.length > 0) return usable;
  const longest = Math.max(0, ...series.map(({ values }) => values.length));
  const wanted = `a series of at least ${SERIES_SAMPLES_MIN} values`;
  throw new InvalidValueError("samples", longest, wanted);
}

/** Samples of a series that a window shows, and what it may be asked to forecast. */
interface Window {
  readonly series: SlotSeries;
  /** First sample, and one past the last that is seen. */
  readonly from: number;
  readonly to: number;
  /** First sample at which forecasts are made, and one past the last that may be their target. */
  readonly firstPick: number;
  readonly end: number;
}

/** An empty minibatch. */
function emptyBatch(sizes: NeuralBatchSizes): NeuralBatch {
  const samples = sizes.batch * sizes.length;
  const rows = sizes.batch * sizes.picks * sizes.leads;
  return {
    sizes,
    tokens: new Float32Array(samples * TOKEN_FEATURES),
    elapsed: new Float32Array(samples).fill(1),
    seasonal: new Float32Array(samples).fill(1),
    picks: new Float32Array(sizes.batch * sizes.picks),
    features: new Float32Array(rows * LEAD_FEATURES),
    anchors: new Float32Array(rows * ANCHORS),
    valid: new Float32Array(rows * ANCHORS),
    scale: new Float32Array(rows).fill(1),
    target: new Float32Array(rows),
    weight: new Float32Array(rows),
  };
}

/** One past the last sample before `end` that lies within reach of a pick. */
function reachOf({ us }: SlotSeries, pick: number, end: number): number {
  const limit = us[pick]! + SERIES_LEAD_MAX;
  let [low, high] = [pick + 1, end];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (us[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Writes a window as row `row` of a minibatch. */
function fillRow(
  batch: NeuralBatch,
  rows: LeadRows,
  row: number,
  window: Window,
  random: RandomState,
): void {
  const { sizes: { length, picks, leads }, tokens, elapsed, seasonal } = batch;
  const { series, from, to, firstPick, end } = window;
  const { us, values } = series;
  const drawn = batch.picks.subarray(row * picks, (row + 1) * picks);
  const room = to - firstPick;
  for (let i = 0; i < picks; i++) {
    drawn[i] = firstPick - from + Math.floor(nextUniform(random) * room);
  }
  drawn.sort();
  const state = featureStart(series.seasons);
  let next = 0;
  for (let sample = from; sample < to; sample++) {
    const at = row * length + sample - from;
    takeSample(state, us[sample]!, values[sample]!, tokens, at * TOKEN_FEATURES);
    elapsed[at] = state.elapsed;
    seasonal[at] = state.elapsed * seasonClock(state);
    for (; drawn[next] === sample - from; next++) {
      const reach = reachOf(series, sample, end) - sample - 1;
      for (let i = 0; i < leads; i++) {
        const into = (row * picks + next) * leads + i;
        // Without a later sample the row stands for the next slot and counts for nothing.
        const later = reach === 0 ? 0 : Math.floor((reach + 1) ** nextUniform(random));
        const target = sample + Math.min(Math.max(1, later), Math.max(1, reach));
        const lead = reach === 0 ? 1 : us[target]! - us[sample]!;
        takeLead(state, lead, rows, into);
        const q = reach === 0 ? NaN : (values[target]! - values[sample]!) / rows.unit[into]!;
        const counts = Math.abs(q) <= TARGET_MAX;
        batch.target[into] = counts ? q : 0;
        batch.weight[into] = counts ? 1 : 0;
      }
    }
  }
}

function batchOf(
  windows: readonly Window[],
  length: number,
  random: RandomState,
): NeuralBatch {
  const sizes = { batch: windows.length, length, picks: SERIES_PICKS, leads: SERIES_LEADS };
  const batch = emptyBatch(sizes);
  const rows: LeadRows = { ...batch, unit: new Float64Array(batch.scale.length) } as LeadRows;
  windows.forEach((window, row) => fillRow(batch, rows, row, window, random));
  return batch;
}

/** A window of at most `length` samples that ends before `to`; targets lie before `end`. */
function windowAt(series: SlotSeries, length: number, to: number, end: number): Window {
  const from = Math.max(0, to - length);
  return { series, from, to, firstPick: from + ((to - from) >> 1), end };
}

/**
 * Windows drawn at random from the parts that are trained on; every end of a window of every series
 * is equally likely.
 *
 * @param length  samples of a window, at most
 * @returns       the minibatch of an index: always the same one
 */
export function drawSeries(
  series: readonly SlotSeries[],
  options: { readonly length: number; readonly batch: number; readonly seed: number },
): (index: number) => NeuralBatch {
  const { length, batch, seed } = options;
  // The first windows are short, so that short histories are practised too.
  const first = SERIES_PICKS;
  const total = series.reduce((sum, { cut }) => sum + cut - first, 0);
  return (index) => {
    const random = seedRandom((seed ^ nextUint32(seedRandom(index))) >>> 0);
    const windows = Array.from({ length: batch }, () => {
      let at = Math.floor(nextUniform(random) * total);
      const drawn = series.find(({ cut }) => (at -= cut - first) < 0)!;
      // `at` is below 0 by how far the end lies before the cut.
      return windowAt(drawn, length, drawn.cut + at + 1, drawn.cut);
    });
    return batchOf(windows, length, random);
  };
}

/** Windows of one evaluation, at most. */
export const HELD_OUT_WINDOWS_MAX = 32;

/**
 * Windows that reach into the held-out parts, at even distances; forecasts are made from the first
 * held-out sample on, so that all they are compared with was never trained on.
 */
export function heldOutSeries(
  series: readonly SlotSeries[],
  options: { readonly length: number; readonly batch: number },
): NeuralBatch[] {
  const { length, batch } = options;
  const each = Math.max(1, Math.floor(HELD_OUT_WINDOWS_MAX / series.length));
  const windows = series.slice(0, HELD_OUT_WINDOWS_MAX).flatMap((one) => {
    const { cut, values } = one;
    const room = values.length - 1 - cut;
    const count = Math.min(each, room);
    return Array.from({ length: count }, (_, i) => {
      const to = cut + 1 + Math.floor((i + 1) * room / count) - 1;
      const window = windowAt(one, length, to, values.length);
      return { ...window, firstPick: Math.max(window.firstPick, cut - 1) };
    });
  });
  const batches: NeuralBatch[] = [];
  for (let at = 0; at < windows.length; at += batch) {
    const random = seedRandom(at);
    batches.push(batchOf(windows.slice(at, at + batch), length, random));
  }
  return batches;
}
