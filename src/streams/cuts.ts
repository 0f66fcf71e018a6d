/** Where the samples of a segment are cut, since a detector takes runs that are alike. */

/** A channel whose values become another series before a sample. */
export interface ChannelChange {
  readonly index: number;
  readonly channel: number;
}

/** The end of a run of samples, and what changes there. */
export interface Cut {
  /** The sample before which it lies; the length of the segment at its end. */
  readonly index: number;
  /** Channels that begin. */
  readonly begun: number;
  /** Channels whose values are another series from here on. */
  readonly changed: readonly number[];
}

/** All cuts in order; the last is the end of the segment. */
export function cutsOf(
  growth: readonly { readonly index: number; readonly names: readonly string[] }[],
  changes: readonly ChannelChange[],
  length: number,
): Cut[] {
  const indices = new Set([...growth, ...changes].map(({ index }) => index)).add(length);
  return [...indices].sort((a, b) => a - b).map((index) => ({
    index,
    begun: growth.find((begins) => begins.index === index)?.names.length ?? 0,
    changed: changes.filter((change) => change.index === index).map(({ channel }) => channel),
  }));
}
