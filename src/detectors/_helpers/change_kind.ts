import type { Reason } from "../detector.ts";
import { type ChangePlace, findPast, LEAD_MAX, past, residualAt, seasonOf } from "./change_past.ts";

/**
 * What a change is, from the samples around it: which of a few shapes explains best how they differ
 * from those long before (see change_past.ts).
 *
 *   y_i = x_i − median of the cycles before at the same phase    without a season, their median
 *   w_i = y_i − rho y_(i−1)                                      rho that of the samples before
 *   cost = m ln max(RSS / m, s²/4) + 1.5 p ln m                  least is best
 *
 * m is the number of w, s² their variance before, RSS what is left of the sum of their squares
 * behind p columns, whitened likewise: none; two single samples (a spike); 1 from a sample on (a
 * level); a ramp from a sample on (a drift); a constant and three harmonics of the season from a
 * sample on (a season that is another one, whether in amplitude, phase, length or shape). The
 * sample that a shape begins at is the best one up to the alarm, and counts as a column. As w is
 * white where nothing changed, slow noise passes for none of them. Where no shape is worth its
 * columns, but w is larger than before, the variance has changed.
 */
const HARMONICS = 3;
const COLUMNS_MAX = 1 + 2 * HARMONICS;
const COLUMN_COST = 1.5;
const VARIANCE_FLOOR = 0.25;

/** Beginnings near the alarm are tried one by one, others so many samples from each other. */
const NEAR = 32;
const LEAD_STEP = 4;
const SEASON_STEP = 24;
/** Samples since the alarm that are looked at. */
export const CHANGE_SAMPLES_MAX = 480;
const SIZE_MAX = LEAD_MAX + CHANGE_SAMPLES_MAX;
/** Share of a cycle that shows what it is. */
const SEASON_SHARE = 0.75;
/** A change of variance is at least so many times the variance, without its two largest samples. */
const VARIANCE_RATIO = 2.5;
const VARIANCE_SAMPLES_MIN = 16;

const whitened = new Float64Array(SIZE_MAX);
const left = new Float64Array(SIZE_MAX);
const columns = new Float64Array(COLUMNS_MAX * SIZE_MAX);

/** How many samples are looked at, and how many of them lie before the alarm. */
const scene = { size: 0, lead: 0 };

/** Writes what a change left to scratch memory; false where too little is known of the past. */
function readScene(ring: Float32Array, place: ChangePlace): boolean {
  const lead = findPast(ring, place);
  if (lead === 0) return false;
  scene.lead = lead;
  scene.size = lead + Math.min(place.tick - place.since + 1, CHANGE_SAMPLES_MAX);
  let last = residualAt(ring, past.end);
  for (let i = 0; i < scene.size; i++) {
    const residual = residualAt(ring, past.end + 1 + i);
    whitened[i] = residual - past.rho * last;
    last = residual;
  }
  return true;
}

function dot(a: Float64Array, b: Float64Array, from: number): number {
  let sum = 0;
  for (let i = from; i < scene.size; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Takes from `left` what a further column explains beside the first `count`, and keeps it. */
function explain(count: number, from: number, at: (i: number) => number): void {
  const { size } = scene;
  const { rho } = past;
  const column = columns.subarray(count * SIZE_MAX, count * SIZE_MAX + size);
  column.fill(0, 0, from);
  let last = 0;
  for (let i = from; i < size; i++) {
    const value = at(i - from);
    column[i] = value - rho * last;
    last = value;
  }
  const whole = dot(column, column, from);
  for (let k = 0; k < count; k++) {
    const other = columns.subarray(k * SIZE_MAX, k * SIZE_MAX + size);
    const share = dot(column, other, from);
    for (let i = from; i < size; i++) column[i] = column[i]! - share * other[i]!;
  }
  const norm = Math.sqrt(dot(column, column, from));
  // A column that the others hold already explains nothing.
  const scale = norm > 1e-6 * Math.sqrt(whole) ? 1 / norm : 0;
  for (let i = from; i < size; i++) column[i] = column[i]! * scale;
  const share = dot(left, column, from);
  for (let i = from; i < size; i++) left[i] = left[i]! - share * column[i]!;
}

type Shape = (i: number) => number;

/** How columns are tried: beginnings one by one up to `near` samples before the alarm. */
interface Trial {
  readonly shapes: readonly Shape[];
  readonly near: number;
  readonly step: number;
}

/** What columns cost that begin at a sample: least over the beginnings that are tried. */
function costOf({ shapes, near, step }: Trial): number {
  const { size, lead } = scene;
  let least = Infinity;
  for (let from = lead; from >= 0; from -= lead - from < near ? 1 : step) {
    left.set(whitened);
    for (const [k, shape] of shapes.entries()) explain(k, from, shape);
    least = Math.min(least, dot(left, left, 0));
  }
  return priceOf(least / size, shapes.length + 1);
}

function priceOf(variance: number, parameters: number): number {
  const { size } = scene;
  const floored = Math.max(variance, VARIANCE_FLOOR * past.variance, Number.MIN_VALUE);
  return size * Math.log(floored) + COLUMN_COST * parameters * Math.log(size);
}

/** True where the samples since the alarm are larger than before, not only two of them. */
function isLarger(): boolean {
  const squares = whitened.subarray(scene.lead, scene.size).map((x) => x * x).sort();
  const count = squares.length - 2;
  if (count < VARIANCE_SAMPLES_MIN) return false;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += squares[i]!;
  return sum / count > VARIANCE_RATIO * past.variance;
}

/** The columns of a changed season. */
function seasonShapes(length: number): Shape[] {
  const harmonics = Array.from({ length: HARMONICS }, (_, h) => 2 * Math.PI * (h + 1) / length);
  return [
    () => 1,
    ...harmonics.flatMap((omega) => [
      (i: number) => Math.cos(omega * i),
      (i: number) => Math.sin(omega * i),
    ]),
  ];
}

/**
 * The kind of a change: of spike, level, drift, season or variance; null where it is none of them
 * or too little is known.
 *
 * @param ring  values by tick modulo its length
 */
export function changeKind(ring: Float32Array, place: ChangePlace): Reason | null {
  if (!readScene(ring, place)) return null;
  const { size, lead } = scene;
  const all = dot(whitened, whitened, 0);
  const own = whitened[lead]! ** 2 + (lead + 1 < size ? whitened[lead + 1]! ** 2 : 0);
  const costs: [Reason | null, number][] = [
    [null, priceOf(all / size, 0)],
    ["spike", priceOf((all - own) / size, 3)],
    ["level", costOf({ shapes: [() => 1], near: NEAR, step: LEAD_STEP })],
  ];
  const season = seasonOf(place);
  // Part of a cycle that is another one looks like a drift.
  if (size - lead >= SEASON_SHARE * season) {
    costs.push(["drift", costOf({ shapes: [(i) => i + 1], near: 0, step: LEAD_STEP })]);
    const shapes = seasonShapes(season);
    if (season > 0) costs.push(["season", costOf({ shapes, near: 0, step: SEASON_STEP })]);
  }
  const [kind] = costs.reduce((best, one) => one[1] < best[1] ? one : best);
  return kind ?? (isLarger() ? "variance" : null);
}
