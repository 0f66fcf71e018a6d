import { InvalidValueError } from "../base/errors.ts";
import { validateSeasons } from "../stores/store.ts";
import { type CommandInput, type OptionSpec, UsageError } from "./command.ts";

/** Seconds of the units that a season may be said in; a bare number is one of seconds. */
const UNIT_S: Readonly<Record<string, number>> = {
  ...{ "": 1, s: 1, min: 60, h: 3_600, d: 86_400, w: 604_800 },
};

/** Option of verbs that may be told the seasons of a series. */
export const SEASON_OPTION: Readonly<Record<string, OptionSpec>> = {
  season: {
    type: "string",
    isMultiple: true,
    value: "LENGTH",
    help: "Season: 86400, 24h, 7d (s, min, h, d, w); may be repeated; default: found",
  },
};

/**
 * Lengths of the declared seasons in seconds, in the order given; none where they are to be found.
 *
 * @throws {UsageError} no length, or more than SEASONS_MAX
 */
export function seasonsOf(input: CommandInput): number[] {
  const seasonsS = input.texts("season").map((text) => {
    const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(text.trim()) ?? [];
    const unitS = unit !== undefined && Object.hasOwn(UNIT_S, unit) ? UNIT_S[unit]! : NaN;
    const seasonS = Number(digits) * unitS;
    if (seasonS > 0 && Number.isFinite(seasonS)) return seasonS;
    throw new UsageError(
      `--season is "${text}", expected a length such as 86400, 24h or 7d (s, min, h, d, w)`,
    );
  });
  try {
    validateSeasons(seasonsS);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new UsageError(`--season: ${error.message}`);
    throw error;
  }
  return seasonsS;
}
