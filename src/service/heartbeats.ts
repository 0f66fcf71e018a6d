import type { Clock } from "../base/clock.ts";
import { NotFoundError } from "../base/errors.ts";
import { DEFAULT_FLAG_OPTIONS } from "../detectors/detector.ts";
import {
  type AlarmEnd,
  type AlarmEvent,
  type AppendResult,
  type LedgerEntry,
  PAGE_MAX,
  type Store,
  type StreamRecord,
} from "../stores/store.ts";
import {
  hearArrival,
  initialHeartbeat,
  isWorthKeeping,
  silenceOf,
  silenceSurprise,
  type StreamHeartbeat,
  takeHeartbeatFeedback,
  wasMissed,
} from "./heartbeat.ts";
import type { Log } from "./telemetry.ts";

/** Milliseconds between two looks at all streams. */
export const HEARTBEAT_LOOK_MS = 10_000;
/** Streams whose heartbeats are watched; those that come later are not. */
export const HEARTBEAT_STREAMS_MAX = 100_000;
/** Name of the ledger that keeps what is known of each stream. */
export const HEARTBEAT_LEDGER = "heartbeats";
/** The alarms of a clock are none of the stream's state, which counts its own. */
const NO_NUMBER = -1;

/** What the watch stands on. */
export interface HeartbeatsParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears of alarms that opened, once they are durable. */
  readonly onAlarm: (alarm: AlarmEvent) => void;
}

function secondsOf(timeNs: bigint): number {
  return Number(timeNs) / 1e9;
}

/**
 * Flags streams whose samples used to come and stay away, by the live clock (see heartbeat.ts for
 * when). Such an alarm is stored beside those of the stream's state, whose last proof it carries,
 * and is fed to the alert rules; it ends when a sample comes, or when a person calls it fine.
 *
 * What is known of a stream is kept in a ledger: a flag is told once, also over a restart.
 */
export class Heartbeats {
  readonly #parts: HeartbeatsParts;
  readonly #streams = new Map<string, StreamHeartbeat>();
  /** Streams whose entry of the ledger is behind. */
  readonly #unsaved = new Set<string>();
  #startedS = 0;
  #unwatched = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;

  constructor(parts: HeartbeatsParts) {
    this.#parts = parts;
    this.#startedS = this.#nowS();
  }

  #nowS(): number {
    return secondsOf(this.#parts.clock.nowNs());
  }

  /** Reads what was kept, and begins to look; called before samples come. */
  async start(): Promise<void> {
    const { store, log } = this.#parts;
    this.#startedS = this.#nowS();
    for (let after = "";;) {
      const page = await store.readLedger(HEARTBEAT_LEDGER, { after, limit: PAGE_MAX });
      for (const { key, value } of page) {
        this.#streams.set(key, { ...initialHeartbeat(), ...structuredClone(value) as object });
      }
      if (page.length < PAGE_MAX) break;
      after = page.at(-1)!.key;
    }
    await this.#readLastSamples();
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.look().catch((error) =>
        log.warning("Heartbeats wait: {error}", { error: String(error) })
      );
    }, HEARTBEAT_LOOK_MS);
  }

  /** What came after the last writing of the ledger is known from the streams themselves. */
  async #readLastSamples(): Promise<void> {
    for (let after = "";;) {
      const page = await this.#parts.store.listStreams({ after, limit: PAGE_MAX });
      for (const { id, lastNs } of page) {
        const stream = this.#streams.get(id);
        if (stream === undefined || lastNs === null) continue;
        const lastS = secondsOf(lastNs);
        if (lastS > stream.lastS) stream.heard = true;
        stream.lastS = Math.max(lastS, stream.lastS);
      }
      if (page.length < PAGE_MAX) return;
      after = page.at(-1)!.id;
    }
  }

  /** Takes in what a request brought. */
  hear(results: readonly AppendResult[]): void {
    const nowS = this.#nowS();
    for (const { streamId, inOrder, replayed } of results) {
      if (inOrder === null || replayed) continue;
      let stream = this.#streams.get(streamId);
      if (stream === undefined) {
        if (this.#streams.size >= HEARTBEAT_STREAMS_MAX) {
          this.#unwatched++;
          continue;
        }
        stream = initialHeartbeat();
        this.#streams.set(streamId, stream);
      }
      const newestS = secondsOf(inOrder.timestampsNs.at(-1)!);
      hearArrival(stream, { nowS, newestS, startedS: this.#startedS });
      if (isWorthKeeping(stream)) this.#unsaved.add(streamId);
    }
  }

  /** Looks at all streams: opens alarms, ends them, and keeps what is known. */
  look(): Promise<void> {
    return this.#exclusive(async () => {
      this.#isLooking = true;
      try {
        const nowS = this.#nowS();
        for (const [id, stream] of this.#streams) {
          if (stream.alarm !== null) await this.#followAlarm(id, stream);
          else if (this.#isSuspect(stream, nowS)) await this.#openAlarm(id, stream);
        }
        await this.#save();
      } finally {
        this.#isLooking = false;
      }
    });
  }

  /** One at a time: looks, and what people say. */
  #exclusive(work: () => Promise<void>): Promise<void> {
    const result = this.#looking.then(work);
    this.#looking = result.catch(() => {});
    return result;
  }

  /**
   * Takes in what a person says of a stream's last alarm; durable when this is done.
   *
   * @throws {NotFoundError} the stream had none
   */
  giveFeedback(id: string, isFine: boolean): Promise<void> {
    return this.#exclusive(async () => {
      const stream = this.#streams.get(id);
      if (stream === undefined || !wasMissed(stream)) throw new NotFoundError("alarm", "heartbeat");
      takeHeartbeatFeedback(stream, { isFine, nowS: this.#nowS(), startedS: this.#startedS });
      await this.#write([id]);
      if (stream.alarm === null) return;
      await this.#followAlarm(id, stream);
      await this.#write([id]);
    });
  }

  /** A cheap look at one stream: whether it is silent enough for the highest rate of alarms. */
  #isSuspect(stream: StreamHeartbeat, nowS: number): boolean {
    return silenceSurprise(stream, silenceOf(stream, { nowS, startedS: this.#startedS })) > 0;
  }

  async #openAlarm(id: string, stream: StreamHeartbeat): Promise<void> {
    const { store, clock } = this.#parts;
    const record = await store.getStream(id);
    if (record === null) return this.forget(id);
    const { falseAlarmRate, coolDownS, repeats } = {
      ...DEFAULT_FLAG_OPTIONS,
      ...record.settings.flags,
    };
    const openedNs = clock.nowNs();
    const nowS = secondsOf(openedNs);
    const silenceS = silenceOf(stream, { nowS, startedS: this.#startedS });
    const surprise = silenceSurprise(stream, silenceS);
    const isCool = !(nowS - stream.lastOpenedS < coolDownS);
    if (!record.settings.detect || !isCool || surprise < -Math.log10(falseAlarmRate)) return;
    // A rule must be able to prove where it stands, so there is no alarm before the first state.
    if (await store.latestSnapshot(id) === null) return;
    stream.heard = false;
    stream.lastOpenedS = nowS;
    stream.alarmSilenceS = silenceS;
    const isLearned = repeats === "learn";
    stream.alarm = { openedNs, surprise, isLearned, isStored: false, isFine: false };
    // Kept before it is told: after a crash in between the same alarm is told, under the same key.
    await this.#write([id]);
    await this.#followAlarm(id, stream, record);
  }

  /** Stores an alarm that opened, and ends one whose stream has been heard. */
  async #followAlarm(
    id: string,
    stream: StreamHeartbeat,
    known: StreamRecord | null = null,
  ): Promise<void> {
    const { store, clock, onAlarm } = this.#parts;
    const alarm = stream.alarm!;
    const isOver = stream.heard || alarm.isFine;
    if (alarm.isStored && !isOver) return;
    const record = known ?? await store.getStream(id);
    if (record === null) return this.forget(id);
    const snapshot = await store.latestSnapshot(id);
    if (snapshot === null) return;
    const { openedNs, surprise } = alarm;
    const p = Math.min(1, 10 ** -surprise);
    const of = { streamId: id, score: 0, p, reason: "heartbeat", channels: [] };
    const commit = { streamCreatedNs: record.createdNs, snapshot, forecast: null };
    if (!alarm.isStored) {
      const { appliedOffset, modelHash, stateHash } = snapshot;
      const event: AlarmEvent = {
        ...of,
        timestampNs: openedNs,
        kind: "anomaly",
        flag: surprise,
        ...{ value: [], expected: [], scale: [] },
        ...{ appliedOffset, modelHash, stateHash },
      };
      await store.commit([{ ...commit, events: [event] }]);
      alarm.isStored = true;
      this.#unsaved.add(id);
      onAlarm(event);
    }
    if (!isOver) return;
    const times = { openedNs, peakNs: openedNs, endedNs: clock.nowNs() };
    const end: AlarmEnd = { ...of, ...times, number: NO_NUMBER };
    await store.commit([{ ...commit, events: [], ends: [end] }]);
    stream.alarm = null;
    this.#unsaved.add(id);
  }

  async #save(): Promise<void> {
    for (let ids = [...this.#unsaved]; ids.length > 0; ids = ids.slice(PAGE_MAX)) {
      await this.#write(ids.slice(0, PAGE_MAX));
    }
  }

  async #write(ids: readonly string[]): Promise<void> {
    const puts: LedgerEntry[] = [];
    for (const id of ids) {
      this.#unsaved.delete(id);
      const stream = this.#streams.get(id);
      if (stream === undefined) continue;
      stream.savedCount = stream.count;
      stream.savedLongestS = stream.longestS;
      puts.push({ ledger: HEARTBEAT_LEDGER, key: id, value: structuredClone(stream) });
    }
    if (puts.length > 0) await this.#parts.store.writeLedger({ puts, removes: [] });
  }

  /** A stream is no more. */
  async forget(id: string): Promise<void> {
    this.#unsaved.delete(id);
    if (!this.#streams.delete(id)) return;
    const removes = [{ ledger: HEARTBEAT_LEDGER, key: id }];
    await this.#parts.store.writeLedger({ puts: [], removes });
  }

  /** Counters for `/metrics`. */
  stats(): Readonly<Record<string, number>> {
    let silent = 0;
    for (const { alarm } of this.#streams.values()) if (alarm !== null) silent++;
    return { watched: this.#streams.size, silent, unwatched: this.#unwatched };
  }

  /** Looks no more. */
  beginShutdown(): void {
    clearInterval(this.#timer);
  }

  /** Keeps what is known. */
  async close(): Promise<void> {
    this.beginShutdown();
    await this.#looking;
    for (const [id, { count, savedCount }] of this.#streams) {
      if (count !== savedCount) this.#unsaved.add(id);
    }
    await this.#save().catch(() => {});
  }
}
