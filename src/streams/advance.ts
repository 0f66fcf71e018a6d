import type { Clock } from "../base/clock.ts";
import {
  NotFoundError,
  OverloadError,
  StateMismatchError,
  StorageFullError,
} from "../base/errors.ts";
import { sliceSegment } from "../signal/segment.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type { IssuedForecast, Snapshot, Store } from "../stores/store.ts";
import { CommitQueue } from "./commit_queue.ts";
import { type Applied, StreamFailedError } from "./engine.ts";
import type { Feedback, ToldAlarm } from "./feedback.ts";
import { appendFeedback, readFeedback } from "./feedback_log.ts";
import { AppliedPart, joined, type Piece, type Run } from "./pieces.ts";
import type { AbsorbAnswer, LoadAnswer, ShardCommit } from "./shard.ts";
import { COMMIT_RETRY_MS, REPLAY_SNAPSHOT_SAMPLES, samplesBeforeCommit } from "./snapshots.ts";
import type { ShardPort } from "./shard_port.ts";
import type { Pending, Track } from "./track.ts";
import { Turns } from "./turns.ts";

/**
 * Values of one message to a shard, missing ones included: how long one stream may keep the others
 * waiting. A sample with more channels is a message of its own.
 */
export const BATCH_VALUES_MAX = 512;

/**
 * Messages of samples that wait in one shard at a time. Whoever asks a shard for something, and
 * whoever closes it, waits behind these and not behind one of every stream.
 */
export const ABSORBS_IN_FLIGHT_MAX = 8;

/**
 * States that are opened for work at a time. A request may be about 10,000 streams whose states are
 * away: were all of them opened before the first is done, none could be put away meanwhile.
 */
export const OPENINGS_MAX = 64;

/**
 * Values after which a state that was opened no longer keeps others from being opened: there cannot
 * be many such streams, since ENGINE_QUEUE_VALUES_MAX bounds what waits.
 */
const OPENING_VALUES_MAX = 8 * BATCH_VALUES_MAX;

/** Samples that one message may hold of so many channels. */
export function batchSamplesMax(channelCount: number): number {
  return Math.max(1, Math.floor(BATCH_VALUES_MAX / Math.max(1, channelCount)));
}

/** Who is told of what became of samples and states. */
export interface AdvanceListener {
  applied(applied: Applied): void;
  issued(forecast: IssuedForecast): void;
}

/** Moves states forward along their logs: loads, replays, absorbs and commits. */
export class Advancer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #listener: AdvanceListener;
  readonly #commits: CommitQueue;
  readonly #turns = new Map<ShardPort, Turns>();
  readonly #openings = new Turns(OPENINGS_MAX);
  #absorbedSamples = 0;
  #loadedStates = 0;
  #isStopped = false;

  constructor(store: Store, clock: Clock, listener: AdvanceListener) {
    this.#store = store;
    this.#clock = clock;
    this.#listener = listener;
    this.#commits = new CommitQueue(store);
  }

  /** Samples absorbed so far, replays included. */
  get absorbedSamples(): number {
    return this.#absorbedSamples;
  }

  /** States opened so far, from a snapshot or anew. */
  get loadedStates(): number {
    return this.#loadedStates;
  }

  /** Ends what runs after its present batch and refuses more: the log keeps what is left. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Brings the state to `target` or as far as submissions wait; call it only inside
   * `track.exclusive`. What goes wrong rejects all that waits: the log still holds it.
   *
   * @throws {StreamFailedError} the model threw, now or before
   * @throws {OverloadError} the engine was stopped meanwhile
   */
  async advance(track: Track, target: number): Promise<void> {
    if (track.isLoaded || track.failed !== null) return await this.#advance(track, target);
    const long = Promise.withResolvers<void>();
    let done = Promise.resolve();
    await this.#openings.take(() => {
      done = this.#advance(track, target, long.resolve);
      return Promise.race([done, long.promise]);
    });
    await done;
  }

  async #advance(track: Track, target: number, onLong = () => {}): Promise<void> {
    let values = 0;
    try {
      if (track.failed !== null) throw new StreamFailedError(track.id, track.failed);
      if (this.#isStopped && !track.isLoaded) throw new OverloadError("The engine is closing", 5);
      if (track.retryMs !== null && this.#clock.monotonicMs() >= track.retryMs) {
        await this.#giveUp(track);
      }
      if (!track.isLoaded) await this.#load(track);
      await this.#takeFeedback(track);
      while (track.applied < target || track.pending.length > 0) {
        if (this.#isStopped) throw new OverloadError("The engine is closing", 5);
        const batch = await this.#nextBatch(track);
        if (batch.length > 0) {
          await this.#absorb(track, batch);
          for (const { segment } of batch) {
            values += segment.timestampsNs.length * segment.channels.length;
          }
          if (values >= OPENING_VALUES_MAX) onLong();
          await this.#takeFeedback(track);
        } else if (track.applied < target || track.pending.length > 0) {
          throw new Error(`The log of "${track.id}" ends at ${track.applied}`);
        }
      }
    } catch (error) {
      for (const { settled } of track.pending.splice(0)) settled.reject(error);
      throw error;
    }
  }

  async #load(track: Track): Promise<void> {
    const { id: streamId, createdNs, settings } = track;
    const modelHash = await track.port.call<string>("modelHash", { streamId, settings });
    const snapshot = await this.#store.latestSnapshot(streamId, modelHash);
    const load = (from: Snapshot | null) =>
      track.port.call<LoadAnswer>("load", {
        ...{ streamId, createdNs, settings },
        snapshot: from,
      });
    const { appliedOffset, stateBytes, feedbackCount } = await load(snapshot).catch((error) => {
      // A snapshot that cannot be read costs a longer replay, nothing else.
      if (
        snapshot !== null && (error instanceof StateMismatchError || error instanceof SyntaxError)
      ) {
        return load(null);
      }
      throw error;
    });
    track.applied = appliedOffset;
    track.stateBytes = stateBytes;
    track.feedback = (await readFeedback(this.#store, { id: streamId, createdNs }))
      .slice(feedbackCount);
    track.uncommitted = null;
    track.retryMs = null;
    track.silentBelow = track.pending[0]?.start ?? track.target;
    track.isLoaded = true;
    this.#loadedStates++;
  }

  /** What people said at this very place of the log comes before the next sample. */
  async #takeFeedback(track: Track): Promise<void> {
    for (;;) {
      const [next] = track.feedback;
      if (next === undefined || next.offset > track.applied) return;
      const argument = { streamId: track.id, feedback: next };
      await track.port.call("takeFeedback", argument);
      track.feedback = track.feedback.slice(1);
      track.markAbsorbed(0, this.#clock.monotonicMs());
    }
  }

  /** Samples of the next message: up to the next feedback, whose place is between two of them. */
  #room(track: Track): number {
    const untilFeedback = (track.feedback[0]?.offset ?? Infinity) - track.applied;
    return Math.min(batchSamplesMax(track.channelCount), untilFeedback);
  }

  /**
   * Takes in what a person says of an alarm, here and now: written to the store first, so that a
   * replay takes it in at the same place. Call it only inside `track.exclusive`, behind `advance`.
   *
   * @throws {NotFoundError} no such alarm is remembered
   * @throws {LimitError} FEEDBACK_MAX
   */
  async giveFeedback(track: Track, feedback: Feedback): Promise<void> {
    const { id: streamId, createdNs, applied: offset, port } = track;
    const { number } = feedback;
    const alarm = await port.call<ToldAlarm | null>("recallAlarm", { streamId, number });
    if (alarm === null) throw new NotFoundError("alarm", String(number));
    const stream = { id: streamId, createdNs };
    const count = (await readFeedback(this.#store, stream)).length;
    await appendFeedback(this.#store, stream, { ...feedback, count, offset });
    track.feedback = [...track.feedback, { ...feedback, createdNs, offset }];
    await this.#takeFeedback(track);
    await this.commit(track);
  }

  /** The next samples in order: submissions where they fit, else from the log up to the next. */
  async #nextBatch(track: Track): Promise<Piece[]> {
    this.#settleStale(track);
    const first = track.pending[0];
    if (first === undefined || first.start > track.applied) {
      return await this.#readLog(track, first?.start ?? track.target);
    }
    const batch: Piece[] = [];
    const isLive = true;
    let next = track.applied;
    let room = this.#room(track);
    while (room > 0 && track.pending[0]?.start === next) {
      const { segment } = track.pending[0];
      const length = segment.timestampsNs.length;
      // A submission is cut only where it is too long for any message.
      if (length > room && batch.length > 0) break;
      const pending = track.pending.shift()!;
      const taken = Math.min(room, length);
      if (taken < length) {
        const rest = sliceSegment(segment, taken, length);
        track.pending.unshift({ ...pending, segment: rest, start: next + taken });
        batch.push({
          segment: sliceSegment(segment, 0, taken),
          start: next,
          isLive,
          pending: null,
        });
      } else {
        batch.push({ segment, start: next, isLive, pending });
      }
      next += taken;
      room -= taken;
    }
    return batch;
  }

  async #readLog(track: Track, end: number): Promise<Piece[]> {
    const limit = Math.min(this.#room(track), end - track.applied);
    if (limit <= 0) return [];
    const start = track.applied;
    const segment = await this.#store.readInOrder(track.id, start, limit);
    if (segment === null) return [];
    const isLive = start >= track.silentBelow;
    return [{ segment, start, isLive, pending: null }];
  }

  /** Submissions that a read of the log has overtaken are done, wholly or in part. */
  #settleStale(track: Track): void {
    for (let first = track.pending[0]; first !== undefined; first = track.pending[0]) {
      const length = first.segment.timestampsNs.length;
      const done = track.applied - first.start;
      if (done <= 0) return;
      track.pending.shift();
      if (done >= length) {
        first.settled.resolve(unseen(first, track.applied));
      } else {
        const segment = sliceSegment(first.segment, done, length);
        track.pending.unshift({ ...first, segment, start: track.applied });
      }
    }
  }

  async #absorb(track: Track, batch: readonly Piece[]): Promise<void> {
    const { channels } = track.settings;
    const runs = joined(batch.map((piece) => {
      const segment = withoutMissing(piece.segment, channels);
      return segment === piece.segment ? piece : { ...piece, segment };
    }));
    try {
      const answer = await this.#turnsOf(track.port).take(() => this.#send(track, runs, batch));
      if (answer.failed !== null) {
        track.failed = answer.failed;
        track.isLoaded = false;
        throw new StreamFailedError(track.id, answer.failed);
      }
      const samples = answer.appliedOffset - track.applied;
      this.#absorbedSamples += samples;
      track.applied = answer.appliedOffset;
      track.stateBytes = answer.stateBytes;
      track.markAbsorbed(samples, this.#clock.monotonicMs());
      if (answer.commit !== null) await this.#put(track, answer.commit);
      this.#announce(runs, answer);
    } catch (error) {
      for (const { pending } of batch) pending?.settled.reject(error);
      throw error;
    }
  }

  #turnsOf(port: ShardPort): Turns {
    const turns = this.#turns.get(port) ?? new Turns(ABSORBS_IN_FLIGHT_MAX);
    this.#turns.set(port, turns);
    return turns;
  }

  async #send(
    track: Track,
    runs: readonly Run[],
    batch: readonly Piece[],
  ): Promise<AbsorbAnswer> {
    // It may have been stopped while this waited for its turn.
    if (this.#isStopped) throw new OverloadError("The engine is closing", 5);
    return await track.port.call<AbsorbAnswer>("absorb", {
      streamId: track.id,
      segments: runs.map(({ segment }) => segment),
      commitAfter: batch.some(({ isLive }) => isLive)
        ? samplesBeforeCommit(track.uncommitted, this.#clock.monotonicMs())
        : REPLAY_SNAPSHOT_SAMPLES,
    });
  }

  #announce(runs: readonly Run[], answer: AbsorbAnswer): void {
    for (const [index, { segment, pieces }] of runs.entries()) {
      const applied: Applied = { ...answer.applied[index]!, segment };
      if (pieces[0]!.isLive) this.#listener.applied(applied);
      for (const piece of pieces) {
        piece.pending?.settled.resolve(
          pieces.length === 1 ? applied : new AppliedPart(applied, piece),
        );
      }
    }
  }

  /**
   * Commits a changed state; call it only inside `track.exclusive`.
   *
   * @param isIssued  whether a forecast is issued with it, which is a third of the cost
   */
  async commit(track: Track, { isIssued } = { isIssued: true }): Promise<void> {
    if (!track.isLoaded || track.uncommitted === null || track.retryMs !== null) return;
    const argument = { streamId: track.id, isIssued };
    await this.#put(track, await track.port.call<ShardCommit>("commit", argument));
  }

  /** Forgets the state in memory: the next touch begins again at the last commit. */
  async #giveUp(track: Track): Promise<void> {
    track.isLoaded = false;
    await track.port.call("drop", { streamId: track.id });
  }

  async #put(track: Track, commit: ShardCommit): Promise<void> {
    if (track.retryMs !== null) return;
    try {
      await this.#commits.put(commit);
    } catch (error) {
      if (error instanceof StorageFullError) {
        track.retryMs = this.#clock.monotonicMs() + COMMIT_RETRY_MS;
        return;
      }
      // The state in memory is ahead of what could be stored, alarms included: begin again from
      // the last commit, so that the replay raises them once more.
      await this.#giveUp(track);
      throw error;
    }
    track.coverage = commit.coverage;
    track.uncommitted = null;
    if (commit.forecast !== null) this.#listener.issued(commit.forecast);
  }
}

/** What a submission is told whose samples were absorbed from the log before it came. */
function unseen({ segment, start }: Pending, appliedOffset: number): Applied {
  const length = segment.timestampsNs.length;
  const blank = () => segment.channels.map(() => new Float64Array(length).fill(NaN));
  return {
    segment,
    start,
    appliedOffset,
    expected: blank(),
    scale: blank(),
    score: new Float64Array(length),
    flag: new Float64Array(length),
    alarms: [],
    ended: [],
  };
}
