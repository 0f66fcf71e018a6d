import type { Segment } from "../signal/segment.ts";
import type { StreamRecord, StreamSettings } from "../stores/store.ts";
import type { Applied, Coverage } from "./engine.ts";
import type { PlacedFeedback } from "./feedback_log.ts";
import { Pace } from "./pace.ts";
import type { ShardPort } from "./shard_port.ts";
import type { Uncommitted } from "./snapshots.ts";

/** A submission that waits to be absorbed. */
export interface Pending {
  readonly segment: Segment;
  /** In-order offset of its first sample. */
  readonly start: number;
  readonly settled: PromiseWithResolvers<Applied>;
}

/**
 * What the engine's thread knows of one stream: how far its log and its state are, and what waits
 * between them. All work on a stream goes through `exclusive`, one piece after the other.
 */
export class Track {
  readonly id: string;
  readonly createdNs: bigint;
  readonly settings: StreamSettings;
  readonly port: ShardPort;
  /** When its samples come. */
  readonly pace: Pace;
  /** Channels of the stream, as far as is known here. */
  channelCount: number;
  /** Whether the shard holds the state. */
  isLoaded = false;
  /** In-order samples absorbed by the state that the shard holds. */
  applied = 0;
  /** In-order samples that the log is known to hold. */
  target = 0;
  /** Samples below this offset are replayed without telling anyone. */
  silentBelow = 0;
  /** By `start`. */
  pending: Pending[] = [];
  uncommitted: Uncommitted | null = null;
  /** Feedback that the state has not taken yet, by its place in the log. */
  feedback: readonly PlacedFeedback[] = [];
  /**
   * From when on a commit may be tried again, in monotonic milliseconds, where the disk was too
   * full for the last one. Until then the state in memory answers and is not committed, since
   * alarms that it has raised are not stored; then it begins again at the last commit, and raises
   * them anew.
   */
  retryMs: number | null = null;
  /** Memory that the state takes in its shard, by estimate. */
  stateBytes = 0;
  /** As of the last commit. */
  coverage: Coverage = [];
  /** Why the state no longer advances; null while it does. */
  failed: string | null = null;
  #waiting = 0;
  #tail: Promise<unknown>;

  /**
   * @param after  what has to be over first: an older track of the same name leaving the shard
   * @param pace   what is known of when its samples come
   */
  constructor(
    record: StreamRecord,
    port: ShardPort,
    after: Promise<unknown>,
    pace: Pace = new Pace(record),
  ) {
    this.#tail = after;
    this.id = record.id;
    this.channelCount = record.channels.length;
    this.createdNs = record.createdNs;
    this.settings = record.settings;
    this.port = port;
    this.pace = pace;
  }

  /** Pieces of work that run or wait. */
  get workCount(): number {
    return this.#waiting;
  }

  /** Runs `work` when everything asked for before it is done. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const result = this.#tail.then(work).finally(() => this.#waiting--);
    // The next piece runs whether this one succeeds or not; its own caller hears of a failure.
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Puts a submission in its place; they nearly always come in order. */
  enqueue(pending: Pending): void {
    const { start, segment } = pending;
    this.target = Math.max(this.target, start + segment.timestampsNs.length);
    let at = this.pending.length;
    while (at > 0 && this.pending[at - 1]!.start > start) at--;
    this.pending.splice(at, 0, pending);
  }

  /** Counts absorbed samples towards the next commit. */
  markAbsorbed(samples: number, nowMs: number): void {
    const { uncommitted } = this;
    this.uncommitted = {
      samples: (uncommitted?.samples ?? 0) + samples,
      firstMs: uncommitted?.firstMs ?? nowMs,
      lastMs: nowMs,
    };
  }
}
