import type { Detector } from "../detectors/detector.ts";
import type { Model } from "../models/model.ts";
import type { Segment } from "../signal/segment.ts";
import {
  type AlarmEvent,
  type Commit,
  DEFAULT_SETTINGS,
  HORIZON_MAX,
  type IssuedForecast,
  mergeSettings,
  type Snapshot,
  type StreamSettings,
} from "../stores/store.ts";
import type { OpenedAlarm } from "./alarms.ts";
import type {
  Applied,
  ComponentsResult,
  Coverage,
  DetectResult,
  ForecastRequest,
  ForecastResult,
  StreamState,
  StreamSummary,
} from "./engine.ts";
import type { Feedback, ToldAlarm } from "./feedback.ts";
import { type Absorbed, StreamProcessor } from "./processor.ts";
import { regressedForecast } from "./regressed.ts";

/** Finds the parts that settings name. */
export interface PartsOf {
  /** @throws {InvalidValueError} no model of that name */
  model(name: string): Model;
  /** The default detector; null where the build has none. */
  detector(): Detector | null;
  /**
   * Knows a trained model by a name from here on; null forgets it.
   *
   * @throws {SyntaxError | InvalidValueError} the bytes are no model that serves
   */
  setModel?(name: string, bytes: Uint8Array | null): void;
}

/** A trained model for all streams of a shard. */
export interface ModelArgument {
  readonly name: string;
  /** Its file; null takes the model away. */
  readonly bytes: Uint8Array | null;
}

/** Opens a stream's state: from a snapshot where one is given, else empty. */
export interface LoadArgument {
  readonly streamId: string;
  readonly createdNs: bigint;
  readonly settings: StreamSettings;
  readonly snapshot: Snapshot | null;
}

/** How far the state is that was opened. */
export interface LoadAnswer {
  readonly appliedOffset: number;
  /** Memory that it takes, by estimate. */
  readonly stateBytes: number;
  readonly feedbackCount: number;
}

/** Consecutive segments of one stream to absorb. */
export interface AbsorbArgument {
  readonly streamId: string;
  readonly segments: readonly Segment[];
  /** Samples since the last commit beyond which the answer carries the next one. */
  readonly commitAfter: number;
}

/** A part of the samples of a detection without a stream. */
export interface DetectArgument {
  readonly segment: Segment;
  readonly settings: Partial<StreamSettings>;
  /** Tells detections apart that run side by side. */
  readonly key: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** A part of the replay of a stream's past, beside its state: it begins, goes on, or is asked. */
export interface RewindArgument {
  /** Tells replays apart that run side by side. */
  readonly key: number;
  readonly start?: Omit<LoadArgument, "createdNs">;
  /** Said before the samples. */
  readonly feedback?: readonly Feedback[];
  readonly segment?: Segment | null;
  readonly request?: ForecastRequest;
  /** Whether the hash of the state is asked for. */
  readonly isHashed?: boolean;
}

/** What a replay tells after each part. */
export interface RewindAnswer {
  readonly feedbackCount: number;
  /** Null where it was not asked for. */
  readonly stateHash: string | null;
  /** Null where nothing was asked. */
  readonly forecast: ForecastResult | null;
  /** Why the model cannot go on. */
  readonly failed: string | null;
}

/** What is stored of a stream, with what is told of its forecasts in `/metrics`. */
export interface ShardCommit extends Commit {
  readonly coverage: Coverage;
}

/** What an absorb tells the other thread; the segments themselves stay there. */
export interface AbsorbAnswer {
  readonly applied: readonly Omit<Applied, "segment">[];
  readonly appliedOffset: number;
  /** Memory that the state takes, by estimate. */
  readonly stateBytes: number;
  readonly commit: ShardCommit | null;
  /** Why the model cannot go on; the state is given up then. */
  readonly failed: string | null;
}

/** Quantiles of the forecasts that are issued with a commit: 80 % and 95 % intervals. */
export const ISSUED_QUANTILES: readonly number[] = [0.025, 0.1, 0.5, 0.9, 0.975];

/** What a state takes with what is open beside it, over what it takes alone (measured: 1.7). */
const OPEN_STATE_SHARE = 1.75;

/** Samples at which a new state is measured first: the first fit makes it what it is. */
const MEASURED_SAMPLES_MIN = 8;

interface Resident {
  readonly processor: StreamProcessor;
  readonly createdNs: bigint;
  /** In-order samples at the last commit. */
  committedOffset: number;
  /** Memory that the state took when it was last measured, by estimate. */
  stateBytes: number;
  /** Samples from which on it is measured again: a young state grows with each of them. */
  nextMeasured: number;
}

/** Measures a state, and again when its samples have doubled. */
function measure(resident: Resident): void {
  const { processor } = resident;
  resident.stateBytes = Math.round(OPEN_STATE_SHARE * processor.memoryBytes());
  resident.nextMeasured = Math.max(MEASURED_SAMPLES_MIN, 2 * processor.appliedOffset);
}

/**
 * The states that one worker holds. All methods are synchronous and independent of each other's
 * streams; the other thread decides what is loaded, put away and committed.
 */
export class Shard {
  readonly #parts: PartsOf;
  readonly #residents = new Map<string, Resident>();
  /** Detections without a stream that wait for their next part. */
  readonly #detections = new Map<number, { processor: StreamProcessor; opened: OpenedAlarm[] }>();
  /** Replays of the past that wait for their next part. */
  readonly #rewinds = new Map<number, StreamProcessor>();

  constructor(parts: PartsOf) {
    this.#parts = parts;
  }

  #processor(streamId: string, settings: StreamSettings): StreamProcessor {
    const model = this.#parts.model(settings.model);
    const detector = settings.detect ? this.#parts.detector() : null;
    return new StreamProcessor({ streamId, settings, model, detector });
  }

  #resident(streamId: string): Resident {
    const resident = this.#residents.get(streamId);
    if (resident === undefined) throw new TypeError(`Stream "${streamId}" is not loaded`);
    return resident;
  }

  setModel({ name, bytes }: ModelArgument): void {
    this.#parts.setModel?.(name, bytes);
  }

  /** The hash that snapshots of such a stream must have. */
  modelHash(given: { readonly streamId: string; readonly settings: StreamSettings }): string {
    return this.#processor(given.streamId, given.settings).modelHash;
  }

  load(given: LoadArgument): LoadAnswer {
    const processor = this.#processor(given.streamId, given.settings);
    if (given.snapshot !== null) processor.restore(given.snapshot);
    const { appliedOffset } = processor;
    const resident: Resident = {
      processor,
      createdNs: given.createdNs,
      committedOffset: appliedOffset,
      ...{ stateBytes: 0, nextMeasured: 0 },
    };
    measure(resident);
    this.#residents.set(given.streamId, resident);
    const { stateBytes } = resident;
    return { appliedOffset, stateBytes, feedbackCount: processor.feedbackCount };
  }

  absorb(given: AbsorbArgument): AbsorbAnswer {
    const resident = this.#resident(given.streamId);
    const absorbed: Absorbed[] = [];
    let failed: string | null = null;
    for (const segment of given.segments) {
      try {
        absorbed.push(resident.processor.absorb(segment));
      } catch (error) {
        // A model that throws has left its state half way: the log can rebuild it, this cannot.
        failed = error instanceof Error ? error.message : String(error);
        this.#residents.delete(given.streamId);
        break;
      }
    }
    if (failed !== null) {
      return { applied: [], appliedOffset: 0, stateBytes: 0, commit: null, failed };
    }
    const { appliedOffset } = resident.processor;
    const isAlarm = absorbed.some(({ opened, ended }) => opened.length + ended.length > 0);
    const isDue = appliedOffset - resident.committedOffset >= given.commitAfter;
    const commit = isAlarm || isDue ? this.#commit(resident, absorbed) : null;
    if (appliedOffset >= resident.nextMeasured) measure(resident);
    return {
      applied: absorbed.map(({ segment: _, opened, ...rest }) => ({
        ...rest,
        alarms: commit === null ? [] : prove(opened, commit.snapshot),
      })),
      appliedOffset,
      stateBytes: resident.stateBytes,
      commit,
      failed,
    };
  }

  /** The stream's state with its proof, and the forecast issued from it where it is wanted. */
  commit(given: { readonly streamId: string; readonly isIssued: boolean }): ShardCommit {
    return this.#commit(this.#resident(given.streamId), [], given.isIssued);
  }

  #commit(resident: Resident, absorbed: readonly Absorbed[], isIssued = true): ShardCommit {
    const snapshot = resident.processor.snapshot();
    const events = absorbed.flatMap(({ opened }) => prove(opened, snapshot));
    resident.committedOffset = snapshot.appliedOffset;
    const forecast = isIssued ? issueForecast(resident.processor) : null;
    const ends = absorbed.flatMap(({ ended }) => ended);
    const coverage = resident.processor.coverage();
    return { streamCreatedNs: resident.createdNs, snapshot, events, ends, forecast, coverage };
  }

  recallAlarm(given: { readonly streamId: string; readonly number: number }): ToldAlarm | null {
    return this.#resident(given.streamId).processor.recallAlarm(given.number);
  }

  takeFeedback(given: { readonly streamId: string; readonly feedback: Feedback }): void {
    this.#resident(given.streamId).processor.takeFeedback(given.feedback);
  }

  describe(given: { readonly streamId: string }): StreamState {
    return this.#resident(given.streamId).processor.describe();
  }

  summarize(given: { readonly streamId: string }): StreamSummary {
    return this.#resident(given.streamId).processor.summarize();
  }

  forecast(
    given: { readonly streamId: string; readonly request: ForecastRequest },
  ): ForecastResult {
    return this.#resident(given.streamId).processor.forecast(given.request);
  }

  components(
    given: { readonly streamId: string; readonly samples: Segment },
  ): ComponentsResult {
    return this.#resident(given.streamId).processor.components(given.samples);
  }

  drop(given: { readonly streamId: string }): void {
    this.#residents.delete(given.streamId);
  }

  forecastOnce(given: {
    readonly segment: Segment;
    readonly settings: Partial<StreamSettings>;
    readonly request: ForecastRequest;
  }): ForecastResult {
    // Leads are learned as far as they are asked for; a detector would only cost time.
    const asked = given.request.horizon;
    const horizon = asked === undefined ? {} : { horizon: Math.min(asked, HORIZON_MAX) };
    const settings = { ...horizon, ...given.settings, detect: false };
    const merged = mergeSettings(DEFAULT_SETTINGS, settings);
    const processor = this.#processor(given.segment.streamId, merged);
    const { request } = given;
    const { regressors } = request;
    if (regressors !== undefined) {
      return regressedForecast(processor.config, given.segment, { ...request, regressors });
    }
    processor.absorbContext(given.segment);
    return processor.forecast(request);
  }

  /** One part of a replay of the past, whose state is apart from that of the stream. */
  rewind(given: RewindArgument): RewindAnswer {
    const { key, start, feedback = [], segment = null, request, isHashed = false } = given;
    if (start !== undefined) {
      const begun = this.#processor(start.streamId, start.settings);
      if (start.snapshot !== null) begun.restore(start.snapshot);
      this.#rewinds.set(key, begun);
    }
    const processor = this.#rewinds.get(key);
    if (processor === undefined) throw new TypeError(`Replay ${key} is not open`);
    for (const said of feedback) processor.takeFeedback(said);
    const { feedbackCount } = processor;
    try {
      if (segment !== null) processor.absorb(segment);
    } catch (error) {
      const failed = error instanceof Error ? error.message : String(error);
      return { feedbackCount, stateHash: null, forecast: null, failed };
    }
    const forecast = request === undefined ? null : processor.forecast(request);
    const stateHash = isHashed ? processor.snapshot().stateHash : null;
    return { feedbackCount, stateHash, forecast, failed: null };
  }

  endRewind({ key }: { readonly key: number }): void {
    this.#rewinds.delete(key);
  }

  /** One part of a detection without a stream; the last one proves all alarms. */
  detectOnce(given: DetectArgument): Omit<DetectResult, "segment"> {
    const { key } = given;
    if (given.isFirst) {
      const settings = mergeSettings(DEFAULT_SETTINGS, { ...given.settings, detect: true });
      const processor = this.#processor(given.segment.streamId, settings);
      this.#detections.set(key, { processor, opened: [] });
    }
    const detection = this.#detections.get(key);
    if (detection === undefined) throw new TypeError(`Detection ${key} is not open`);
    // Set again at the end, so that a detection whose model throws leaves nothing behind.
    this.#detections.delete(key);
    const { opened, expected, scale, score, flag } = detection.processor.absorb(given.segment);
    detection.opened.push(...opened);
    if (!given.isLast) this.#detections.set(key, detection);
    const alarms = given.isLast ? prove(detection.opened, detection.processor.snapshot()) : [];
    return { expected, scale, score, flag, alarms };
  }
}

function prove(
  opened: Absorbed["opened"],
  { appliedOffset, modelHash, stateHash }: Snapshot,
): AlarmEvent[] {
  return opened.map((alarm) => ({ ...alarm, appliedOffset, modelHash, stateHash }));
}

/** The default forecast of a state; null while the sampling period is not known. */
function issueForecast(processor: StreamProcessor): IssuedForecast | null {
  try {
    if (processor.summarize().periodS === null) return null;
    return processor.forecast({ quantiles: Float64Array.from(ISSUED_QUANTILES) });
  } catch {
    // A forecast that fails must not keep the state from being saved; who asks for one is told why.
    return null;
  }
}
