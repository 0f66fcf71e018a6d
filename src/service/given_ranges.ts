import { InvalidValueError } from "../base/errors.ts";
import { boundsOf, type ChannelRange, validateRange } from "../stores/channel_range.ts";

/** Channels that an error names at most. */
const CHANNELS_NAMED_MAX = 20;

/** A {@linkcode ChannelRange} as a question holds it. */
export interface GivenRange {
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
  readonly missing?: readonly number[] | undefined;
}

/**
 * Bounds and missing values that a question has for its channels.
 *
 * @param known  the channels that there are
 * @throws {InvalidValueError} another channel, or no such bounds
 * @throws {LimitError} MISSING_VALUES_MAX
 */
export function givenRanges(
  given: Readonly<Record<string, GivenRange>>,
  known: readonly string[],
): Record<string, ChannelRange> {
  return Object.fromEntries(
    Object.entries(given).map(([name, { missing, ...bounds }]) => {
      if (!known.includes(name)) {
        const named = known.slice(0, CHANNELS_NAMED_MAX).join(", ");
        throw new InvalidValueError("ranges", name, `a channel that has samples: ${named}`);
      }
      const range = {
        ...boundsOf(bounds),
        ...(missing === undefined ? {} : { missing }),
      };
      validateRange(`ranges.${name}`, range);
      return [name, range];
    }),
  );
}
