import { InvalidValueError } from "../src/base/errors.ts";
import { CHANNEL_COUNT_MAX } from "../src/signal/segment.ts";
import { parseTimestamp } from "../src/signal/timestamp.ts";
import type { ForecastQuestion } from "../src/service/forecasts.ts";
import { levelBounds } from "../src/service/shapes.ts";
import {
  FORECAST_QUANTILES_MAX,
  FORECAST_TIMES_MAX,
  type PastQuestion,
} from "../src/streams/engine.ts";
import { parseDraws, parseRegressors, type RawDraws, type RawRegressors } from "./_answers.ts";
import { parseSupposed, parseTimes, type RawSamples } from "./_suppose.ts";

/** Levels of an answer unless told otherwise, in per cent. */
export const LEVELS_DEFAULT: readonly number[] = [80, 95];

/** What a forecast may be asked with, as a query or a body gives it. */
export interface RawQuestion extends RawDraws, RawRegressors {
  readonly horizon?: number | undefined;
  readonly times?: readonly (string | number)[] | undefined;
  readonly levels?: readonly (string | number)[] | undefined;
  readonly quantiles?: readonly (string | number)[] | undefined;
  readonly channels?: readonly string[] | undefined;
  readonly integers?: boolean | undefined;
  readonly asOf?: string | number | undefined;
  readonly without?: readonly string[] | undefined;
  readonly suppose?: RawSamples | undefined;
}

function numberIn(
  text: string | number,
  field: string,
  range: { least: number; most: number; expectation: string },
): number {
  const value = typeof text === "number" ? text : /^[\d.eE+-]+$/.test(text) ? Number(text) : NaN;
  if (value > range.least && value < range.most) return value;
  throw new InvalidValueError(field, text, range.expectation);
}

function checkCount(field: string, count: number | undefined, most: number): void {
  if (count === undefined || (count >= 1 && count <= most)) return;
  throw new InvalidValueError(field, count, `1 to ${Math.floor(most)}`);
}

/** What is taken to be known; null where it is just what is. */
function parsePast({ asOf, without = [], suppose }: RawQuestion): PastQuestion | null {
  if (asOf === undefined && without.length === 0 && suppose === undefined) return null;
  return {
    ...(asOf === undefined ? {} : { asOfNs: parseTimestamp(asOf, "ms", "asOf") }),
    without,
    ...(suppose === undefined ? {} : { suppose: parseSupposed(suppose) }),
  };
}

/**
 * The question as the service takes it. The median is always among the quantiles, and so are the
 * bounds of each level.
 *
 * @throws {InvalidValueError} a level or quantile out of range, times that do not increase, both
 *   horizon and times, or too many of something
 */
export function parseQuestion(raw: RawQuestion): ForecastQuestion {
  if (raw.horizon !== undefined && raw.times !== undefined) {
    throw new InvalidValueError("times", raw.times.join(","), 'either "horizon" or "times"');
  }
  checkCount("horizon", raw.horizon, FORECAST_TIMES_MAX);
  checkCount("times", raw.times?.length, FORECAST_TIMES_MAX);
  checkCount("quantiles", raw.quantiles?.length, FORECAST_QUANTILES_MAX / 3);
  checkCount("level", raw.levels?.length, FORECAST_QUANTILES_MAX / 3);
  checkCount("channel", raw.channels?.length, CHANNEL_COUNT_MAX);
  const asked = (raw.quantiles ?? []).map((text, i) =>
    numberIn(text, `quantiles[${i}]`, { least: 0, most: 1, expectation: "a number in (0, 1)" })
  );
  const levels = (raw.levels ?? (asked.length > 0 ? [] : LEVELS_DEFAULT)).map((text, i) =>
    numberIn(text, `level[${i}]`, {
      least: 0,
      most: 100,
      expectation: "a number of per cent in (0, 100)",
    })
  );
  const quantiles = new Set([0.5, ...asked, ...levels.flatMap(levelBounds)]);
  const draws = parseDraws(raw);
  const regressors = parseRegressors(raw);
  const past = parsePast(raw);
  return {
    levels,
    quantiles: Float64Array.from(quantiles).sort(),
    ...(raw.horizon === undefined ? {} : { horizon: raw.horizon }),
    ...(raw.times === undefined ? {} : { timesNs: parseTimes(raw.times, "times") }),
    ...(raw.channels === undefined ? {} : { channels: raw.channels }),
    ...(raw.integers === true ? { isWhole: true } : {}),
    ...(draws === null ? {} : { draws }),
    ...(regressors === null ? {} : { regressors }),
    ...(past === null ? {} : { past }),
  };
}
