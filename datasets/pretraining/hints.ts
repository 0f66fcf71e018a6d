/** The seasons that the forecaster is told: true mostly, else as people and finders err. */
import type { RandomState } from "../../src/base/random.ts";
import { nextUniform } from "../../src/base/random.ts";
import { between, chance, pick, wholeBetween } from "./_helpers/draw.ts";
import type { Draft } from "./generator.ts";
import type { Recipe } from "./recipe.ts";

/**
 * Seasons of an evenly spaced series in slots, the short one first, 0 = none.
 *
 * @param values   no missing values
 * @param periodS  seconds between them, by which a finder may know the calendar
 */
export type SeasonFinder = (values: Float64Array, periodS: number) => readonly [number, number];

/** A hint stays within what the forecaster's history can hold. */
export const SEASON_MAX = 2_700;
const SEASON_MIN = 2;

/** A whole number beside a calendar's fraction, as people write 52 weeks and 365 days. */
function told(random: RandomState, season: number): number {
  return within(chance(random, 0.6) ? Math.round(season) : season);
}

function within(season: number): number {
  return season >= SEASON_MIN && season <= SEASON_MAX ? season : 0;
}

/** Which seasons the forecaster is told by the recipe's shares. */
export function hintsOf(
  random: RandomState,
  recipe: Recipe,
  [short, long]: readonly [number, number],
): [number, number] {
  const u = nextUniform(random);
  if (u < recipe.hintDropShare) return [0, 0];
  if (u < recipe.hintDropShare + recipe.hintWrongShare) {
    return [told(random, between(random, 2, 100)), 0];
  }
  if (short === 0) return [0, 0];
  if (u < recipe.hintDropShare + recipe.hintWrongShare + recipe.hintMultipleShare) {
    const multiple = long > 0 ? long : short * wholeBetween(random, 2, 3);
    return [told(random, multiple), 0];
  }
  let second = 0;
  if (long > 0) second = chance(random, recipe.secondDropShare) ? 0 : long;
  else if (chance(random, recipe.secondFalseShare)) {
    second = short * pick(random, [7, 7, 7, 12, 5, 4]);
  }
  const first = told(random, short);
  return first === 0 ? [told(random, second), 0] : [first, told(random, second)];
}

const HOUR_S = 3_600;
const DAY_S = 86_400;
const YEAR_S = 365.25 * DAY_S;

/** Spacings of series whose seasons say nothing of the calendar. */
const PERIODS_S = [1 / 128, 1, 60, 300, 900, HOUR_S, HOUR_S, DAY_S, 7 * DAY_S, YEAR_S / 12, YEAR_S];

/** Slots a year or a week by which a spacing is known, and that spacing in seconds. */
const KNOWN: readonly (readonly [number, number])[] = [
  [52.18, 7 * DAY_S],
  [52, 7 * DAY_S],
  [365.25, DAY_S],
  [365, DAY_S],
  [12, YEAR_S / 12],
  [4, YEAR_S / 4],
  [7, DAY_S],
  [5, DAY_S],
];

/** Seconds between the samples, as the seasons suggest. */
function periodOf(random: RandomState, [short, long]: readonly [number, number]): number {
  const ratio = short > 0 ? long / short : 0;
  if (Math.abs(ratio - 7) < 0.01) return DAY_S / short;
  if (Math.abs(ratio - 24) < 0.01) return HOUR_S / short;
  const known = KNOWN.find(([slots]) => Math.abs(slots - short) < 0.1);
  if (known !== undefined) return known[1];
  if (short >= 24 && DAY_S % short === 0) return DAY_S / short;
  return pick(random, PERIODS_S);
}

/** Fewest samples at the beginning that a finder is shown. */
const SHOWN_MIN = 12;

/** What a finder makes of the first quarter of the samples or of more, gaps filled by lines. */
export function foundHints(
  random: RandomState,
  { values, count, seasons }: Draft,
  observed: Uint8Array,
  find: SeasonFinder,
): [number, number] {
  const shown = Math.min(count, Math.max(SHOWN_MIN, Math.round(count * between(random, 0.25, 1))));
  const periodS = periodOf(random, seasons);
  const filled = filledOf(values.subarray(0, shown), observed);
  if (filled.length < SHOWN_MIN) return [0, 0];
  const [first, second] = find(filled, periodS).map(within);
  return first! > 0 ? [first!, second!] : [second!, 0];
}

/** The observed values from the first to the last, those between by straight lines. */
function filledOf(values: Float64Array, observed: Uint8Array): Float64Array {
  const out = new Float64Array(values.length);
  let length = 0;
  let before = -1;
  for (let i = 0; i < values.length; i++) {
    if (observed[i] === 0) continue;
    const step = before < 0 ? 0 : (values[i]! - values[before]!) / (i - before);
    for (let k = before + 1; before >= 0 && k < i; k++) {
      out[length++] = values[before]! + step * (k - before);
    }
    out[length++] = values[i]!;
    before = i;
  }
  return out.subarray(0, length);
}
