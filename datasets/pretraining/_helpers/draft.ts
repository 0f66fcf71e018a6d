import type { Draft } from "../generator.ts";

/** A draft of a whole window. */
export function wholeDraft(values: Float64Array, season = 0, second = 0): Draft {
  return { values, count: values.length, seasons: [season, second] };
}
