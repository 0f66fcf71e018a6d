import type { AlarmEnd, FeedEntry } from "../../stores/store.ts";

/**
 * Entries of the feed in the order of what happened. A commit feeds the alarms that opened in its
 * samples before those that ended there; an alarm that was over before the next one of its stream
 * opened comes before it, so that the two are told apart.
 *
 * @param feed  in the order of the commits
 */
export function inTimeOrder(feed: readonly FeedEntry[]): FeedEntry[] {
  const out: FeedEntry[] = [];
  for (const entry of feed) {
    const at = "ended" in entry ? out.findIndex((other) => isLater(other, entry)) : -1;
    if (at < 0) out.push(entry);
    else out.splice(at, 0, entry);
  }
  return out;
}

/** Whether an entry is an opening behind an end; a missing heartbeat has no number to tell by. */
function isLater(entry: FeedEntry, { ended }: { readonly ended: AlarmEnd }): boolean {
  if (!("opened" in entry) || entry.opened.streamId !== ended.streamId) return false;
  const { number, timestampNs } = entry.opened;
  return number !== undefined && number > ended.number && timestampNs > ended.endedNs;
}
