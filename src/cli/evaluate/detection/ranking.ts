/**
 * How well scores rank labelled samples. Nothing is adjusted to whole events: a sample counts by
 * itself, except where a metric says otherwise.
 */

/** First and last sample of a run of labelled samples. */
export type Run = readonly [first: number, last: number];

/** The runs of samples that are not 0, in order. */
export function runsOf(marks: Uint8Array): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < marks.length; i++) {
    if (marks[i] === 0) continue;
    const first = i;
    while (i + 1 < marks.length && marks[i + 1] !== 0) i++;
    runs.push([first, i]);
  }
  return runs;
}

/** Samples by score, highest first; equal scores in order of time. */
export function ranked(score: Float64Array): Uint32Array {
  const order = Uint32Array.from(score.keys());
  return order.sort((a, b) => score[b]! - score[a]! || a - b);
}

/** A point of the precision-recall curve: so many samples are called anomalous. */
interface Cut {
  readonly called: number;
  readonly right: number;
}

/** One cut for each distinct score. */
function cutsOf(label: Uint8Array, score: Float64Array): Cut[] {
  const order = ranked(score);
  const cuts: Cut[] = [];
  let right = 0;
  for (let i = 0; i < order.length; i++) {
    right += label[order[i]!]!;
    if (i + 1 < order.length && score[order[i + 1]!] === score[order[i]!]) continue;
    cuts.push({ called: i + 1, right });
  }
  return cuts;
}

function countOf(label: Uint8Array): number {
  return label.reduce((sum, mark) => sum + mark, 0);
}

/**
 * Area under the precision-recall curve as average precision; ties are one step.
 *
 * @param label  1 = anomalous                                                        [sample]
 */
export function averagePrecision(label: Uint8Array, score: Float64Array): number {
  const positives = countOf(label);
  let area = 0;
  let before = 0;
  for (const { called, right } of cutsOf(label, score)) {
    area += (right - before) / positives * (right / called);
    before = right;
  }
  return area;
}

/** The largest F1 over all thresholds. */
export function bestF1(label: Uint8Array, score: Float64Array): number {
  const positives = countOf(label);
  const values = cutsOf(label, score).map(({ called, right }) => 2 * right / (called + positives));
  return values.reduce((best, f1) => Math.max(best, f1), 0);
}

const BUFFER_MAX = 100;
const BUFFER_STEPS = 11;
const CUTS = 250;

/** Weights of the samples near an anomaly: sqrt(1 − distance / buffer) on both sides. */
function buffered(label: Uint8Array, runs: readonly Run[], buffer: number): Float64Array {
  const weights = Float64Array.from(label);
  const reach = Math.floor(buffer / 2);
  for (const [first, last] of runs) {
    for (let k = 1; k <= reach; k++) {
      const weight = Math.sqrt(1 - k / buffer);
      if (first - k >= 0) weights[first - k] = weights[first - k]! + weight;
      if (last + k < label.length) weights[last + k] = weights[last + k]! + weight;
    }
  }
  return weights.map((weight) => Math.min(weight, 1));
}

/**
 * Volume under the precision-recall surface (Paparrizos et al. 2022): the area under the curve,
 * averaged over buffers of 0, 10, …, 100 samples about each anomaly, with recall times the share of
 * anomalies that are hit at all. The curve has 250 thresholds, evenly spaced by rank.
 */
export function volumeUnderSurface(label: Uint8Array, score: Float64Array): number {
  const length = label.length;
  const runs = runsOf(label);
  const order = ranked(score);
  const thresholds: number[] = [];
  const called: number[] = [];
  let last = -1;
  for (let k = 0; k < CUTS; k++) {
    const cut = Math.floor(k * (length - 1) / (CUTS - 1));
    if (cut === last) continue;
    last = cut;
    thresholds.push(score[order[cut]!]!);
    let end = cut + 1;
    while (end < length && score[order[end]!] === score[order[cut]!]) end++;
    called.push(end);
  }
  let volume = 0;
  for (let step = 0; step < BUFFER_STEPS; step++) {
    const buffer = Math.floor(BUFFER_MAX * step / (BUFFER_STEPS - 1));
    const weights = buffered(label, runs, buffer);
    volume += areaOf({ label, score, order, thresholds, called, weights }) / BUFFER_STEPS;
  }
  return volume;
}

interface Surface {
  readonly label: Uint8Array;
  readonly score: Float64Array;
  readonly order: Uint32Array;
  readonly thresholds: readonly number[];
  readonly called: readonly number[];
  readonly weights: Float64Array;
}

function areaOf({ label, score, order, thresholds, called, weights }: Surface): number {
  const peaks = runsOf(Uint8Array.from(weights, (weight) => (weight > 0 ? 1 : 0)))
    .map(([first, last]) => score.subarray(first, last + 1).reduce((a, b) => Math.max(a, b)));
  const total = (countOf(label) + weights.reduce((sum, weight) => sum + weight, 0)) / 2;
  let area = 0;
  let before = 0;
  let right = 0;
  let i = 0;
  for (let k = 0; k < thresholds.length; k++) {
    for (; i < called[k]!; i++) right += weights[order[i]!]!;
    const hit = peaks.filter((peak) => peak >= thresholds[k]!).length / peaks.length;
    const recall = Math.min(right / total, 1) * hit;
    area += (recall - before) * right / called[k]!;
    before = recall;
  }
  return area;
}

/** Anomalies and alarms, and how many of them belong together. */
export interface EventCounts {
  readonly anomalies: number;
  readonly anomaliesHit: number;
  readonly alarms: number;
  readonly alarmsRight: number;
}

/** Alarms this near to each other are one. */
const MERGE_SAMPLES = 5;

/** An anomaly is hit by any flagged sample in it; an alarm is right if it hits one. */
export function eventCounts(label: Uint8Array, flagged: Uint8Array): EventCounts {
  const merged: [number, number][] = [];
  for (const [first, last] of runsOf(flagged)) {
    const before = merged.at(-1);
    if (before !== undefined && first - before[1] <= MERGE_SAMPLES) before[1] = last;
    else merged.push([first, last]);
  }
  const touches = (marks: Uint8Array) => ([first, last]: Run) =>
    marks.subarray(first, last + 1).some((mark) => mark !== 0);
  const anomalies = runsOf(label);
  return {
    anomalies: anomalies.length,
    anomaliesHit: anomalies.filter(touches(flagged)).length,
    alarms: merged.length,
    alarmsRight: merged.filter(touches(label)).length,
  };
}

/** Marks the share of samples with the highest scores; above it where ties would make it many. */
export function budgetFlags(score: Float64Array, share: number): Uint8Array {
  const count = Math.max(1, Math.floor(share * score.length));
  const threshold = score[ranked(score)[count - 1]!]!;
  const flags = Uint8Array.from(score, (value) => (value >= threshold ? 1 : 0));
  if (countOf(flags) <= 10 * share * score.length) return flags;
  return Uint8Array.from(score, (value) => (value > threshold ? 1 : 0));
}

/** Scores of which each labelled run keeps its highest to its end, and from its start. */
export function heldInRuns(label: Uint8Array, score: Float64Array): Float64Array {
  const held = score.slice();
  for (const [first, last] of runsOf(label)) {
    const own = held.subarray(first, last + 1);
    own.fill(own.reduce((a, b) => Math.max(a, b)));
  }
  return held;
}
