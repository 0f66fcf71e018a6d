import { InvalidValueError, LimitError } from "../base/errors.ts";
import { formatTimestamp, TIMESTAMP_NS_MAX } from "../signal/timestamp.ts";
import { nextTimes } from "./calendar.ts";
import { FORECAST_QUANTILES_MAX, FORECAST_TIMES_MAX, type ForecastRequest } from "./engine.ts";

/** @throws {InvalidValueError | LimitError} none, too many, not increasing, or not in (0, 1) */
export function checkQuantiles(quantiles: Float64Array): void {
  if (quantiles.length === 0 || quantiles.length > FORECAST_QUANTILES_MAX) {
    throw new LimitError(
      "FORECAST_QUANTILES_MAX",
      FORECAST_QUANTILES_MAX,
      quantiles.length,
      "quantiles",
    );
  }
  for (const [i, quantile] of quantiles.entries()) {
    if (!(quantile > 0 && quantile < 1)) {
      throw new InvalidValueError(`quantiles[${i}]`, quantile, "a number between 0 and 1");
    }
    if (i > 0 && quantile <= quantiles[i - 1]!) {
      throw new InvalidValueError(`quantiles[${i}]`, quantile, `more than ${quantiles[i - 1]}`);
    }
  }
}

/** @throws {InvalidValueError | LimitError} none, too many, tangled, or not after the origin */
export function checkTimes(timesNs: BigInt64Array, originNs: bigint): void {
  if (timesNs.length === 0 || timesNs.length > FORECAST_TIMES_MAX) {
    throw new LimitError("FORECAST_TIMES_MAX", FORECAST_TIMES_MAX, timesNs.length, "times");
  }
  for (const [i, timeNs] of timesNs.entries()) {
    if (timeNs <= originNs) {
      const wanted = `a time after the origin ${formatTimestamp(originNs)}`;
      throw new InvalidValueError(`times[${i}]`, formatTimestamp(timeNs), wanted);
    }
    if (i > 0 && timeNs <= timesNs[i - 1]!) {
      throw new InvalidValueError(`times[${i}]`, formatTimestamp(timeNs), "times that increase");
    }
  }
}

/** What is known of a stream's times. */
export interface KnownTimes {
  /** Its newest sample, and the one before. */
  readonly originNs: bigint;
  readonly previousNs: bigint | null;
  /** Sampling period, null where no model knows it. */
  readonly periodS: number | null;
  /** Horizon unless one is asked for. */
  readonly horizon: number;
  /** Weekdays without samples, 0 = Sunday. */
  readonly idle: ReadonlySet<number>;
}

/**
 * The times that a forecast is asked for: as they are given, or the next of the stream.
 *
 * @throws {InvalidValueError | LimitError} as {@linkcode checkTimes}, a horizon that cannot be
 */
export function forecastTimes(request: ForecastRequest, known: KnownTimes): BigInt64Array {
  const { originNs, previousNs, idle } = known;
  if (request.timesNs !== undefined) {
    checkTimes(request.timesNs, originNs);
    return request.timesNs;
  }
  const horizon = request.horizon ?? known.horizon;
  if (!Number.isInteger(horizon) || horizon < 1 || horizon > FORECAST_TIMES_MAX) {
    throw new InvalidValueError("horizon", horizon, `an integer from 1 to ${FORECAST_TIMES_MAX}`);
  }
  // Before a model knows the period, the last step is the best that is known of it.
  const stepS = previousNs === null ? null : Number(originNs - previousNs) / 1e9;
  const periodS = known.periodS ?? stepS;
  if (periodS === null) {
    const expectation = "explicit times: one sample does not tell a period";
    throw new InvalidValueError("horizon", horizon, expectation);
  }
  // A tenth more, since steps of the calendar differ in length; more where weekdays are left out.
  const length = 1.1 * 7 / (7 - idle.size);
  const reachNs = BigInt(Math.ceil(periodS * length)) * BigInt(horizon) * 1_000_000_000n;
  if (originNs + reachNs >= TIMESTAMP_NS_MAX) {
    throw new InvalidValueError("horizon", horizon, "times before the year 2262");
  }
  return nextTimes(originNs, previousNs, periodS, horizon, idle);
}
