import {
  InvalidValueError,
  LimitError,
  OverloadError,
  StateMismatchError,
} from "../base/errors.ts";
import { concatSegments, type Segment, sliceSegment } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type { Snapshot, Store, StreamRecord, StreamSettings } from "../stores/store.ts";
import { batchSamplesMax } from "./advance.ts";
import type {
  Claim,
  ForecastRequest,
  ForecastResult,
  PastQuestion,
  ProvenState,
} from "./engine.ts";
import { type PlacedFeedback, readFeedback } from "./feedback_log.ts";
import { type Replay, replayLog, sendPart, withoutChannels } from "./log_replay.ts";
import { copyRange } from "./pieces.ts";
import { proveClaims } from "./proof.ts";
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

/** A question of another past, and the replay that answers it. */
interface PastReplay extends Replay {
  readonly store: Store;
  readonly past: PastQuestion;
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
async function stretchOf({ store, port, record, past }: PastReplay): Promise<Stretch> {
  const { id: streamId, settings } = record;
  const end = past.asOfNs === undefined
    ? record.inOrderCount
    : await samplesUntil(store, record, past.asOfNs);
  // What people said was about alarms of the state that knew all channels.
  if (past.without.length > 0) return { snapshot: null, end, feedback: [] };
  const modelHash = await port.call<string>("modelHash", { streamId, settings });
  const newest = await store.latestSnapshot(streamId, modelHash);
  const snapshot = newest !== null && newest.appliedOffset <= end ? newest : null;
  // What was said after the newest sample comes before the next, which may be a supposed one.
  const isGoingOn = past.asOfNs === undefined && past.suppose !== undefined;
  const last = isGoingOn ? end : end - 1;
  const feedback = await readFeedback(store, record);
  return { snapshot, end, feedback: feedback.filter(({ offset }) => offset <= last) };
}

/** Opens the replay's state at a snapshot that knows nothing newer; returns how far it is. */
async function begin(
  replay: PastReplay,
  settings: StreamSettings,
  snapshot: Snapshot | null,
  feedbackMax: number,
): Promise<{ at: number; feedbackCount: number }> {
  const streamId = replay.record.id;
  const open = (from: Snapshot | null) =>
    sendPart(replay, { start: { streamId, settings, snapshot: from } });
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
async function replayPast(replay: PastReplay): Promise<void> {
  const { record, past: { without, suppose } } = replay;
  const { snapshot, end, feedback } = await stretchOf(replay);
  if (suppose !== undefined) {
    const last = end === 0 ? null : await replay.store.readInOrder(record.id, end - 1, 1);
    checkSupposed(suppose, last);
  }
  const settings = settingsWithout(record.settings, without);
  const { at, feedbackCount } = await begin(replay, settings, snapshot, feedback.length);
  checkLength(record, end - at, "asOf");
  const left = feedback.slice(feedbackCount);
  await replayLog(replay, { at, end, settings, without, feedback: left });
  if (suppose === undefined) return;
  await sendPart(replay, { feedback: left.filter(({ offset }) => offset === end) });
  await goOn(replay, settings, suppose);
}

/** @throws {LimitError} REWIND_VALUES_MAX */
function checkLength({ channels }: StreamRecord, samples: number, field: string): void {
  const values = samples * Math.max(1, channels.length);
  if (values <= REWIND_VALUES_MAX) return;
  throw new LimitError("REWIND_VALUES_MAX", REWIND_VALUES_MAX, values, field);
}

/** Goes on with samples that the log does not hold. */
async function goOn(replay: Replay, settings: StreamSettings, suppose: Segment): Promise<void> {
  const { length } = suppose.timestampsNs;
  const step = batchSamplesMax(suppose.channels.length);
  for (let at = 0; at < length; at += step) {
    // The message takes the samples along, and the question stays whole.
    const part = copyRange(suppose, at, Math.min(at + step, length));
    await sendPart(replay, { segment: withoutMissing(part, settings.channels) });
  }
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
    const store = this.#store;
    return await this.#during(port, async (key) => {
      const replay = { store, port, key, record, past, signal };
      await replayPast(replay);
      return (await sendPart(replay, { request })).forecast!;
    });
  }

  /**
   * Whether a state was what the log makes it: replayed from the first sample on.
   *
   * @throws {LimitError} REWIND_VALUES_MAX
   * @throws {OverloadError} REWINDS_MAX are being answered, or nobody waits any more
   */
  async prove(
    port: ShardPort,
    record: StreamRecord,
    claim: Claim,
    signal: AbortSignal,
  ): Promise<ProvenState> {
    checkLength(record, claim.appliedOffset, "appliedOffset");
    const store = this.#store;
    return await this.#during(port, async (key) => {
      const [state] = await proveClaims(store, { store, port, key, record, signal }, [claim]);
      return state!;
    });
  }

  /** One of few questions at a time; `work` is given the number of its replay. */
  async #during<T>(port: ShardPort, work: (key: number) => Promise<T>): Promise<T> {
    if (this.#open >= this.#most) {
      throw new OverloadError(`${this.#open} questions about the past are being answered`, 5);
    }
    this.#open++;
    const key = this.#count++;
    try {
      return await work(key);
    } finally {
      this.#open--;
      // Where the shard is gone the replay is, too.
      await port.call("endRewind", { key }).catch(() => {});
    }
  }
}
