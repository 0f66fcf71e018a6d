import { OverloadError } from "../base/errors.ts";
import { hasValue, type Segment } from "../signal/segment.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type { Store, StreamRecord, StreamSettings } from "../stores/store.ts";
import { batchSamplesMax } from "./advance.ts";
import { StreamFailedError } from "./engine.ts";
import type { PlacedFeedback } from "./feedback_log.ts";
import { copyRange } from "./pieces.ts";
import type { RewindAnswer, RewindArgument } from "./shard.ts";
import type { ShardPort } from "./shard_port.ts";

/** Values of the log that are read at a time. */
const PAGE_VALUES = 65_536;

/** A replay of a stream's log into a state of its own: of what, where, and under which number. */
export interface Replay {
  readonly store: Pick<Store, "readInOrder">;
  readonly port: ShardPort;
  /** Tells replays in one shard apart. */
  readonly key: number;
  readonly record: StreamRecord;
  /** Aborted when nobody waits for it any more. */
  readonly signal: AbortSignal;
}

/** Which part of the log is replayed, and what is told of it. */
export interface ReplayedPart {
  readonly at: number;
  readonly end: number;
  readonly settings: StreamSettings;
  /** Channels that are left out. */
  readonly without: readonly string[];
  /** Feedback that the state has not taken yet, in its order. */
  readonly feedback: readonly PlacedFeedback[];
  /** Where the hash of the state is asked for, increasing, after `at`; default nowhere. */
  readonly stops?: readonly number[];
  /** Hears of a hash at a stop: before the feedback of that place, and after each. */
  readonly onHash?: (offset: number, stateHash: string) => void;
  /** Hears how far the replay is. */
  readonly onProgress?: (offset: number) => void;
}

/**
 * A part of a replay, sent to where its state is.
 *
 * @throws {StreamFailedError} the model threw
 */
export async function sendPart(
  { port, key, record }: Replay,
  part: Omit<RewindArgument, "key">,
): Promise<RewindAnswer> {
  const answer = await port.call<RewindAnswer>("rewind", { key, ...part });
  if (answer.failed !== null) throw new StreamFailedError(record.id, answer.failed);
  return answer;
}

/**
 * Replays the log into the state that `sendPart` has begun, what people said at its place among the
 * samples: at a place it comes before the next sample.
 *
 * @throws {StreamFailedError} the model threw
 * @throws {OverloadError} nobody waits any more
 */
export async function replayLog(replay: Replay, part: ReplayedPart): Promise<void> {
  const { record } = replay;
  const { end, settings, without, stops = [], onProgress } = part;
  const step = batchSamplesMax(record.channels.length);
  let { at } = part;
  let taken = 0;
  let stop = 0;
  while (at < end) {
    const page = await readPage(replay, at, end);
    const pageStart = at;
    const pageEnd = at + page.timestampsNs.length;
    while (at < pageEnd) {
      if (replay.signal.aborted) throw new OverloadError(`Nobody waits for "${record.id}"`, 5);
      const said = part.feedback.slice(taken).filter(({ offset }) => offset <= at);
      taken += said.length;
      const untilFeedback = part.feedback[taken]?.offset ?? Infinity;
      const until = Math.min(at + step, pageEnd, untilFeedback, stops[stop] ?? Infinity);
      const piece = withoutChannels(copyRange(page, at - pageStart, until - pageStart), without);
      const segment = piece === null ? null : withoutMissing(piece, settings.channels);
      await sendPart(replay, { feedback: said, segment });
      at = until;
      onProgress?.(at);
      if (at !== stops[stop]) continue;
      stop++;
      const here = part.feedback.slice(taken).filter(({ offset }) => offset <= at);
      taken += here.length;
      await tellHashes(replay, part, at, here);
    }
  }
}

/** Tells the hashes of a place: before its feedback, and after each. */
async function tellHashes(
  replay: Replay,
  { onHash }: ReplayedPart,
  at: number,
  feedback: readonly PlacedFeedback[],
): Promise<void> {
  const tell = async (said: readonly PlacedFeedback[]) => {
    const { stateHash } = await sendPart(replay, { feedback: said, isHashed: true });
    onHash?.(at, stateHash!);
  };
  await tell([]);
  for (const one of feedback) await tell([one]);
}

async function readPage({ store, record }: Replay, from: number, end: number): Promise<Segment> {
  const columns = Math.max(1, record.channels.length);
  const most = Math.max(1, Math.floor(PAGE_VALUES / columns));
  const page = await store.readInOrder(record.id, from, Math.min(end - from, most));
  if (page === null) throw new Error(`The log of "${record.id}" ends at ${from}`);
  return page;
}

/**
 * A segment as it were had some channels never come; null where nothing else was given in it.
 * A sample in which nothing else was given is none.
 */
export function withoutChannels(segment: Segment, without: readonly string[]): Segment | null {
  if (!segment.channels.some((name) => without.includes(name))) return segment;
  const kept = segment.channels.flatMap((name, c) => without.includes(name) ? [] : [c]);
  const rows: number[] = [];
  segment.timestampsNs.forEach((_, row) => {
    if (kept.some((c) => !Number.isNaN(segment.values[c]![row]!))) rows.push(row);
  });
  if (rows.length === 0) return null;
  const columns = kept.map((c) => Float64Array.from(rows, (row) => segment.values[c]![row]!));
  const said = kept.map((_, k) => k).filter((k) => hasValue(columns[k]!));
  return {
    ...segment,
    timestampsNs: BigInt64Array.from(rows, (row) => segment.timestampsNs[row]!),
    channels: said.map((k) => segment.channels[kept[k]!]!),
    values: said.map((k) => columns[k]!),
  };
}
