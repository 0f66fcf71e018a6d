/** Feeds a stream to a model and judges its forecasts along the way. */
import { fnv1a32 } from "../../../base/hash.ts";
import { bucketOfLead } from "../../../models/losses.ts";
import type { Model } from "../../../models/model.ts";
import { SCORED_QUANTILES } from "../score.ts";
import { AGES, type Cell, type Followed, type LiveStream } from "./stream.ts";

const WIDTH = SCORED_QUANTILES.length;
const MEDIAN = SCORED_QUANTILES.indexOf(0.5);
const [LOW_80, HIGH_80] = [SCORED_QUANTILES.indexOf(0.1), SCORED_QUANTILES.indexOf(0.9)];
/** Half width of a Gaussian's 80 % interval in standard deviations. */
const HALF_80 = 1.2815515655446004;
/** Forecasts in one horizon. */
const ORIGINS_PER_HORIZON = 2;
const LEAD_KINDS = 3;

/** What is summed over all targets of a stream. */
interface Sums {
  readonly cells: Cell[][];
  /** |target − median| over the half width on its side. */
  readonly positions: number[];
  loss: number;
  naive: number;
  width: number;
  idealWidth: number;
}

function emptySums(): Sums {
  const cell = (): Cell => ({ count: 0, inside80: 0, inside95: 0 });
  return {
    cells: AGES.map(() => Array.from({ length: LEAD_KINDS }, cell)),
    positions: [],
    loss: 0,
    naive: 0,
    width: 0,
    idealWidth: 0,
  };
}

/** Age of a stream of `seen` samples: index into {@linkcode AGES}. */
export function ageOf(seen: number): number {
  let age = 0;
  while (age + 1 < AGES.length && seen >= AGES[age + 1]!) age++;
  return age;
}

/** Takes one target into the sums. */
function judge(sums: Sums, cell: Cell, row: Float64Array, y: number, last: number): void {
  cell.count++;
  if (y >= row[LOW_80]! && y <= row[HIGH_80]!) cell.inside80++;
  if (y >= row[0]! && y <= row[WIDTH - 1]!) cell.inside95++;
  const median = row[MEDIAN]!;
  const half = y < median ? median - row[LOW_80]! : row[HIGH_80]! - median;
  const error = Math.abs(y - median);
  sums.positions.push(error === 0 ? 0 : error / half);
  let loss = 0;
  for (let q = 1; q < WIDTH - 1; q++) {
    const quantile = SCORED_QUANTILES[q]!;
    const residual = y - row[q]!;
    loss += 2 * Math.max(quantile * residual, (quantile - 1) * residual);
  }
  sums.loss += loss / (WIDTH - 2);
  sums.naive += Math.abs(y - last);
}

/** The factor that would have put a share of the targets inside: a quantile of the positions. */
export function neededFactor(positions: readonly number[], share: number): number {
  if (positions.length === 0) return NaN;
  const sorted = positions.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/**
 * Feeds a stream to a model, a horizon's half at a time, and judges a forecast at each stop. What a
 * model makes of samples does not depend on how many come at once: one by one it is the same.
 */
export function follow(model: Model, stream: LiveStream): Followed {
  const { horizon, periodS, values, ideal } = stream;
  const state = model.initialState({
    epochNs: 0n,
    horizon,
    lower: null,
    upper: null,
    seed: fnv1a32(stream.name),
    seasonsS: [],
  });
  const sums = emptySums();
  const bucket = bucketOfLead(horizon);
  const stride = Math.max(1, Math.floor(horizon / ORIGINS_PER_HORIZON));
  let seen = 0;
  for (let at = 0; at < values.length; at += stride) {
    const part = values.slice(at, at + stride);
    model.absorb(state, part.map((_, i) => (at + i) * periodS), part);
    seen += part.reduce((count, value) => Number.isNaN(value) ? count : count + 1, 0);
    const origin = at + part.length - 1;
    const last = values[origin]!;
    if (seen < AGES[0]! || Number.isNaN(last)) continue;
    const leads = Math.min(horizon, values.length - 1 - origin);
    const times = Float64Array.from({ length: leads }, (_, l) => (origin + 1 + l) * periodS);
    const rows = model.forecast(state, times, SCORED_QUANTILES);
    for (let l = 0; l < leads; l++) {
      const y = values[origin + 1 + l]!;
      if (Number.isNaN(y)) continue;
      const row = rows.subarray(l * WIDTH, (l + 1) * WIDTH);
      judge(sums, sums.cells[ageOf(seen)]![bucket[l]!]!, row, y, last);
      if (ideal === null) continue;
      sums.width += row[HIGH_80]! - row[LOW_80]!;
      sums.idealWidth += 2 * HALF_80 * ideal[l]!;
    }
  }
  return {
    name: stream.name,
    group: stream.group,
    isReal: stream.isReal,
    samples: seen,
    cells: sums.cells,
    needed: neededFactor(sums.positions, 0.8),
    width: ideal === null ? null : sums.width / sums.idealWidth,
    loss: sums.loss / sums.naive,
  };
}
