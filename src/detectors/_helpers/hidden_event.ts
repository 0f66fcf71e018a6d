import { finalReason } from "./reason.ts";

/**
 * What the evidence told while a fault of the same channel spoke for it: most often the jump at the
 * end of the fault. Where the values then stay on one side of the usual level until the fault's
 * alarm is over, there is a shift behind it that the fault does not explain.
 */
export type HiddenEvent = {
  /** −1 = nothing is hidden. */
  channel: number;
  /** −log10 p. */
  surprise: number;
  score: number;
  /** Values since that are no part of the fault, and those far above and far below. */
  samples: number;
  above: number;
  below: number;
};

/** Nothing hidden. */
export function initialHidden(): HiddenEvent {
  return { channel: -1, surprise: 0, score: 0, samples: 0, above: 0, below: 0 };
}

/** Hides an event of a channel; one that is hidden already goes on. */
export function hideEvent(
  hidden: HiddenEvent,
  { channel, surprise, score }: Pick<HiddenEvent, "channel" | "surprise" | "score">,
): void {
  if (hidden.channel === channel) return;
  Object.assign(hidden, initialHidden(), { channel, surprise, score });
}

/** Counts a value of the channel that is no part of the fault; `side` is 1 far above, −1 below. */
export function countHidden(hidden: HiddenEvent, side: number): void {
  hidden.samples++;
  if (side > 0) hidden.above++;
  if (side < 0) hidden.below++;
}

/** Ends the hiding with the fault's alarm; true where a shift of the level is left of it. */
export function revealHidden(hidden: HiddenEvent): boolean {
  hidden.channel = -1;
  return finalReason("spike", hidden) === "level";
}
