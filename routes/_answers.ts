import { z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import { AGGREGATES, type DrawRequest, PATHS_MAX, THRESHOLDS_MAX } from "../src/streams/answers.ts";
import type { CalendarChoice } from "../src/models/calendar_regressors.ts";
import { HOLIDAY_REGIONS } from "../src/signal/holidays.ts";
import { requireTimeZone } from "../src/signal/time_zone.ts";
import { COVARIATES_MAX } from "../src/streams/regressed.ts";
import type { RegressorRequest } from "../src/streams/engine.ts";
import { forecastSchema, list, numberOrNull, wholeNumber } from "./_schemas.ts";

/** What may be asked of a forecast beyond quantiles at single times, and how it is answered. */

const DAY_S = 86_400;

/** Largest seed of draws. */
const SEED_MAX = 2 ** 32 - 1;

const DIRECTIONS = ["up", "down"] as const;

const TOLD = {
  paths: `Sample paths to give, joint over the times; at most ${PATHS_MAX}`,
  seed: "Seed of the draws; default 0",
  aggregate: `Put together over windows: ${AGGREGATES.join(", ")}`,
  window: "Times of a window; at most as many as are asked for, default all of them",
  threshold: `When are these values crossed? At most ${THRESHOLDS_MAX}`,
  direction: "Side of the thresholds; default: away from the first median",
  integers: "Values are counts: answers are whole numbers",
} as const;

/** Parameters of a query. */
export const drawQuery = {
  paths: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().openapi({ description: TOLD.paths }),
  seed: wholeNumber(0, SEED_MAX).optional().openapi({ description: TOLD.seed }),
  aggregate: list.optional().openapi({ description: TOLD.aggregate, example: "total,max" }),
  window: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional().openapi({ description: TOLD.window }),
  threshold: list.optional().openapi({ description: TOLD.threshold, example: "20,25" }),
  direction: z.enum(DIRECTIONS).optional().openapi({ description: TOLD.direction }),
  integers: z.enum(["true", "false"]).transform((text) => text === "true").optional()
    .openapi({ description: TOLD.integers, type: "boolean" }),
};

/** Members of a body. */
export const drawMembers = {
  paths: z.int().min(0).optional().openapi({ description: TOLD.paths }),
  seed: z.int().min(0).max(SEED_MAX).optional().openapi({ description: TOLD.seed }),
  aggregate: z.array(z.string()).optional().openapi({ description: TOLD.aggregate }),
  window: z.int().min(1).optional().openapi({ description: TOLD.window }),
  threshold: z.array(z.number()).optional().openapi({ description: TOLD.threshold }),
  direction: z.enum(DIRECTIONS).optional().openapi({ description: TOLD.direction }),
  integers: z.boolean().optional().openapi({ description: TOLD.integers }),
};

/** Members of a body that tell the forecast more than the past does. */
export const regressorMembers = {
  covariates: z.record(z.string(), z.array(z.number()).nullable()).optional().openapi({
    description: "Future values of other channels, one a time; null: their own forecast. At most " +
      `${COVARIATES_MAX} channels`,
    example: { temperature: [3, 4, 4] },
  }),
  calendar: z.strictObject({
    country: z.string().optional().openapi({
      description: `Public holidays of it: ${HOLIDAY_REGIONS.join(", ")}`,
    }),
    utcOffsetS: z.number().min(-DAY_S).max(DAY_S).optional().openapi({
      description: "Seconds that local time is ahead of UTC; default 0",
    }),
    timeZone: z.string().optional().openapi({
      description: "Local time by a name of the IANA database, in place of utcOffsetS",
      example: "Europe/Berlin",
    }),
  }).optional().openapi({ description: "Weekends, ends of months, and a country's holidays" }),
};

/** Regressors as a body asks for them. */
export interface RawRegressors {
  readonly covariates?: Readonly<Record<string, readonly number[] | null>> | undefined;
  readonly calendar?:
    | {
      readonly country?: string | undefined;
      readonly utcOffsetS?: number | undefined;
      readonly timeZone?: string | undefined;
    }
    | undefined;
}

/** Where local days begin. */
function localOf(
  { utcOffsetS, timeZone }: NonNullable<RawRegressors["calendar"]>,
): Pick<CalendarChoice, "utcOffsetS" | "timeZone"> {
  if (timeZone === undefined) return { utcOffsetS: utcOffsetS ?? 0 };
  if (utcOffsetS !== undefined) {
    throw new InvalidValueError("calendar.utcOffsetS", utcOffsetS, "none beside a time zone");
  }
  requireTimeZone(timeZone, "calendar.timeZone");
  return { utcOffsetS: 0, timeZone };
}

/**
 * What a forecast is to be told besides; null where nothing is.
 *
 * @throws {InvalidValueError} a country or a time zone that is not known; local time said twice
 */
export function parseRegressors({ covariates, calendar }: RawRegressors): RegressorRequest | null {
  const entries = Object.entries(covariates ?? {});
  if (entries.length === 0 && calendar === undefined) return null;
  const country = calendar?.country ?? null;
  if (country !== null && !HOLIDAY_REGIONS.includes(country)) {
    throw new InvalidValueError("calendar.country", country, HOLIDAY_REGIONS.join(", "));
  }
  return {
    covariates: Object.fromEntries(
      entries.map(([name, values]) => [name, values === null ? null : Float64Array.from(values)]),
    ),
    calendar: calendar === undefined ? null : { country, ...localOf(calendar) },
  };
}

/** One window's aggregate. */
export const aggregateSchema = z.object({
  aggregate: z.enum(AGGREGATES),
  from: z.string(),
  to: z.string(),
  count: z.int(),
  mean: numberOrNull,
  median: numberOrNull,
  quantiles: z.record(z.string(), numberOrNull),
  intervals: z.record(z.string(), z.tuple([numberOrNull, numberOrNull])),
}).openapi("ForecastAggregate");

const thresholdSchema = z.object({
  threshold: z.number(),
  direction: z.enum(DIRECTIONS),
  probability: z.array(z.number()).openapi({ description: "Of lying beyond it, by time" }),
  crossed: z.array(z.number()).openapi({ description: "Of having been beyond it by then" }),
  crossing: z.record(z.string(), z.string().nullable()).openapi({
    description: "First time by which `crossed` is as large as the key",
  }),
}).openapi("ForecastThreshold");

/** A forecast with the answers of draws, by channel, that were asked for. */
export const answeredForecastSchema = forecastSchema.extend({
  aggregates: z.record(z.string(), z.array(aggregateSchema)).optional(),
  thresholds: z.record(z.string(), z.array(thresholdSchema)).optional(),
  paths: z.record(z.string(), z.array(z.array(numberOrNull))).optional().openapi({
    description: "Values by path and time",
  }),
  regression: z.record(z.string(), z.object({ share: z.number(), effect: z.array(numberOrNull) }))
    .optional().openapi({ description: "What regressors add, and the share that has paid off" }),
}).openapi("AnsweredForecast");

/** Draws as a query or a body asks for them. */
export interface RawDraws {
  readonly paths?: number | undefined;
  readonly seed?: number | undefined;
  readonly aggregate?: readonly string[] | undefined;
  readonly window?: number | undefined;
  readonly threshold?: readonly (string | number)[] | undefined;
  readonly direction?: "up" | "down" | undefined;
}

function numberOf(given: string | number, field: string): number {
  const value = typeof given === "number"
    ? given
    : /^[\d.eE+-]+$/.test(given)
    ? Number(given)
    : NaN;
  if (Number.isFinite(value)) return value;
  throw new InvalidValueError(field, given, "a finite number");
}

function pick<T>(known: readonly T[], given: string, field: string): T {
  const found = known.find((name) => name === given);
  if (found === undefined) throw new InvalidValueError(field, given, known.join(", "));
  return found;
}

/**
 * What is asked of draws; null where nothing is.
 *
 * @throws {InvalidValueError} an aggregate of no name, a threshold that is no number, the same one
 *   twice, or a choice of draws without a question to them
 */
export function parseDraws(raw: RawDraws): DrawRequest | null {
  const { paths = 0, seed, window, direction } = raw;
  const aggregates = (raw.aggregate ?? []).map((name, i) =>
    pick(AGGREGATES, name, `aggregate[${i}]`)
  );
  const thresholds = (raw.threshold ?? []).map((text, i) => numberOf(text, `threshold[${i}]`));
  for (const [field, values] of [["aggregate", aggregates], ["threshold", thresholds]] as const) {
    const again = values.findIndex((value, i) => (values as unknown[]).indexOf(value) !== i);
    if (again < 0) continue;
    throw new InvalidValueError(`${field}[${again}]`, values[again], "each of them once");
  }
  if (direction !== undefined && thresholds.length === 0) {
    throw new InvalidValueError("direction", direction, "a threshold too");
  }
  if (window !== undefined && aggregates.length === 0) {
    throw new InvalidValueError("window", window, `an aggregate too: ${AGGREGATES.join(", ")}`);
  }
  if (paths === 0 && aggregates.length === 0 && thresholds.length === 0) {
    if (seed === undefined) return null;
    throw new InvalidValueError("seed", seed, "paths, an aggregate or a threshold too");
  }
  return {
    ...{ paths, seed: seed ?? 0, aggregates, thresholds },
    ...(window === undefined ? {} : { window }),
    ...(direction === undefined ? {} : { direction }),
  };
}
