import type { Track } from "./track.ts";

/** What the states in memory may be, over all workers. */
export interface StateLimits {
  readonly bytesMax: number;
  readonly countMax: number;
}

/**
 * The states to put away while they are too many or too large: those first that are likely not
 * needed for longest (Belady 1966, with the next samples' time as it is expected). Streams mostly
 * come in turn, and there the longest unused is the next one to be needed: with room for six of ten
 * streams, putting that away reads ten states a turn, and this four. One that is at work stays.
 */
export function statesToLeave(
  tracks: Iterable<Track>,
  { bytesMax, countMax }: StateLimits,
  nowMs: number,
): Track[] {
  // A track that waits for its state takes no room yet, and may wait behind thousands. One that
  // has none and waits for nothing (its state was given up) may go as any other.
  const held = [...tracks].filter(({ isLoaded, workCount }) => isLoaded || workCount === 0);
  let bytes = held.reduce((sum, { stateBytes }) => sum + stateBytes, 0);
  let count = held.length;
  const isRoom = () => bytes <= bytesMax && count <= countMax;
  if (isRoom()) return [];
  const order = held.filter(({ workCount }) => workCount === 0)
    .map((track) => ({ track, idleMs: track.pace.idleMs(nowMs) }))
    .sort((a, b) => b.idleMs - a.idleMs);
  const leaving: Track[] = [];
  for (const { track } of order) {
    if (isRoom()) break;
    bytes -= track.stateBytes;
    count--;
    leaving.push(track);
  }
  return leaving;
}
