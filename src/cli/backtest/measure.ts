import { outcomeOfTrial } from "../evaluate/evaluate_window.ts";
import { type TaskScore, taskScores, type WindowScore } from "../evaluate/score.ts";
import type { Trial } from "../evaluate/settings.ts";
import type { Subject } from "../evaluate/subject.ts";

/** How a forecaster did on one channel. */
export interface ForecasterErrors extends TaskScore {
  readonly name: string;
  readonly isPeer: boolean;
  /** Mean absolute error of the median, in the channel's units. */
  readonly mae: number;
  /** Targets that have a value. */
  readonly targetCount: number;
  /** Origins where Seasonal Naive was scored in its place. */
  readonly failed: number;
  /** Mean time of fit and forecast, in milliseconds. */
  readonly ms: number;
  /** Forecasts by origin: row-major; null where it failed.          [origin][lead, quantile] */
  readonly rows: readonly (Float64Array | null)[];
  /** Scores by origin; their `mase` is the mean absolute error.                      [origin] */
  readonly byOrigin: readonly WindowScore[];
}

/**
 * Forecasts from every origin and scores the forecasts.
 *
 * @param trials  of one channel, one an origin; their scale is 1, so that errors keep its units
 */
export function measureForecaster(
  subject: Subject,
  trials: readonly Trial[],
  onOrigin: () => void = () => {},
): ForecasterErrors {
  const outcomes = trials.map((trial) => {
    // Models find their season; peers are told the one that was found.
    const shown: Trial = subject.isPeer ? { ...trial, hint: "given" } : trial;
    const outcome = outcomeOfTrial(subject, shown);
    onOrigin();
    return outcome;
  });
  const scores = outcomes.map(({ score }) => score);
  const [errors] = Object.values(taskScores(scores));
  if (errors === undefined) throw new RangeError("There is no origin to forecast from");
  return {
    ...errors,
    name: subject.name,
    isPeer: subject.isPeer,
    mae: errors.mase,
    targetCount: errors.leads.reduce((sum, { count }) => sum + count, 0),
    failed: outcomes.filter(({ fault }) => fault !== null).length,
    ms: outcomes.reduce((sum, { ms }) => sum + ms, 0) / outcomes.length,
    rows: outcomes.map(({ rows }) => rows),
    byOrigin: scores,
  };
}
