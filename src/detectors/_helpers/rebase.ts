import { copyTree } from "../../base/tree.ts";
import { UNIT_RATES } from "./bank.ts";
import { type ChangePlace, levelShift } from "./change_past.ts";
import { type ChannelState, gatherEvidence, initialEvidence, type KeptChannel } from "./channel.ts";
import { keepLevel, restoreLevel } from "./robust_level.ts";
import { RING_SIZE } from "./season.ts";

/**
 * A level that is another one for good is what a channel is looked at from: what was learned for
 * its flags since the alarm opened is taken back, and the samples since then are learned again
 * without the shift. Else the averages, variances and tails that a shift leaves behind would hide
 * all but larger changes for thousands of samples, the return to the level before among them.
 *
 * The scores, which rank samples, go on with the values as they are.
 */
const COPIED = [
  "patternScale",
  "before",
  "flagBank",
  "remainderBank",
  "subspace",
  "remainderSubspace",
  "seasonChange",
] as const satisfies (keyof KeptChannel)[];

/** Tails of the flags; those of the scores and of their distance go on. */
const KEPT_TAILS: readonly number[] = [3, 4, 5, 6, 7, 8, 10];

/** Keeps a channel as it is when an alarm opens. */
export function keepChannel(channel: ChannelState): void {
  const { ring: _, ...season } = channel.season;
  const copied = Object.fromEntries(COPIED.map((key) => [key, channel[key]]));
  const tails = KEPT_TAILS.map((index) => channel.tails[index]!);
  const level = keepLevel(channel.level);
  const remainderLevel = keepLevel(channel.remainderLevel);
  const kept = { ...copied, level, remainderLevel, season, tails };
  channel.kept = copyTree(kept) as unknown as KeptChannel;
}

const relearned = initialEvidence();

/**
 * Looks at a channel from its new level; false where there is none that is clear enough, or
 * nothing is kept. What is kept is used up.
 *
 * @param place  of the alarm since {@linkcode keepChannel}, up to the channel's last tick
 */
export function rebaseChannel(channel: ChannelState, place: ChangePlace): boolean {
  const { kept, season: { ring } } = channel;
  channel.kept = null;
  if (kept === null) return false;
  const { since, tick } = place;
  const shift = levelShift(ring, place);
  if (shift === 0) return false;
  const { level, remainderLevel, tails, season, ...copied } = kept;
  Object.assign(channel, copied);
  restoreLevel(channel.level, level);
  restoreLevel(channel.remainderLevel, remainderLevel);
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
