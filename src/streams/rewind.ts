import {
  InvalidValueError,
  LimitError,
  OverloadError,
  StateMismatchError,
} from "../base/errors.ts";
import { concatSegments, hasValue, type Segment, sliceSegment } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type { Snapshot, Store, StreamRecord, StreamSettings } from "../stores/store.ts";
import { batchSamplesMax } from "./advance.ts";
import {
  type ForecastRequest,
  type ForecastResult,
  type PastQuestion,
  StreamFailedError,
} from "./engine.ts";
import { type PlacedFeedback, readFeedback } from "./feedback_log.ts";
import { copyRange } from "./pieces.ts";
import type { RewindAnswer, RewindArgument } from "./shard.ts";
import type { ShardPort } from "./shard_port.ts";

/**
 * Questions about another past than the one that is known: the state is a pure function of the
 * samples in order, so the one of any time is made again by replaying the log up to there, bit for
 * bit; one that never saw some channels by leaving them out; and one that some samples more have
 * come to by going on with those. Nothing of the stream's own state is touched.
 */

/** Values that a question about the past replays at most, missing ones included. */
export const REWIND_VALUES_MAX = 200_000;
/** Values that a question may suppose, missing ones included. */
export const SUPPOSED_VALUES_MAX = 10_000;
/** Questions about the past that are answered at a time. */
export const REWINDS_MAX = 4;
/** Values of the log that are read at a time. */
const PAGE_VALUES = 65_536;

/** A replay: of what, where, and under which number. */
interface Replay {
  readonly store: Store;
  readonly port: ShardPort;
  readonly key: number;
  readonly record: StreamRecord;
  readonly past: PastQuestion;
  readonly signal: AbortSignal;
}

/**
 * In-order samples up to a time: where the log was then. Late samples count as never known, as
 * they do for the state.
 *
 * @throws {InvalidValueError} there was no sample yet
 */
export async function samplesUntil(
  store: Pick<Store, "readInOrder">,
  { id, inOrderCount, lastNs }: Pick<StreamRecord, "id" | "inOrderCount" | "lastNs">,
  asOfNs: bigint,
): Promise<number> {
  if (lastNs !== null && asOfNs >= lastNs) return inOrderCount;
  let known = 0;
  let unknown = inOrderCount;
  while (known < unknown) {
    const middle = (known + unknown) >> 1;
    const sample = await store.readInOrder(id, middle, 1);
    if (sample !== null && sample.timestampsNs[0]! <= asOfNs) known = middle + 1;
    else unknown = middle;
  }
  if (known > 0) return known;
  const first = await store.readInOrder(id, 0, 1);
  const wanted = first === null
    ? "a time of a stream with a sample in it"
    : `a time from the first sample on, ${formatTimestamp(first.timestampsNs[0]!)}`;
  throw new InvalidValueError("asOf", formatTimestamp(asOfNs), wanted);
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

/**
 * The newest samples that were known at a time, without some channels and with those that are
 * supposed behind them; null where there is none.
 *
 * @throws {InvalidValueError} there was no sample yet, or what is supposed is no newer
 * @throws {LimitError} SUPPOSED_VALUES_MAX
 */
export async function newestUntil(
  store: Pick<Store, "readInOrder">,
  record: StreamRecord,
  { asOfNs, without, suppose }: PastQuestion,
  count: number,
): Promise<Segment | null> {
  const { id, inOrderCount } = record;
  const end = asOfNs === undefined ? inOrderCount : await samplesUntil(store, record, asOfNs);
  const samples = await store.readInOrder(id, Math.max(0, end - count), Math.min(count, end));
  const known = samples === null ? null : withoutChannels(samples, without);
  if (suppose === undefined) return known;
  checkSupposed(suppose, samples);
  const all = concatSegments([...known === null ? [] : [known], { ...suppose, streamId: id }]);
  const { length } = all.timestampsNs;
  return sliceSegment(all, Math.max(0, length - count), length);
}

/**
 * @param known  its last sample is the newest that is known; null where there is none
 * @throws {InvalidValueError} what is supposed is no newer
 * @throws {LimitError} SUPPOSED_VALUES_MAX
 */
function checkSupposed({ timestampsNs, channels }: Segment, known: Segment | null): void {
  const values = timestampsNs.length * Math.max(1, channels.length);
  if (values > SUPPOSED_VALUES_MAX) {
    throw new LimitError("SUPPOSED_VALUES_MAX", SUPPOSED_VALUES_MAX, values, "suppose");
  }
  const lastNs = known?.timestampsNs.at(-1);
  if (lastNs === undefined || timestampsNs[0]! > lastNs) return;
  const wanted = `a time after ${formatTimestamp(lastNs)}, the newest sample that is known`;
  throw new InvalidValueError("suppose.timestamps[0]", formatTimestamp(timestampsNs[0]!), wanted);
}

/** Settings as they were had some channels never been declared covariates. */
function settingsWithout(settings: StreamSettings, without: readonly string[]): StreamSettings {
  const { covariates = [], ...rest } = settings;
  const kept = covariates.filter((name) => !without.includes(name));
  return kept.length === 0 ? rest : { ...rest, covariates: kept };
}

/** Where a replay begins and ends. */
interface Stretch {
  readonly snapshot: Snapshot | null;
  readonly end: number;
  readonly feedback: readonly PlacedFeedback[];
}

/** The newest state that is stored is taken where it is no newer than the question. */
async function stretchOf({ store, port, record, past }: Replay): Promise<Stretch> {
  const { id: streamId, settings } = record;
  const end = past.asOfNs === undefined
    ? record.inOrderCount
    : await samplesUntil(store, record, past.asOfNs);
  // What people said was about alarms of the state that knew all channels.
  if (past.without.length > 0) return { snapshot: null, end, feedback: [] };
  const modelHash = await port.call<string>("modelHash", { streamId, settings });
  const newest = await store.latestSnapshot(streamId, modelHash);
  const snapshot = newest !== null && newest.appliedOffset <= end ? newest : null;
  const feedback = await readFeedback(store, record);
  return { snapshot, end, feedback: feedback.filter(({ offset }) => offset < end) };
}

async function send(
  { port, key, record }: Replay,
  part: Omit<RewindArgument, "key">,
): Promise<RewindAnswer> {
  const answer = await port.call<RewindAnswer>("rewind", { key, ...part });
  if (answer.failed !== null) throw new StreamFailedError(record.id, answer.failed);
  return answer;
}

/** Opens the replay's state at a snapshot that knows nothing newer; returns how far it is. */
async function begin(
  replay: Replay,
  settings: StreamSettings,
  snapshot: Snapshot | null,
  feedbackMax: number,
): Promise<{ at: number; feedbackCount: number }> {
  const streamId = replay.record.id;
  const open = (from: Snapshot | null) =>
    send(replay, { start: { streamId, settings, snapshot: from } });
  if (snapshot !== null) {
    try {
      const { feedbackCount } = await open(snapshot);
      // Else it was told something after its last sample.
      if (feedbackCount <= feedbackMax) return { at: snapshot.appliedOffset, feedbackCount };
    } catch (error) {
      // A snapshot that cannot be read costs a longer replay, nothing else.
      if (!(error instanceof StateMismatchError || error instanceof SyntaxError)) throw error;
    }
  }
  await open(null);
  return { at: 0, feedbackCount: 0 };
}

/** Replays the log into a state of the replay's own, which stays in the shard. */
async function replayPast(replay: Replay): Promise<void> {
  const { record, past: { without, suppose } } = replay;
  const { snapshot, end, feedback } = await stretchOf(replay);
  if (suppose !== undefined) {
    const last = end === 0 ? null : await replay.store.readInOrder(record.id, end - 1, 1);
    checkSupposed(suppose, last);
  }
  const settings = settingsWithout(record.settings, without);
  const columns = Math.max(1, record.channels.length);
  let { at, feedbackCount } = await begin(replay, settings, snapshot, feedback.length);
  const values = (end - at) * columns;
  if (values > REWIND_VALUES_MAX) {
    throw new LimitError("REWIND_VALUES_MAX", REWIND_VALUES_MAX, values, "asOf");
  }
  while (at < end) {
    const page = await readPage(replay, at, end);
    const pageStart = at;
    const pageEnd = at + page.timestampsNs.length;
    while (at < pageEnd) {
      if (replay.signal.aborted) throw new OverloadError(`Nobody waits for "${record.id}"`, 5);
      // What people said at this very place comes before the next sample.
      const said = feedback.slice(feedbackCount).filter(({ offset }) => offset <= at);
      feedbackCount += said.length;
      const untilFeedback = feedback[feedbackCount]?.offset ?? Infinity;
      const until = Math.min(at + batchSamplesMax(columns), pageEnd, untilFeedback);
      const part = withoutChannels(copyRange(page, at - pageStart, until - pageStart), without);
      const segment = part === null ? null : withoutMissing(part, settings.channels);
      await send(replay, { feedback: said, segment });
      at = until;
    }
  }
  if (suppose !== undefined) await goOn(replay, settings, suppose);
}

/** Goes on with samples that the log does not hold. */
async function goOn(replay: Replay, settings: StreamSettings, suppose: Segment): Promise<void> {
  const { length } = suppose.timestampsNs;
  const step = batchSamplesMax(suppose.channels.length);
  for (let at = 0; at < length; at += step) {
    // The message takes the samples along, and the question stays whole.
    const part = copyRange(suppose, at, Math.min(at + step, length));
    await send(replay, { segment: withoutMissing(part, settings.channels) });
  }
}

async function readPage({ store, record }: Replay, from: number, end: number): Promise<Segment> {
  const columns = Math.max(1, record.channels.length);
  const most = Math.max(1, Math.floor(PAGE_VALUES / columns));
  const page = await store.readInOrder(record.id, from, Math.min(end - from, most));
  if (page === null) throw new Error(`The log of "${record.id}" ends at ${from}`);
  return page;
}

/** Answers questions about the past, few at a time. */
export class Rewinds {
  readonly #store: Store;
  readonly #most: number;
  #open = 0;
  /** Replays so far: each has a number of its own. */
  #count = 0;

  /** @param most  questions that are answered at a time */
  constructor(store: Store, most: number = REWINDS_MAX) {
    this.#store = store;
    this.#most = most;
  }

  /**
   * The forecast that a stream would have given at a time of the past, or would give had some of
   * its channels never come, or some samples more. At a time alone it is what was given then, and
   * its hash that of the state then, as long as model and settings are those of today.
   *
   * @param port    the shard that replays
   * @param signal  aborted when nobody waits for the answer any more
   * @throws {InvalidValueError} no sample was known, what is supposed is no newer than those that
   *   were, or what `forecast` of a state throws
   * @throws {LimitError} REWIND_VALUES_MAX or SUPPOSED_VALUES_MAX
   * @throws {OverloadError} REWINDS_MAX are being answered, or nobody waits any more
   */
  async forecast(
    port: ShardPort,
    record: StreamRecord,
    past: PastQuestion,
    request: ForecastRequest,
    signal: AbortSignal,
  ): Promise<ForecastResult> {
    if (this.#open >= this.#most) {
      throw new OverloadError(`${this.#open} questions about the past are being answered`, 5);
    }
    this.#open++;
    const key = this.#count++;
    try {
      const replay = { store: this.#store, port, key, record, past, signal };
      await replayPast(replay);
      const { forecast } = await send(replay, { request });
      return forecast!;
    } finally {
      this.#open--;
      // Where the shard is gone the replay is, too.
      await port.call("endRewind", { key }).catch(() => {});
    }
  }
}
