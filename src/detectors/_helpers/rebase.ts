import { copyTree } from "../../base/tree.ts";
import { UNIT_RATES } from "./bank.ts";
import { type ChangePlace, levelShift } from "./change_past.ts";
import { type ChannelState, gatherEvidence, initialEvidence } from "./channel.ts";
import { RING_SIZE } from "./season.ts";

/**
 * A level that is another one for good is what a channel is looked at from: what was learned for
 * its flags since the alarm opened is taken back, and the samples since then are learned again
 * without the shift. Else the averages, variances and tails that a shift leaves behind would hide
 * all but larger changes for thousands of samples, the return to the level before among them.
 *
 * The scores, which rank samples, go on with the values as they are.
 */
const KEPT = [
  "patternScale",
  "before",
  "flagBank",
  "remainderBank",
  "level",
  "remainderLevel",
  "subspace",
  "remainderSubspace",
  "seasonChange",
] as const satisfies (keyof ChannelState)[];

/** Tails of the flags; those of the scores and of their distance go on. */
const KEPT_TAILS: readonly number[] = [3, 4, 5, 6, 7, 8, 10];

/** What the flags of a channel rest on, but for ring and patterns: some 10 KB. */
export type KeptChannel =
  & Pick<ChannelState, typeof KEPT[number] | "tails">
  & { readonly season: Omit<ChannelState["season"], "ring"> };

/** Keeps a channel as it is when an alarm opens. */
export function keepChannel(channel: ChannelState): KeptChannel {
  const { ring: _, ...season } = channel.season;
  const kept = Object.fromEntries(KEPT.map((key) => [key, channel[key]]));
  const tails = KEPT_TAILS.map((index) => channel.tails[index]!);
  return copyTree({ ...kept, tails, season }) as unknown as KeptChannel;
}

const relearned = initialEvidence();

/**
 * Looks at a channel from its new level; false where there is none that is clear enough.
 *
 * @param kept   the channel as it was at `place.since`; used up
 * @param place  of the alarm, up to the channel's last tick
 */
export function rebaseChannel(
  channel: ChannelState,
  kept: KeptChannel,
  place: ChangePlace,
): boolean {
  const { ring } = channel.season;
  const { since, tick } = place;
  const shift = levelShift(ring, place);
  if (shift === 0) return false;
  const { tails, season, ...others } = kept;
  Object.assign(channel, others);
  Object.assign(channel.season, season);
  channel.tails = channel.tails.map((tail, i) => tails[KEPT_TAILS.indexOf(i)] ?? tail);
  channel.base += shift;
  channel.before -= shift;
  ring[since % RING_SIZE] = ring[since % RING_SIZE]! - shift;
  const { position } = channel;
  channel.position = since;
  for (let at = since + 1; at <= tick; at++) {
    const time = { dt: 1, rates: UNIT_RATES, isFast: false };
    gatherEvidence(channel, ring[at % RING_SIZE]! - shift, time, relearned);
  }
  channel.position = position;
  return true;
}
