import { InvalidValueError, LimitError } from "../base/errors.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { FORECAST_QUANTILES_MAX, FORECAST_TIMES_MAX } from "./engine.ts";

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
