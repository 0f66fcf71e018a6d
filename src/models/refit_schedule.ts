/**
 * When a stream that is served is fitted again: each time its values have doubled, and when a young
 * one first shows a season. Without that it would go on without its season until it has twice the
 * values, 270 weeks in place of 135.
 */
import type { EnsembleState } from "./ensemble_run.ts";
import { seasonsIn } from "./refit_setting.ts";
import { BUFFER_SAMPLES_MAX, newestSamples, type SampleBuffer } from "./sample_buffer.ts";
import { calendarCounts } from "./season.ts";

/** Values at which the first fit is made. */
export const FIRST_FIT_SAMPLES = 8;

/** A fit is made again each time the count of values has grown by this factor. */
export const REFIT_GROWTH = 2;

/**
 * A stream of fewer values is looked at for a season each time their count has grown by the factor,
 * and any stream where a season of the calendar comes within reach of the search. A look takes
 * 20 us at 100 values and 150 us at 400; a fit, 10 and 40 ms.
 */
const YOUNG_SAMPLES = 400;
const LOOK_GROWTH = 1.2;

/** Counts of values at which there is a look, whatever the calendar. */
const LOOKS: ReadonlySet<number> = new Set(looks());

function* looks(): Generator<number> {
  for (let n = FIRST_FIT_SAMPLES; n < YOUNG_SAMPLES; n = Math.ceil(n * LOOK_GROWTH)) yield n;
}

/** Whether there is a look at a count of values that the buffer holds. */
export function isLook(count: number, periodS: number): boolean {
  if (count > BUFFER_SAMPLES_MAX) return false;
  return LOOKS.has(count) || calendarCounts(periodS).includes(count);
}

/**
 * Whether it is time for a look, and it finds more seasons than the ensemble at work has.
 *
 * @param declaredS  declared season lengths in seconds; empty = find
 */
export function showsNewSeason(
  buffer: SampleBuffer,
  declaredS: Float64Array,
  { clock, seasons }: Pick<EnsembleState, "clock" | "seasons">,
): boolean {
  if (!isLook(buffer.length, clock.periodS)) return false;
  const { times, values } = newestSamples(buffer);
  return seasonsIn(times, values, [...declaredS]).length > seasons.length;
}
