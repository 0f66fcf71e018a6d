import { InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import { calendarRegressors } from "../models/calendar_regressors.ts";
import type { ForecasterModel } from "../models/forecaster.ts";
import type { ForecasterState } from "../models/forecaster_state.ts";
import { lagsOf } from "../models/delays.ts";
import {
  type DelayedRegressors,
  type Effect,
  regressionEffect,
  type Regressors,
  withEffect,
} from "../models/regression.ts";
import { hasValue, type Segment, timesS } from "../signal/segment.ts";
import type { StreamSettings } from "../stores/store.ts";
import type {
  ForecastRequest,
  ForecastResult,
  RegressionAnswer,
  RegressorRequest,
} from "./engine.ts";
import { KeptContexts } from "./kept_contexts.ts";
import { type ProcessorConfig, StreamProcessor } from "./processor.ts";

/** Forecasts of channels from what other channels and the calendar say of them. */

/** Newest samples that a regression learns from. */
export const REGRESSED_SAMPLES_MAX = 2_000;
/** Channels whose values regress others. */
export const COVARIATES_MAX = 8;
/** Channels that are forecast in one question with regressors: each costs two fits. */
export const REGRESSED_CHANNELS_MAX = 4;

/**
 * Fits that a thread keeps, a channel as it is and without an effect: another future of the same
 * past is answered without a fit. One takes up to 300 kB.
 */
export const REGRESSED_FITS_KEPT_MAX = 32;

const kept = new KeptContexts(REGRESSED_FITS_KEPT_MAX);

const UNKNOWN = Float64Array.of(0.5);

/** Whether a question tells no more than futures of covariates that the stream declares. */
export function answersFromState(
  regressors: RegressorRequest | undefined,
  { covariates = [] }: Pick<StreamSettings, "covariates">,
): boolean {
  if (regressors === undefined) return true;
  const names = Object.keys(regressors.covariates);
  return regressors.calendar === null && names.every((name) => covariates.includes(name));
}

function checkRequest(
  { covariates }: RegressorRequest,
  targets: readonly string[],
  channels: readonly string[],
): void {
  const names = Object.keys(covariates);
  const limits = [
    ["COVARIATES_MAX", COVARIATES_MAX, names.length, "covariates"],
    ["REGRESSED_CHANNELS_MAX", REGRESSED_CHANNELS_MAX, targets.length, "channel"],
  ] as const;
  for (const [name, limit, actual, field] of limits) {
    if (actual > limit) throw new LimitError(name, limit, actual, field);
  }
  for (const name of names) {
    if (!channels.includes(name)) {
      const known = channels.slice(0, 20).join(", ");
      throw new InvalidValueError(`covariates.${name}`, name, `one of ${known}`);
    }
    if (targets.includes(name)) {
      throw new InvalidValueError("channel", name, "no channel that is a covariate");
    }
  }
  for (const name of targets) {
    if (!channels.includes(name)) throw new NotFoundError("channel", name);
  }
  if (targets.length > 0) return;
  throw new InvalidValueError(
    "covariates",
    names.join(", "),
    "a channel with a value besides them",
  );
}

function columnOf(segment: Segment, name: string): Float64Array {
  return segment.values[segment.channels.indexOf(name)]!;
}

function some(segment: Segment, names: readonly string[]): Segment {
  return { ...segment, channels: [...names], values: names.map((name) => columnOf(segment, name)) };
}

function newest(segment: Segment): Segment {
  const from = Math.max(0, segment.timestampsNs.length - REGRESSED_SAMPLES_MAX);
  return {
    ...segment,
    timestampsNs: segment.timestampsNs.subarray(from),
    values: segment.values.map((column) => column.subarray(from)),
  };
}

function contextModel({ model }: ProcessorConfig): ForecasterModel {
  const own = model as unknown as Partial<ForecasterModel>;
  if (own.stateOfContext !== undefined) return kept.keeping(own as ForecasterModel);
  throw new InvalidValueError("model", model.name, "a model that can be fitted to a context");
}

/** A column of past and future, and the same some rows later. */
function lagged(
  past: Float64Array,
  future: Float64Array,
  { lags, isKnown }: { readonly lags: readonly number[]; readonly isKnown: boolean },
): Regressors {
  const whole = new Float64Array(past.length + future.length);
  whole.set(past);
  whole.set(future, past.length);
  const columns = lags.map((lag) => whole.map((_, t) => t < lag ? NaN : whole[t - lag]!));
  return {
    past: columns.map((column) => column.subarray(0, past.length)),
    future: columns.map((column) => column.subarray(past.length)),
    knownLeads: lags.map((lag) => isKnown ? Infinity : lag),
  };
}

/** The future of a covariate: what is given, or its own forecast. */
function futureOf(
  config: ProcessorConfig,
  segment: Segment,
  name: string,
  given: Float64Array | null,
  timesNs: BigInt64Array,
): Float64Array {
  if (given === null) {
    const own = new StreamProcessor(config);
    own.absorbContext(some(segment, [name]));
    return own.forecast({ timesNs, quantiles: UNKNOWN }).values[name]!;
  }
  if (given.length === timesNs.length) return given;
  const wanted = `${timesNs.length} values, one a time`;
  throw new InvalidValueError(`covariates.${name}`, given.length, wanted);
}

const seconds = (timesNs: BigInt64Array) => timesS(timesNs, 0n);

/** All regressors at the samples and at the times asked for. */
function regressorsOf(
  config: ProcessorConfig,
  segment: Segment,
  request: RegressorRequest,
  { timesNs, periodS, isEven }: { timesNs: BigInt64Array; periodS: number; isEven: boolean },
): DelayedRegressors {
  const covariates = Object.entries(request.covariates).map(([name, given]) => ({
    past: columnOf(segment, name),
    future: futureOf(config, segment, name, given, timesNs),
    isKnown: given !== null,
  }));
  const others: Regressors[] = [];
  const { calendar } = request;
  if (calendar !== null) {
    const future = calendarRegressors(seconds(timesNs), periodS, calendar);
    others.push({
      past: calendarRegressors(seconds(segment.timestampsNs), periodS, calendar),
      future,
      knownLeads: future.map(() => Infinity),
    });
  }
  return {
    // The sample before is one period before only where the times follow each other.
    covariates: isEven ? covariates.length : 0,
    regressorsAt(delays) {
      const parts = covariates.map(({ past, future, isKnown }, k) =>
        lagged(past, future, { lags: isEven ? lagsOf(delays[k]!) : [0], isKnown })
      ).concat(others);
      return {
        past: parts.flatMap(({ past }) => past),
        future: parts.flatMap(({ future }) => future),
        knownLeads: parts.flatMap(({ knownLeads }) => knownLeads),
      };
    },
  };
}

/** What regressors say of a channel, from its first value on. */
function effectOn(
  base: StreamProcessor,
  segment: Segment,
  name: string,
  { covariates, regressorsAt }: DelayedRegressors,
  count: number,
): Effect {
  const { epochNs, state } = base.channelState(name);
  const from = segment.timestampsNs.indexOf(epochNs);
  return regressionEffect(
    state as ForecasterState,
    timesS(segment.timestampsNs.subarray(from), epochNs),
    columnOf(segment, name).subarray(from),
    {
      covariates,
      regressorsAt(delays) {
        const all = regressorsAt(delays);
        return { ...all, past: all.past.map((own) => own.subarray(from)) };
      },
    },
    count,
  );
}

/**
 * Forecasts channels of a context with regressors: each channel is fitted once as it is, the
 * regression under that fit is taken out, and the rest is fitted and forecast anew.
 *
 * @throws {InvalidValueError | LimitError} as a forecast, and where a covariate cannot be
 */
export function regressedForecast(
  given: ProcessorConfig,
  samples: Segment,
  request: ForecastRequest & { readonly regressors: RegressorRequest },
): ForecastResult {
  const { regressors: asked, horizon: _, ...plain } = request;
  const segment = newest(samples);
  // As of any forecast: a channel that is silent keeps none of the others from theirs.
  const targets = request.channels ??
    segment.channels.filter((name) =>
      !Object.hasOwn(asked.covariates, name) && hasValue(columnOf(segment, name))
    );
  checkRequest(asked, targets, segment.channels);
  const model = contextModel(given);
  const config = { ...given, model: model as unknown as ProcessorConfig["model"] };
  const base = new StreamProcessor(config);
  base.absorbContext(some(segment, targets));
  const { regressors: __, draws: ___, ...bare } = request;
  const first = base.forecast({ ...bare, channels: targets });
  const { timesNs } = first;
  const periodS = base.describe().periodS ?? 1;
  const isEven = request.timesNs === undefined;
  const all = regressorsOf(config, segment, asked, { timesNs, periodS, isEven });
  const values: Record<string, Float64Array> = {};
  const answers: NonNullable<ForecastResult["answers"]>[string][] = [];
  const regression: Record<string, RegressionAnswer> = {};
  for (const name of targets) {
    const effect = effectOn(base, segment, name, all, timesNs.length);
    const informed = new StreamProcessor({
      ...config,
      model: withEffect(model, effect) as unknown as ProcessorConfig["model"],
    });
    informed.absorbContext(some(segment, [name]));
    const own = informed.forecast({ ...plain, timesNs, channels: [name] });
    values[name] = own.values[name]!;
    if (own.answers !== undefined) answers.push(own.answers[name]!);
    regression[name] = { share: effect.share, effect: effect.future };
  }
  return {
    ...first,
    values,
    regression,
    ...(request.draws === undefined
      ? {}
      : { answers: Object.fromEntries(targets.map((name, i) => [name, answers[i]!])) }),
  };
}
