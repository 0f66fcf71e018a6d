/** The regular beat of an oscillation, measured from where it rises through its mean. */
import { momentsOf } from "./series.ts";

/** Longest spread of the intervals, as a share of their mean, that counts as regular. */
const SPREAD_MAX = 0.2;

/**
 * Mean interval in slots between the rises through the mean (with a guard of a third of a
 * deviation, so that noise makes none); 0 where the intervals differ by too much or are too few.
 */
export function beatOf(values: Float64Array): number {
  const { mean, deviation } = momentsOf(values);
  const low = mean - deviation / 3;
  const high = mean + deviation / 3;
  let isLow = false;
  let before = -1;
  let sum = 0;
  let squares = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i]! < low) isLow = true;
    else if (isLow && values[i]! > high) {
      isLow = false;
      if (before >= 0) {
        sum += i - before;
        squares += (i - before) ** 2;
        count++;
      }
      before = i;
    }
  }
  if (count < 3) return 0;
  const interval = sum / count;
  const spread = Math.sqrt(Math.max(0, squares / count - interval * interval));
  return spread <= SPREAD_MAX * interval + 0.5 && interval >= 3 ? interval : 0;
}
