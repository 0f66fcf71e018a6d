import { InvalidValueError, LimitError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";
import { type BoundsByChannel, boundsOf, withoutMissing } from "../stores/channel_range.ts";
import { checkBacktestLength, checkBacktestValues, originsOf } from "./backtest_origins.ts";
import { validateSeasons } from "../stores/store.ts";
import type { GivenRange } from "./given_ranges.ts";
import type { ModelService } from "./model_service.ts";

/** Values of one backtest's samples, rows · channels. */
export const BACKTEST_VALUES_MAX = 200_000;
/** Channels of one backtest. */
export const BACKTEST_CHANNELS_MAX = 16;
/** Origins of one backtest, which are its windows. */
export const BACKTEST_ORIGINS_MAX = 100;
/** Samples ahead. */
export const BACKTEST_HORIZON_MAX = 1_000;
/** Fits of models in one backtest: origins · models · channels. */
export const BACKTEST_FITS_MAX = 2_000;

/** Origins unless told otherwise. */
export const BACKTEST_ORIGINS_DEFAULT = 8;
/** Samples ahead unless told otherwise; at most a quarter of the series. */
export const BACKTEST_HORIZON_DEFAULT = 24;

/** What is asked of a backtest. */
export interface BacktestQuestion {
  readonly horizon?: number | undefined;
  readonly origins?: number | undefined;
  /** Names of models; default: those of the program. Peers are always there. */
  readonly models?: readonly string[] | undefined;
  readonly channels?: readonly string[] | undefined;
  /** Bounds and missing values by channel; those of a stream count where none are given. */
  readonly ranges?: Readonly<Record<string, GivenRange>> | undefined;
  /** Seasons in seconds; those of a stream where none are given. */
  readonly seasonsS?: readonly number[] | undefined;
}

/** A question whose defaults are filled in, and a copy of the samples that it is about. */
export interface BacktestPlan {
  readonly horizon: number;
  readonly origins: number;
  /** Each name once. */
  readonly models: string[];
  readonly segment: Segment;
  /** Bounds of the channels that have some. */
  readonly bounds: BoundsByChannel;
  /** Seasons that are declared, in seconds; none = found. */
  readonly seasonsS: readonly number[];
}

function limit(name: string, most: number, actual: number, field: string): void {
  if (actual > most) throw new LimitError(name, most, actual, field);
}

function wholeFrom1(field: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new InvalidValueError(field, value, "a whole number of at least 1");
}

function defaultHorizon(rows: number): number {
  return Math.max(1, Math.min(BACKTEST_HORIZON_DEFAULT, Math.floor(rows / 4)));
}

/** @throws {LimitError} {@linkcode BACKTEST_VALUES_MAX} */
export function checkBacktestSize(values: number): void {
  limit("BACKTEST_VALUES_MAX", BACKTEST_VALUES_MAX, values, "samples");
}

/** @throws {InvalidValueError} a channel is asked for that is not there */
export function requireChannels(
  asked: readonly string[] | undefined,
  known: readonly string[],
): void {
  for (const name of asked ?? []) {
    if (known.includes(name)) continue;
    throw new InvalidValueError("channels", name, `some of ${known.slice(0, 20).join(", ")}`);
  }
}

function modelsOf(
  { models: asked }: BacktestQuestion,
  known: Pick<ModelService, "list" | "require">,
): string[] {
  const builtIn = () => known.list().filter(({ origin }) => origin === "built-in");
  const models = [...new Set(asked ?? builtIn().map(({ name }) => name))];
  if (models.length === 0) throw new InvalidValueError("models", "[]", "at least one model");
  for (const [i, name] of models.entries()) known.require(name, `models[${i}]`);
  return models;
}

function boundsByChannel(
  ranges: Readonly<Record<string, GivenRange>>,
  channels: readonly string[],
): BoundsByChannel {
  return Object.fromEntries(
    channels.flatMap((name) => {
      const bounds = Object.hasOwn(ranges, name) ? boundsOf(ranges[name]!) : {};
      return Object.keys(bounds).length === 0 ? [] : [[name, bounds]];
    }),
  );
}

/**
 * What is to be done for a question.
 *
 * @param question  its ranges are checked
 * @param given  the samples; a channel that they lack has no values
 * @param known  the models that there are
 * @throws {InvalidValueError | LimitError} what cannot be answered, by its field
 */
export function backtestPlan(
  question: BacktestQuestion,
  given: Segment,
  known: Pick<ModelService, "list" | "require">,
): BacktestPlan {
  const channels = [...question.channels ?? given.channels];
  const rows = given.timestampsNs.length;
  limit("BACKTEST_CHANNELS_MAX", BACKTEST_CHANNELS_MAX, channels.length, "channels");
  checkBacktestSize(rows * channels.length);
  const { horizon = defaultHorizon(rows), origins = BACKTEST_ORIGINS_DEFAULT } = question;
  wholeFrom1("horizon", horizon);
  wholeFrom1("origins", origins);
  limit("BACKTEST_HORIZON_MAX", BACKTEST_HORIZON_MAX, horizon, "horizon");
  limit("BACKTEST_ORIGINS_MAX", BACKTEST_ORIGINS_MAX, origins, "origins");
  const models = modelsOf(question, known);
  const fits = origins * models.length * channels.length;
  limit("BACKTEST_FITS_MAX", BACKTEST_FITS_MAX, fits, "origins");
  checkBacktestLength(rows, horizon);
  const { ranges = {}, seasonsS = [] } = question;
  validateSeasons(seasonsS);
  const segment = withoutMissing({
    streamId: given.streamId,
    channels,
    timestampsNs: given.timestampsNs.slice(),
    values: channels.map((name) =>
      given.values[given.channels.indexOf(name)]?.slice() ?? new Float64Array(rows).fill(NaN)
    ),
  }, ranges);
  checkBacktestValues(segment, horizon, originsOf(rows, horizon, origins));
  return { horizon, origins, models, segment, bounds: boundsByChannel(ranges, channels), seasonsS };
}
