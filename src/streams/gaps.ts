import { LimitError } from "../base/errors.ts";
import { IDLE_SAMPLES, idleWeekdays, nextTimes } from "./calendar.ts";
import { COMPONENT_TIMES_MAX } from "./engine.ts";

/** A step longer than this many periods has room for a sample that is not there. */
const GAP_PERIODS = 1.5;

/**
 * Samples with the times between them at which samples are missing, one a period; steps of the
 * calendar where the samples before take such steps, none on weekdays that the stretch leaves out.
 *
 * @param timestampsNs  increasing                                                       [length]
 * @param periodS       null where it is not known: nothing is put in then
 * @returns             values put in are NaN
 * @throws {LimitError} more than {@linkcode COMPONENT_TIMES_MAX} times
 */
export function withGaps(
  timestampsNs: BigInt64Array,
  values: Float64Array,
  periodS: number | null,
): { timesNs: BigInt64Array; values: Float64Array } {
  const times: bigint[] = [];
  const filled: number[] = [];
  const idle = idleWeekdays(
    Float64Array.from(timestampsNs.slice(-IDLE_SAMPLES), (time) => Number(time) / 1e9),
  );
  timestampsNs.forEach((timeNs, i) => {
    times.push(timeNs);
    filled.push(values[i]!);
    const nextNs = timestampsNs[i + 1];
    if (nextNs === undefined || periodS === null) return;
    const periods = Number(nextNs - timeNs) / (periodS * 1e9);
    if (periods <= GAP_PERIODS) return;
    // Never more than are allowed at all: a gap of years must not fill the memory first.
    const count = Math.min(Math.round(periods) - 1, COMPONENT_TIMES_MAX);
    const previousNs = i === 0 ? null : timestampsNs[i - 1]!;
    for (const missingNs of nextTimes(timeNs, previousNs, periodS, count, idle)) {
      if (missingNs >= nextNs) break;
      times.push(missingNs);
      filled.push(NaN);
    }
    checkCount(times.length);
  });
  checkCount(times.length);
  return { timesNs: BigInt64Array.from(times), values: Float64Array.from(filled) };
}

function checkCount(count: number): void {
  if (count <= COMPONENT_TIMES_MAX) return;
  throw new LimitError("COMPONENT_TIMES_MAX", COMPONENT_TIMES_MAX, count, "from");
}
