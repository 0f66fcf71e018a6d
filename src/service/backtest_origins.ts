import { InvalidValueError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";

/** Fewer samples are no backtest: the earliest origin knows half of them, and the last target. */
export const BACKTEST_SAMPLES_MIN = 4;

/** Samples that are known at the earliest origin. */
function firstOrigin(length: number): number {
  return Math.max(2, Math.ceil(length / 2));
}

/** Origins of a backtest: evenly over the last half of the series, each with a whole horizon. */
export function originsOf(length: number, horizon: number, count: number): number[] {
  const first = firstOrigin(length);
  const last = length - horizon;
  if (last < first) return [];
  const steps = Math.max(1, Math.min(count, last - first + 1));
  if (steps === 1) return [last];
  const origins = Array.from(
    { length: steps },
    (_, i) => first + Math.round(((last - first) * i) / (steps - 1)),
  );
  return [...new Set(origins)];
}

/** @throws {InvalidValueError} too few samples for any backtest, or for this horizon */
export function checkBacktestLength(length: number, horizon: number): void {
  if (length < BACKTEST_SAMPLES_MIN) {
    throw new InvalidValueError("samples", length, `at least ${BACKTEST_SAMPLES_MIN} of them`);
  }
  const longest = length - firstOrigin(length);
  if (horizon <= longest) return;
  const wanted = `at most ${longest}: ${length} samples are there, and half of them come first`;
  throw new InvalidValueError("horizon", horizon, wanted);
}

/**
 * What a backtest of a channel needs: at some origin a value is known, and one of the next comes.
 *
 * @throws {InvalidValueError} a channel without
 */
export function checkBacktestValues(
  { channels, values }: Pick<Segment, "channels" | "values">,
  horizon: number,
  origins: readonly number[],
): void {
  for (const [c, name] of channels.entries()) {
    const column = values[c]!;
    const first = column.findIndex((value) => !Number.isNaN(value));
    const isTried = first >= 0 && origins.some((origin) =>
      first < origin &&
      column.subarray(origin, origin + horizon).some((value) => !Number.isNaN(value))
    );
    if (isTried) continue;
    throw new InvalidValueError("channels", name, "one with values before and after an origin");
  }
}
