import { InvalidValueError, LimitError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import type { Model } from "../models/model.ts";
import { type Direction, PATH_KNOTS, probabilityBeyond, shapePaths } from "../models/paths.ts";

/**
 * What a forecast's draws answer beyond quantiles at single times: sample paths, sums and extremes
 * of windows, and when a threshold is crossed.
 */

/** What a window of values is put together to. */
export const AGGREGATES = ["total", "mean", "max", "min"] as const;
/** One of {@linkcode AGGREGATES}. */
export type Aggregate = typeof AGGREGATES[number];

/** What is asked of draws. */
export interface DrawRequest {
  /** Paths to give; 0 = none. */
  readonly paths: number;
  /** Seed of the draws. */
  readonly seed: number;
  readonly aggregates: readonly Aggregate[];
  /**
   * Times of a window of the aggregates, one window after the other, the last as long as there are
   * times for it; at most as many as are asked for, default all of them.
   */
  readonly window?: number;
  readonly thresholds: readonly number[];
  /** Side of the thresholds; default: the one that the first time's median is not on. */
  readonly direction?: Direction;
}

/** One window's aggregate. */
export interface AggregateAnswer {
  readonly aggregate: Aggregate;
  /** Index of the window's first time, and how many it has. */
  readonly from: number;
  readonly count: number;
  /** Mean over the draws. */
  readonly mean: number;
  /** At the quantiles of the request.                                              [quantile] */
  readonly quantiles: Float64Array;
}

/** What is known of crossing a threshold. */
export interface ThresholdAnswer {
  readonly threshold: number;
  readonly direction: Direction;
  /** Probability of lying beyond it at each time.                                       [time] */
  readonly beyond: Float64Array;
  /** Probability of having been beyond it at this time or one before.                   [time] */
  readonly crossed: Float64Array;
}

/** The answers of one channel. */
export interface ChannelAnswers {
  /** Row-major; empty where none were asked for.                                  [path, time] */
  readonly paths: Float64Array;
  readonly aggregates: readonly AggregateAnswer[];
  readonly thresholds: readonly ThresholdAnswer[];
}

/** Draws that answers are taken from; paths are the first of them. */
export const DRAW_COUNT = 1_000;
/** Paths of one answer. */
export const PATHS_MAX = DRAW_COUNT;
/** Values of all paths of one answer: paths · times · channels. */
export const PATH_VALUES_MAX = 500_000;
/** Future values that draws are made of, times · channels: each costs {@linkcode DRAW_COUNT}. */
export const DRAW_TIMES_MAX = 2_000;
/** Thresholds of one question. */
export const THRESHOLDS_MAX = 16;

/** @throws {LimitError | InvalidValueError} too much is asked of draws, or what cannot be */
export function checkDraws(request: DrawRequest, times: number, channels: number): void {
  const { paths, thresholds, window } = request;
  const limits: readonly (readonly [string, number, number, string])[] = [
    ["PATHS_MAX", PATHS_MAX, paths, "paths"],
    ["PATH_VALUES_MAX", PATH_VALUES_MAX, paths * times * channels, "paths"],
    ["DRAW_TIMES_MAX", DRAW_TIMES_MAX, times * channels, "horizon"],
    ["THRESHOLDS_MAX", THRESHOLDS_MAX, thresholds.length, "threshold"],
  ];
  for (const [name, limit, actual, field] of limits) {
    if (actual > limit) throw new LimitError(name, limit, actual, field);
  }
  if (!Number.isInteger(paths) || paths < 0) {
    throw new InvalidValueError("paths", paths, "a whole number");
  }
  if (window !== undefined && !(Number.isInteger(window) && window >= 1)) {
    throw new InvalidValueError("window", window, "a whole number of at least 1");
  }
  if (window !== undefined && window > times) {
    // A shorter total would pass for the one that was asked for.
    throw new InvalidValueError("window", window, `at most ${times}, the times asked for`);
  }
  thresholds.forEach((threshold, i) => {
    if (Number.isFinite(threshold)) return;
    throw new InvalidValueError(`threshold[${i}]`, threshold, "a finite number");
  });
}

/** Rounds to whole numbers that lie within the bounds where there are any between them. */
export function roundInto(
  values: Float64Array,
  { lower, upper }: { readonly lower?: number; readonly upper?: number },
): void {
  const low = Math.ceil(lower ?? -Infinity);
  const high = Math.floor(upper ?? Infinity);
  for (let i = 0; i < values.length; i++) {
    const whole = Math.round(values[i]!);
    values[i] = low <= high ? Math.min(high, Math.max(low, whole)) : whole;
  }
}

/** Quantile of sorted draws, straight lines between the middles of their steps. */
function drawQuantile(sorted: Float64Array, quantile: number): number {
  const position = Math.min(sorted.length - 1, Math.max(0, quantile * sorted.length - 0.5));
  const low = Math.floor(position);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted[low]! + (position - low) * (sorted[high]! - sorted[low]!);
}

function aggregateOf(aggregate: Aggregate, values: Float64Array): number {
  let sum = 0;
  let least = Infinity;
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    least = Math.min(least, values[i]!);
    most = Math.max(most, values[i]!);
  }
  switch (aggregate) {
    case "total":
      return sum;
    case "mean":
      return sum / values.length;
    case "max":
      return most;
    case "min":
      return least;
    default:
      return aggregate satisfies never;
  }
}

function aggregatesOf(
  draws: Float64Array,
  times: number,
  request: DrawRequest,
  quantiles: Float64Array,
): AggregateAnswer[] {
  const window = request.window ?? times;
  return request.aggregates.flatMap((aggregate) => {
    const answers: AggregateAnswer[] = [];
    for (let from = 0; from < times; from += window) {
      const count = Math.min(window, times - from);
      const values = Float64Array.from(
        { length: draws.length / times },
        (_, d) =>
          aggregateOf(aggregate, draws.subarray(d * times + from, d * times + from + count)),
      );
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      values.sort();
      const own = quantiles.map((quantile) => drawQuantile(values, quantile));
      answers.push({ aggregate, from, count, mean, quantiles: own });
    }
    return answers;
  });
}

/** Share of the draws that have been beyond a threshold by each time.                     [time] */
function crossedBy(
  draws: Float64Array,
  times: number,
  threshold: number,
  direction: Direction,
): Float64Array {
  const first = new Float64Array(times);
  const count = draws.length / times;
  for (let start = 0; start < draws.length; start += times) {
    for (let t = 0; t < times; t++) {
      const value = draws[start + t]!;
      if (direction === "up" ? value <= threshold : value >= threshold) continue;
      first[t] = first[t]! + 1 / count;
      break;
    }
  }
  let sum = 0;
  return first.map((share) => Math.min(1, sum += share));
}

/** What is asked of one channel's draws. */
export interface ChannelQuestion {
  readonly timesS: Float64Array;
  /** Of the aggregates.                                                             [quantile] */
  readonly quantiles: Float64Array;
  readonly draws: DrawRequest;
  /** Rounds values to whole numbers; null leaves them. */
  readonly round: ((values: Float64Array) => void) | null;
}

/** Answers of one channel from its state. */
export function channelAnswers(
  model: Model,
  state: Tree,
  { timesS, quantiles, draws: request, round }: ChannelQuestion,
): ChannelAnswers {
  const times = timesS.length;
  const knots = model.forecast(state, timesS, PATH_KNOTS);
  const draws = model.draws(state, timesS, DRAW_COUNT, request.seed);
  shapePaths(draws, knots, times);
  round?.(draws);
  const median = knots[PATH_KNOTS.indexOf(0.5)]!;
  return {
    paths: draws.slice(0, request.paths * times),
    aggregates: aggregatesOf(draws, times, request, quantiles),
    thresholds: request.thresholds.map((threshold) => {
      const direction = request.direction ?? (median <= threshold ? "up" : "down");
      // A value that is rounded to a whole number lies beyond where it is half way to the next.
      const whole = direction === "up" ? Math.floor(threshold) + 0.5 : Math.ceil(threshold) - 0.5;
      const end = round === null ? threshold : whole;
      return {
        threshold,
        direction,
        beyond: Float64Array.from(
          timesS,
          (_, t) => probabilityBeyond(knots, t, end, direction),
        ),
        crossed: crossedBy(draws, times, threshold, direction),
      };
    }),
  };
}
