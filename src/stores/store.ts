import { InvalidValueError, LimitError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import { CHANNEL_COUNT_MAX, type Segment } from "../signal/segment.ts";
import { type ChannelRange, validateRange } from "./channel_range.ts";

/**
 * The contract of every store: what survives a restart. A stream's log of samples, snapshots of
 * its state, the forecasts issued from them and the alarms.
 *
 * A promise that resolves is a promise kept: what it reports is durable (fsynced, where the store
 * has a disk). Every `append` and every `commit` is all or nothing. Offsets: `logOffset` counts
 * the samples stored for a stream, late ones too; `inOrderCount` counts those that advance its
 * state. The in-order log is append-only: its n-th sample never changes.
 */

/** How a stream is modelled; all of it is part of the stream's model hash except the labels. */
export interface StreamSettings {
  /** Name of the model in `src/models/mod.ts`. */
  readonly model: string;
  /** Leads for which errors are learned, in sampling periods. */
  readonly horizon: number;
  /** Whether a detector runs beside the model. */
  readonly detect: boolean;
  /** Declared bounds of the values, and what stands for missing ones, by channel. */
  readonly channels: Readonly<Record<string, ChannelRange>>;
  /** Declared season lengths in seconds; empty = found. */
  readonly seasonsS: readonly number[];
  /** How alarms are told, where it is not as by default. */
  readonly flags?: FlagSettings;
  /** Channels that tell of the others, whose futures may be known; absent = none. */
  readonly covariates?: readonly string[];
  /** Free text for people; no part of the state. */
  readonly labels: Readonly<Record<string, string>>;
}

/** How the alarms of a stream are told; what is absent is as by default. */
export interface FlagSettings {
  /** False alarms a sample of a clean stream, in (0, 0.1]; default 1e-4. */
  readonly falseAlarmRate?: number;
  /** "learn": what comes again is told less (default); "tell": it is told each time. */
  readonly repeats?: "learn" | "tell";
  /** Least distance from the usual level in robust standard deviations; default 0. */
  readonly effectMin?: number;
  /** Seconds after an alarm in which no other one opens; default 0. */
  readonly coolDownS?: number;
}

/** Channels that a stream may declare as covariates: the first adds 25 kB to others' states. */
export const STREAM_COVARIATES_MAX = 4;

/** Smallest rate of false alarms that a stream may ask for. */
export const FALSE_ALARM_RATE_MIN = 1e-12;
/** Largest rate of false alarms that a stream may ask for. */
export const FALSE_ALARM_RATE_MAX = 0.1;
/** Largest least effect that a stream may ask for, in standard deviations. */
export const EFFECT_MAX = 1e6;
/** Longest cool-down that a stream may ask for, in seconds. */
export const COOL_DOWN_S_MAX = 1e9;

/** A stream with in-order samples that its newest snapshot has not absorbed, and how many. */
export interface BehindStream {
  readonly id: string;
  readonly samples: number;
}

/** What a stream has that was never configured. */
export const DEFAULT_SETTINGS: StreamSettings = {
  model: "committee",
  horizon: 48,
  detect: true,
  channels: {},
  seasonsS: [],
  labels: {},
};

/** One stream as the store knows it. */
export interface StreamRecord {
  readonly id: string;
  readonly createdNs: bigint;
  readonly settings: StreamSettings;
  /** In the order of their first appearance; only ever grows. */
  readonly channels: readonly string[];
  /** Samples stored, late ones included. */
  readonly logOffset: number;
  /** Samples that advance the state. */
  readonly inOrderCount: number;
  /** Earliest timestamp stored, late ones included; null while empty. */
  readonly firstNs: bigint | null;
  /** Latest timestamp stored; null while empty. */
  readonly lastNs: bigint | null;
}

/** A value refused since another one is stored under the same timestamp and channel. */
export interface Conflict {
  readonly timestampNs: bigint;
  readonly channel: string;
  readonly stored: number;
  readonly given: number;
}

/** Conflicts named in one answer; all of them are counted. */
export const CONFLICTS_NAMED_MAX = 10;

/**
 * The outcome of one segment. Every row given is counted once:
 * `accepted + duplicates + late + rejected` = rows of the segment.
 */
export interface AppendResult {
  readonly streamId: string;
  /** The stream did not exist before this request. */
  readonly created: boolean;
  /** Rows newer than all stored: they advance the state. */
  readonly accepted: number;
  /** Rows that say nothing new (same timestamp, same bits for every value given). */
  readonly duplicates: number;
  /** Rows stored behind the newest sample: visible, but without effect on the state. */
  readonly late: number;
  /** Rows refused whole, since one of their values contradicts a stored one. */
  readonly rejected: number;
  /** The first {@linkcode CONFLICTS_NAMED_MAX} reasons of `rejected`. */
  readonly conflicts: readonly Conflict[];
  readonly logOffset: number;
  /** The newly accepted samples, time strictly increasing; null where there is none. */
  readonly inOrder: Segment | null;
  /** In-order offset of the first sample of `inOrder`. */
  readonly inOrderStart: number;
  /** The stream after this append. */
  readonly record: StreamRecord;
  /** True when an Idempotency-Key was known and this is the first answer again. */
  readonly replayed: boolean;
}

/** How a retry is told from a new request. */
export interface AppendOptions {
  /** A retry under the same key gets the first answer again (see {@linkcode IDEMPOTENCY_TTL_S}). */
  readonly idempotencyKey?: string;
  /** Hash of the request; a known key with another hash is a `ConflictError`. */
  readonly requestHash?: string;
}

/** A stream's state at one offset, with its proof. */
export interface Snapshot {
  readonly streamId: string;
  /** In-order samples absorbed. */
  readonly appliedOffset: number;
  readonly modelHash: string;
  /** SHA-256 of `bytes`. */
  readonly stateHash: string;
  readonly bytes: Uint8Array;
}

/** An alarm that opened. Its key is stream, timestamp and channel set. */
export interface AlarmEvent {
  readonly streamId: string;
  readonly timestampNs: bigint;
  readonly kind: "anomaly";
  readonly score: number;
  /** −log10 p when the alarm opened. */
  readonly flag: number;
  /** Chance a sample that a clean stream opens such an alarm; absent in what an older form told. */
  readonly p?: number;
  /** What spoke loudest; absent in what an older form told. */
  readonly reason?: string;
  /** Counts the alarms of the stream's state from 0; absent in what an older form told. */
  readonly number?: number;
  /** The channels that spoke, loudest first; none where all did. */
  readonly channels: readonly string[];
  /** What was measured, by entry of `channels`; null is missing. */
  readonly value: readonly (number | null)[];
  /** What was predicted before, by entry of `channels`; null is unknown. */
  readonly expected: readonly (number | null)[];
  /** Standard deviation of the prediction, by entry; absent in what an older form told. */
  readonly scale?: readonly (number | null)[];
  /** Frequencies of the band that changed, in Hz; of spectra only. */
  readonly bandHz?: readonly [number, number];
  /** The state that was committed together with this event. */
  readonly appliedOffset: number;
  readonly modelHash: string;
  readonly stateHash: string;
}

/** An alarm that is over, or whose reason turned out to be another one. */
export interface AlarmEnd {
  readonly streamId: string;
  /** The number that the alarm had when it opened. */
  readonly number: number;
  /** To the microsecond, as is `peakNs`. */
  readonly openedNs: bigint;
  readonly peakNs: bigint;
  /** Time of the sample at which this was known. */
  readonly endedNs: bigint;
  /** Highest score of its samples. */
  readonly score: number;
  /** Smallest chance a sample of a clean stream to see such an event. */
  readonly p: number;
  /** What spoke loudest. */
  readonly reason: string;
  /** Names of the channels that spoke, loudest first. */
  readonly channels: readonly string[];
  /** As that of the alarm. */
  readonly bandHz?: readonly [number, number];
  /** True of one that goes on; absent of one that is over. */
  readonly isOpen?: boolean;
}

/**
 * One entry of the feed: an alarm that opened or ended, in the order of the commits. An alarm that
 * is committed again under its key is not fed again.
 */
export type FeedEntry =
  & { readonly sequence: number }
  & ({ readonly opened: AlarmEvent } | { readonly ended: AlarmEnd });

/** A small record that a service keeps beside the streams: a rule, an alert, a delivery. */
export interface LedgerEntry {
  /** Name of the ledger that it belongs to. */
  readonly ledger: string;
  readonly key: string;
  readonly value: Tree;
}

/** What changes in the ledgers at once. */
export interface LedgerChange {
  /** Entries with a known key are replaced. */
  readonly puts: readonly LedgerEntry[];
  readonly removes: readonly { readonly ledger: string; readonly key: string }[];
  /** Entries of the feed up to this sequence are done with, and forgotten. */
  readonly feedSettled?: number;
}

/** A forecast as it was issued, kept for looking back. */
export interface IssuedForecast {
  readonly streamId: string;
  /** Time of the last sample that the forecast has seen. */
  readonly originNs: bigint;
  /** Future times.                                                                     [time] */
  readonly timesNs: BigInt64Array;
  /** In (0, 1), increasing.                                                         [quantile] */
  readonly quantiles: Float64Array;
  /** Row-major values, by channel.                                          [time, quantile] */
  readonly values: Readonly<Record<string, Float64Array>>;
  readonly appliedOffset: number;
  readonly modelHash: string;
  readonly stateHash: string;
}

/** What one stream commits in one transaction. */
export interface Commit {
  /** `createdNs` of the stream that the state belongs to; a stream made anew ignores the commit. */
  readonly streamCreatedNs: bigint;
  readonly snapshot: Snapshot;
  readonly events: readonly AlarmEvent[];
  /** Alarms that ended or were revised, whose events take on their reason; absent = none. */
  readonly ends?: readonly AlarmEnd[];
  readonly forecast: IssuedForecast | null;
}

/** Counters of a store, for `/metrics`. */
export interface StoreStats {
  readonly streams: number;
  /** Samples stored in all streams since the store was made. */
  readonly samples: number;
  /** Transactions since opening. */
  readonly transactions: number;
  /** Append requests since opening; ÷ transactions = how well commits are grouped. */
  readonly appends: number;
  /** Bytes on disk; 0 for a store in memory. */
  readonly bytes: number;
  /** Bytes of append requests that wait for their transaction. */
  readonly queuedBytes: number;
}

/** Snapshots kept a stream. */
export const SNAPSHOTS_KEPT = 4;
/** Issued forecasts kept a stream. */
export const FORECASTS_KEPT = 64;
/** Entries of the feed that wait to be settled; beyond, the oldest are forgotten. */
export const FEED_MAX = 100_000;
/** Age after which an Idempotency-Key is forgotten, in seconds. */
export const IDEMPOTENCY_TTL_S = 86_400;
/** Idempotency-Keys kept; the oldest go first. */
export const IDEMPOTENCY_KEYS_MAX = 100_000;
/** Length of an Idempotency-Key, in UTF-16 units. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;
/** Bytes of append requests that may wait for their transaction; beyond, `OverloadError`. */
export const APPEND_QUEUE_BYTES_MAX = 256 * 1024 * 1024;
/** Entries of one page of a listing. */
export const PAGE_MAX = 1_000;
/** Samples of one read. */
export const READ_SAMPLES_MAX = 1_000_000;
/** Labels of one stream. */
export const LABELS_MAX = 64;
/** Length of a label's name and of its text, in UTF-16 units. */
export const LABEL_LENGTH_MAX = 200;
/** Leads that a stream may learn. */
export const HORIZON_MAX = 4_096;
/** Declared seasons of one stream. */
export const SEASONS_MAX = 8;

/** Stored bytes are not what was written; nothing of them is used, nothing is repaired silently. */
export class CorruptChunkError extends Error {
  override readonly name = "CorruptChunkError";
  /** Stream, kind and offset of the row. */
  readonly place: string;

  constructor(place: string, reason: string) {
    super(`The stored chunk ${place} is damaged: ${reason}`);
    this.place = place;
  }
}

/** A store of streams; see the head of this file for what it promises. */
export interface Store {
  /**
   * Creates the stream or changes the named settings of it. A state of other settings is another
   * one: it is rebuilt from the log.
   *
   * @throws {InvalidValueError} a setting out of range
   */
  putStream(
    id: string,
    settings: Partial<StreamSettings>,
  ): Promise<{ readonly record: StreamRecord; readonly created: boolean }>;

  getStream(id: string): Promise<StreamRecord | null>;

  /** Streams in the order of their ids (by code point), after `after`; at most PAGE_MAX. */
  listStreams(options: { after?: string; limit: number }): Promise<StreamRecord[]>;

  /** Streams behind their logs in the order of their ids, after `after`; at most PAGE_MAX. */
  listBehind(options: { after?: string; limit: number }): Promise<BehindStream[]>;

  /** Removes the stream and all that belongs to it; false when there was none. */
  deleteStream(id: string): Promise<boolean>;

  /**
   * Classifies and stores all segments in one transaction, all or nothing; makes missing streams.
   * Order inside a segment does not matter: rows are sorted by time first.
   *
   * @returns one result a segment, in the order given
   * @throws {OverloadError} APPEND_QUEUE_BYTES_MAX is reached; nothing was stored
   * @throws {ConflictError} the key is known with another request hash
   * @throws {LimitError} a stream would get more than CHANNEL_COUNT_MAX channels
   */
  append(segments: readonly Segment[], options?: AppendOptions): Promise<AppendResult[]>;

  /** In-order samples from an offset on, at most `limit`; null at the end of the log. */
  readInOrder(id: string, fromOffset: number, limit: number): Promise<Segment | null>;

  /** All samples with fromNs <= t <= toNs, late ones merged in, at most `limit`, oldest first. */
  readObservations(id: string, fromNs: bigint, toNs: bigint, limit: number): Promise<Segment>;

  /** The last `count` in-order samples of each stream; null for an unknown or empty one. */
  readTails(ids: readonly string[], count: number): Promise<(Segment | null)[]>;

  /**
   * The newest snapshot of this model whose bytes still have their hash; null where there is none.
   * A damaged one is passed over, since the log can rebuild it.
   */
  latestSnapshot(id: string, modelHash?: string): Promise<Snapshot | null>;

  /**
   * Stores all of it in one transaction. Events and snapshots with a known key are replaced. A
   * stream that was deleted meanwhile is passed over.
   */
  commit(commits: readonly Commit[]): Promise<void>;

  /** Alarms with fromNs <= t <= toNs, oldest first. */
  readEvents(id: string, fromNs: bigint, toNs: bigint, limit: number): Promise<AlarmEvent[]>;

  /** Number of alarms since `fromNs`, by stream. */
  countEvents(ids: readonly string[], fromNs: bigint): Promise<number[]>;

  /** Entries of the feed after a sequence that nobody has settled, oldest first. */
  readFeed(after: number, limit: number): Promise<FeedEntry[]>;

  /** Entries of a ledger in the order of their keys (by code point), after `after`. */
  readLedger(ledger: string, options: { after?: string; limit: number }): Promise<LedgerEntry[]>;

  /** Changes ledgers and settles the feed in one transaction. */
  writeLedger(change: LedgerChange): Promise<void>;

  /** Issued forecasts, newest first. */
  readForecasts(id: string, limit: number): Promise<IssuedForecast[]>;

  stats(): Promise<StoreStats>;

  /** Waits for what is queued, then lets go of the files. */
  close(): Promise<void>;
}

/**
 * Lays the named settings over the present ones.
 *
 * @throws {InvalidValueError} a setting out of range; `field` names it
 */
export function mergeSettings(
  present: StreamSettings,
  change: Partial<StreamSettings>,
): StreamSettings {
  const merged: StreamSettings = {
    model: change.model ?? present.model,
    horizon: change.horizon ?? present.horizon,
    detect: change.detect ?? present.detect,
    channels: change.channels ?? present.channels,
    seasonsS: change.seasonsS ?? present.seasonsS,
    ...flagsOf(change.flags ?? present.flags),
    ...covariatesOf(change.covariates ?? present.covariates),
    labels: change.labels ?? present.labels,
  };
  validateSettings(merged);
  return merged;
}

/** Settings that name no option are no settings: the stream is as it was without them. */
function flagsOf(flags: FlagSettings | undefined): { flags?: FlagSettings } {
  if (flags === undefined || Object.keys(flags).length === 0) return {};
  validateFlags(flags);
  return { flags };
}

function covariatesOf(names: readonly string[] | undefined): { covariates?: readonly string[] } {
  if (names === undefined || names.length === 0) return {};
  if (names.length > STREAM_COVARIATES_MAX) {
    const [name, most] = ["STREAM_COVARIATES_MAX", STREAM_COVARIATES_MAX];
    throw new LimitError(name, most, names.length, "covariates");
  }
  for (const [i, name] of names.entries()) {
    if (name.length > 0 && names.indexOf(name) === i) continue;
    throw new InvalidValueError(`covariates[${i}]`, name, "a channel's name, each of them once");
  }
  return { covariates: names };
}

function validateFlags({ falseAlarmRate, repeats, effectMin, coolDownS }: FlagSettings): void {
  const check = (name: string, value: number | undefined, range: readonly [number, number]) => {
    const [least, most] = range;
    if (value === undefined || (value >= least && value <= most)) return;
    throw new InvalidValueError(`flags.${name}`, value, `a number from ${least} to ${most}`);
  };
  check("falseAlarmRate", falseAlarmRate, [FALSE_ALARM_RATE_MIN, FALSE_ALARM_RATE_MAX]);
  check("effectMin", effectMin, [0, EFFECT_MAX]);
  check("coolDownS", coolDownS, [0, COOL_DOWN_S_MAX]);
  if (repeats !== undefined && repeats !== "learn" && repeats !== "tell") {
    throw new InvalidValueError("flags.repeats", repeats, '"learn" or "tell"');
  }
}

/**
 * Lengths of seasons in seconds.
 *
 * @throws {InvalidValueError} more than SEASONS_MAX, or one that is no length
 */
export function validateSeasons(seasonsS: readonly number[]): void {
  if (seasonsS.length > SEASONS_MAX) {
    throw new InvalidValueError("seasonsS", seasonsS.length, `at most ${SEASONS_MAX} seasons`);
  }
  for (const [index, seasonS] of seasonsS.entries()) {
    if (!(seasonS > 0 && Number.isFinite(seasonS))) {
      throw new InvalidValueError(`seasonsS[${index}]`, seasonS, "a positive number of seconds");
    }
  }
}

function validateSettings(settings: StreamSettings): void {
  const { horizon, seasonsS, labels, channels } = settings;
  if (!Number.isInteger(horizon) || horizon < 1 || horizon > HORIZON_MAX) {
    throw new InvalidValueError("horizon", horizon, `an integer from 1 to ${HORIZON_MAX}`);
  }
  validateSeasons(seasonsS);
  validateLabels(labels);
  const ranges = Object.entries(channels);
  if (ranges.length > CHANNEL_COUNT_MAX) {
    throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, ranges.length, "channels");
  }
  for (const [name, range] of ranges) validateRange(`channels.${name}`, range);
}

function validateLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX) {
    throw new InvalidValueError("labels", entries.length, `at most ${LABELS_MAX} labels`);
  }
  for (const [name, text] of entries) {
    if (name.length > LABEL_LENGTH_MAX || text.length > LABEL_LENGTH_MAX) {
      throw new InvalidValueError(`labels.${name}`, text, `at most ${LABEL_LENGTH_MAX} characters`);
    }
  }
}
