import { InvalidValueError } from "../base/errors.ts";
import { fnv1a32 } from "../base/hash.ts";
import { modelNamed } from "../models/mod.ts";
import type { Model } from "../models/model.ts";
import { type Segment, sliceSegment, timesS } from "../signal/segment.ts";
import {
  type ChannelAnswers,
  channelAnswers,
  checkDraws,
  type DrawRequest,
} from "../streams/answers.ts";
import type { ChannelRange } from "../stores/channel_range.ts";
import { IDLE_SAMPLES, idleWeekdays, nextTimes } from "../streams/calendar.ts";

/** How a series is forecast. */
export interface SeriesQuestion {
  readonly model: string;
  readonly horizon: number;
  /** In (0, 1), increasing.                                                       [quantile] */
  readonly quantiles: Float64Array;
  /** Future times; default: the series' own next ones.                                [time] */
  readonly timesNs?: BigInt64Array;
  /** What is asked beyond quantiles at single times. */
  readonly draws?: DrawRequest;
  /** Bounds of the values: forecasts stay inside. */
  readonly range?: ChannelRange;
  /** Lengths of seasons in seconds; default: they are found. */
  readonly seasonsS?: readonly number[];
}

/** A forecast of one channel. */
export interface SeriesForecast {
  readonly timesNs: BigInt64Array;
  /** Row-major.                                                              [time, quantile] */
  readonly values: Float64Array;
  readonly periodS: number | null;
  readonly seasonsS: readonly number[];
  /** Where `draws` were asked. */
  readonly answers?: ChannelAnswers;
}

/** A series' own next times; while its period is not known, the last step's length apart. */
function comingTimes(timestampsNs: BigInt64Array, periodS: number | null, horizon: number) {
  const [lastNs, previousNs] = [timestampsNs.at(-1)!, timestampsNs.at(-2) ?? null];
  const stepS = previousNs === null ? null : Number(lastNs - previousNs) / 1e9;
  const stepOrPeriodS = periodS ?? stepS;
  if (stepOrPeriodS === null) throw new InvalidValueError("samples", 1, "at least 2 of them");
  const newest = Float64Array.from(timestampsNs.slice(-IDLE_SAMPLES), (time) => Number(time) / 1e9);
  return nextTimes(lastNs, previousNs, stepOrPeriodS, horizon, idleWeekdays(newest));
}

/** Forecasts one channel from the end of a whole context; fits only what that needs. */
export function forecastSeries(
  segment: Segment,
  channel: string,
  question: SeriesQuestion,
): SeriesForecast {
  const model = modelNamed(question.model);
  const { timestampsNs } = segment;
  const epochNs = timestampsNs[0]!;
  const config = {
    epochNs,
    horizon: question.horizon,
    lower: question.range?.lower ?? null,
    upper: question.range?.upper ?? null,
    seed: fnv1a32(`${segment.streamId}/${channel}`),
    seasonsS: [...question.seasonsS ?? []],
  };
  const values = segment.values[segment.channels.indexOf(channel)]!;
  const state = model.stateOfContext(config, timesS(timestampsNs, epochNs), values);
  const { periodS, seasonsS } = model.summary(state);
  const timesNs = question.timesNs ?? comingTimes(timestampsNs, periodS, question.horizon);
  const times = timesS(timesNs, epochNs);
  const { quantiles, draws } = question;
  const forecast = {
    timesNs,
    values: model.forecast(state, times, quantiles),
    periodS,
    seasonsS,
  };
  if (draws === undefined) return forecast;
  checkDraws(draws, timesNs.length, 1);
  const asked = { timesS: times, quantiles, draws, round: null };
  return { ...forecast, answers: channelAnswers(model as unknown as Model, state, asked) };
}

/** The first `count` samples of a series: what was known at an origin. */
export function prefix(segment: Segment, count: number): Segment {
  return sliceSegment(segment, 0, count);
}
