import { formatTimestamp } from "../signal/timestamp.ts";
import type {
  Aggregate,
  AggregateAnswer,
  ChannelAnswers,
  ThresholdAnswer,
} from "../streams/answers.ts";
import type { ForecastResult } from "../streams/engine.ts";
import { levelBounds, numberShape, quantileKey } from "./shapes.ts";

/** What of a forecast the answers are told from. */
export type Answered = Pick<ForecastResult, "timesNs" | "quantiles" | "answers" | "regression">;

/** One window's total, mean or extreme. */
export interface AggregateShape {
  aggregate: Aggregate;
  /** First and last time of the window. */
  from: string;
  to: string;
  count: number;
  mean: number | null;
  median: number | null;
  quantiles: Record<string, number | null>;
  intervals: Record<string, [number | null, number | null]>;
}

/** When a threshold is crossed. */
export interface ThresholdShape {
  threshold: number;
  direction: "up" | "down";
  /** Probability of lying beyond it, by time. */
  probability: number[];
  /** Probability of having been beyond it by then, by time. */
  crossed: number[];
  /** First time by which the probability of having crossed is as large as the key; else null. */
  crossing: Record<string, string | null>;
}

/** What draws answer, by channel; members that were not asked for are absent. */
export interface AnswersShape {
  aggregates?: Record<string, AggregateShape[]>;
  thresholds?: Record<string, ThresholdShape[]>;
  /** Values by path and time. */
  paths?: Record<string, (number | null)[][]>;
  /** What regressors add to the forecast: the share that has paid off, and the effect by time. */
  regression?: Record<string, { share: number; effect: (number | null)[] }>;
}

/** Probabilities of having crossed whose times are told. */
export const CROSSING_PROBABILITIES: readonly number[] = [0.1, 0.5, 0.9];

/** @param levels  central intervals in per cent, whose bounds are among the quantiles */
export function aggregateShape(
  { timesNs, quantiles }: Pick<Answered, "timesNs" | "quantiles">,
  answer: AggregateAnswer,
  levels: readonly number[],
): AggregateShape {
  const byKey: Record<string, number | null> = Object.fromEntries(
    Array.from(
      quantiles,
      (quantile, q) => [quantileKey(quantile), numberShape(answer.quantiles[q]!)],
    ),
  );
  const at = (quantile: number) => byKey[quantileKey(quantile)] ?? null;
  return {
    aggregate: answer.aggregate,
    from: formatTimestamp(timesNs[answer.from]!),
    to: formatTimestamp(timesNs[answer.from + answer.count - 1]!),
    count: answer.count,
    mean: numberShape(answer.mean),
    median: at(0.5),
    quantiles: byKey,
    intervals: Object.fromEntries(
      levels.map((level) => {
        const [low, high] = levelBounds(level);
        return [String(level), [at(low), at(high)]];
      }),
    ),
  };
}

/** Probabilities of draws are known no finer than this. */
function probabilities(values: Float64Array): number[] {
  return Array.from(values, (value) => Number(value.toFixed(4)));
}

function thresholdShape({ timesNs }: Answered, answer: ThresholdAnswer): ThresholdShape {
  const crossed = probabilities(answer.crossed);
  return {
    threshold: answer.threshold,
    direction: answer.direction,
    probability: probabilities(answer.beyond),
    crossed,
    crossing: Object.fromEntries(CROSSING_PROBABILITIES.map((probability) => {
      const at = crossed.findIndex((value) => value >= probability);
      return [String(probability), at < 0 ? null : formatTimestamp(timesNs[at]!)];
    })),
  };
}

/**
 * Answers of draws and regressors as they are told; nothing where none were asked for.
 *
 * @param levels  central intervals in per cent, whose bounds are among the quantiles
 */
export function answersShape(forecast: Answered, levels: readonly number[]): AnswersShape {
  const { regression } = forecast;
  const drawn = drawnShape(forecast, levels);
  if (regression === undefined) return drawn;
  const shapes = Object.entries(regression).map(([name, { share, effect }]) =>
    [name, { share: Number(share.toFixed(4)), effect: Array.from(effect, numberShape) }] as const
  );
  return { ...drawn, regression: Object.fromEntries(shapes) };
}

function drawnShape(forecast: Answered, levels: readonly number[]): AnswersShape {
  const channels = Object.entries(forecast.answers ?? {});
  const [first] = channels;
  if (first === undefined) return {};
  const times = forecast.timesNs.length;
  const byChannel = <T>(shape: (answers: ChannelAnswers) => T) =>
    Object.fromEntries(channels.map(([name, answers]) => [name, shape(answers)]));
  const { aggregates, thresholds, paths } = first[1];
  return {
    ...(aggregates.length === 0 ? {} : {
      aggregates: byChannel((own) =>
        own.aggregates.map((answer) => aggregateShape(forecast, answer, levels))
      ),
    }),
    ...(thresholds.length === 0 ? {} : {
      thresholds: byChannel((own) => own.thresholds.map((one) => thresholdShape(forecast, one))),
    }),
    ...(paths.length === 0 ? {} : {
      paths: byChannel((own) =>
        Array.from(
          { length: own.paths.length / times },
          (_, p) => Array.from(own.paths.subarray(p * times, (p + 1) * times), numberShape),
        )
      ),
    }),
  };
}
