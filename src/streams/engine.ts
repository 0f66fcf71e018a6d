import type { CalendarChoice } from "../models/calendar_regressors.ts";
import type { ModelSummary, PastComponents } from "../models/model.ts";
import type { Segment } from "../signal/segment.ts";
import type { ChannelAnswers, DrawRequest } from "./answers.ts";
import type { Feedback } from "./feedback.ts";
import type {
  AlarmEnd,
  AlarmEvent,
  IssuedForecast,
  StreamRecord,
  StreamSettings,
} from "../stores/store.ts";

/** What was predicted before each sample was seen, and what the detector said of it. */
export interface Applied {
  /** The samples absorbed; columns of `expected` and `scale` follow its channels. */
  readonly segment: Segment;
  /** In-order offset of the first sample. */
  readonly start: number;
  /** In-order samples absorbed after this segment. */
  readonly appliedOffset: number;
  /** One-step medians; NaN before the model can predict.                  [channel][length] */
  readonly expected: readonly Float64Array[];
  /** Standard deviations of the one-step errors; NaN where unknown.       [channel][length] */
  readonly scale: readonly Float64Array[];
  /** −log10 of a calibrated tail probability; 0 without a detector.                 [length] */
  readonly score: Float64Array;
  /** −log10 of the chance of such an event where one opens or rises, else 0.         [length] */
  readonly flag: Float64Array;
  /** The alarms that opened inside this segment. */
  readonly alarms: readonly AlarmEvent[];
  /** The alarms that ended inside this segment. */
  readonly ended: readonly AlarmEnd[];
}

/** Live coverage of one or more channels. */
export type Coverage = readonly Omit<ModelSummary["coverage"][number], "width">[];

/** What a state knows of its stream. */
export interface StreamSummary {
  /** Shortest sampling period over the channels; null before it is known. */
  readonly periodS: number | null;
  /** Season lengths over all channels, shortest first. */
  readonly seasonsS: readonly number[];
  /** Mean over the channels, weighted by count. */
  readonly coverage: Coverage;
  readonly perChannel: Readonly<Record<string, ModelSummary>>;
}

/** What is known of a stream's state, for `GET /v1/streams/{id}`. */
export interface StreamState extends StreamSummary {
  readonly appliedOffset: number;
  readonly sampleCount: number;
  readonly modelHash: string;
  readonly stateHash: string;
  readonly stateBytes: number;
  /** Why the state no longer advances; null while it does. The log is untouched. */
  readonly failed: string | null;
}

/** What a forecast is to be told besides the channel's own past. */
export interface RegressorRequest {
  /**
   * Future values by channel, one a time; null where they are not known: the channel's own forecast
   * is taken then.
   */
  readonly covariates: Readonly<Record<string, Float64Array | null>>;
  /** Null = the calendar is not asked. */
  readonly calendar: CalendarChoice | null;
}

/** Which times and quantiles are asked for; exactly one of `horizon` and `timesNs`, or neither. */
export interface ForecastRequest {
  /** Number of sampling periods ahead; default: the stream's horizon. */
  readonly horizon?: number;
  /** Times after the origin, increasing.                                               [time] */
  readonly timesNs?: BigInt64Array;
  /** In (0, 1), increasing.                                                        [quantile] */
  readonly quantiles: Float64Array;
  /** Only these channels; default: all. */
  readonly channels?: readonly string[];
  /** Values are counts: answers are rounded to whole numbers. */
  readonly isWhole?: boolean;
  /** Nobody is told which state it was: `stateHash` stays empty, and the state is not packed. */
  readonly isUnproved?: boolean;
  /** What is asked beyond quantiles at single times. */
  readonly draws?: DrawRequest;
  /** What the forecast is told besides; only where samples are sent along. */
  readonly regressors?: RegressorRequest;
}

/** What the regressors add to a channel's forecast. */
export interface RegressionAnswer {
  /** Share of the regression that has paid off on the past, 0 to 1. */
  readonly share: number;
  /** In the channel's units.                                                            [time] */
  readonly effect: Float64Array;
}

/** A state that something was told from. */
export interface Claim {
  /** In-order samples that it had absorbed, 1 or more. */
  readonly appliedOffset: number;
  readonly stateHash: string;
}

/** What the log says of a claim. */
export interface ProvenState extends Claim {
  /** The claimed hash where the log makes it, else that of the state that the log makes. */
  readonly replayedHash: string;
  readonly isProven: boolean;
}

/** From when, without which channels, and with which further samples a question is asked. */
export interface PastQuestion {
  /** Samples after this time are not known yet; absent = all are. */
  readonly asOfNs?: bigint;
  /** Channels that the stream never had. */
  readonly without: readonly string[];
  /** Samples of known channels that are taken to have come next, time strictly increasing. */
  readonly suppose?: Segment;
}

/** A forecast with its provenance; `originNs` is the last sample that it has seen. */
export type ForecastResult = IssuedForecast & {
  /** By channel, where `draws` was asked. */
  readonly answers?: Readonly<Record<string, ChannelAnswers>>;
  /** By channel, where `regressors` were asked. */
  readonly regression?: Readonly<Record<string, RegressionAnswer>>;
};

/** What past samples of one channel were made of. */
export interface ComponentsResult {
  /** Those of the samples, and those of the gaps between them.                          [time] */
  readonly timesNs: BigInt64Array;
  /** NaN where no value is known.                                                       [time] */
  readonly values: Float64Array;
  /** `signal` holds what the covariates say, too; the other parts do not. */
  readonly parts: PastComponents;
  /** What the stream's covariates say; absent for a channel without any.                [time] */
  readonly covariates?: Float64Array;
  readonly range: { readonly lower?: number; readonly upper?: number };
  readonly appliedOffset: number;
  readonly modelHash: string;
  readonly stateHash: string;
}

/** The outcome of a stateless detection. */
export interface DetectResult {
  readonly segment: Segment;
  readonly score: Float64Array;
  readonly flag: Float64Array;
  readonly expected: readonly Float64Array[];
  readonly scale: readonly Float64Array[];
  readonly alarms: readonly AlarmEvent[];
}

/** How busy the engine is; for `/metrics` and for refusing work in time. */
export interface EngineStats {
  readonly workers: number;
  /** States held in memory, and the memory that they take, by estimate. */
  readonly states: number;
  readonly stateBytes: number;
  /** Samples submitted and not yet absorbed. */
  readonly queuedSamples: number;
  /** Samples that the log held at the start and no state has absorbed yet. */
  readonly catchUpSamples: number;
  /** Samples absorbed since opening, replays included. */
  readonly absorbedSamples: number;
  /** States opened since opening, from a snapshot or anew: those that were not in memory. */
  readonly loadedStates: number;
  readonly failedStreams: number;
  /** Live coverage over the states held in memory, as of their last commits. */
  readonly coverage: Coverage;
}

/** The state of a stream no longer advances, since its model threw; the log is untouched. */
export class StreamFailedError extends Error {
  override readonly name = "StreamFailedError";
  readonly streamId: string;

  constructor(streamId: string, reason: string) {
    super(`The state of stream "${streamId}" no longer advances: ${reason}`);
    this.streamId = streamId;
  }
}

/** Values (8 bytes each) that may wait to be absorbed before `submit` refuses to queue more. */
export const ENGINE_QUEUE_VALUES_MAX = 8_000_000;
/** A consistent read waits this long for the state to catch up with the log. */
export const READ_WAIT_MS_MAX = 30_000;
/** Channels of a forecast without a stream: each costs a fit, and streams wait meanwhile. */
export const FORECAST_ONCE_CHANNELS_MAX = 32;
/** Values of a detection without a stream, missing ones included. */
export const DETECT_ONCE_VALUES_MAX = 100_000;
/** Future times of one forecast. */
export const FORECAST_TIMES_MAX = 10_000;
/** Times of one decomposition, those of gaps included. */
export const COMPONENT_TIMES_MAX = 10_000;
/** Quantiles of one forecast. */
export const FORECAST_QUANTILES_MAX = 199;

/** Keeps the states of all streams level with their logs, and answers from them. */
export interface Engine {
  /**
   * Hands over what `Store.append` accepted; resolves when it is absorbed. What lies in the log
   * before `start` and was not absorbed is replayed first. The log already holds the samples, so
   * a refused submission loses nothing: the stream is caught up from the log at the next touch.
   * A long one is absorbed in parts; listeners hear of each, the promise of the last. Several that
   * wait are absorbed together; listeners hear of them as one, each promise of its own part.
   *
   * @throws {OverloadError} ENGINE_QUEUE_VALUES_MAX is reached
   * @throws {StreamFailedError} the model threw, now or before
   */
  submit(record: StreamRecord, inOrder: Segment, start: number): Promise<Applied>;

  /**
   * @throws {NotFoundError} no such stream
   * @throws {OverloadError} the state did not catch up within READ_WAIT_MS_MAX
   */
  describe(id: string): Promise<StreamState>;

  /**
   * What a state knows of its stream, without the proof of it: a state is hundreds of kilobytes to
   * pack. Rejects as `describe` does, and where the state no longer advances.
   *
   * @throws {StreamFailedError} the model threw
   */
  summarize(id: string): Promise<StreamSummary>;

  /** @throws {InvalidValueError} a time not after the origin, no sample yet, a horizon too far */
  forecast(id: string, request: ForecastRequest): Promise<ForecastResult>;

  /**
   * What `forecast` would have told at a time of the past, without some of the channels, or would
   * tell had some samples more come: from a state of its own that the log is replayed into.
   *
   * @throws {InvalidValueError} as `forecast`; no sample was known at that time, or one that is
   *   supposed is no newer than those that are known
   * @throws {LimitError} REWIND_VALUES_MAX or SUPPOSED_VALUES_MAX
   * @throws {OverloadError} REWINDS_MAX are being answered, or it took longer than READ_WAIT_MS_MAX
   */
  forecastAsOf(id: string, past: PastQuestion, request: ForecastRequest): Promise<ForecastResult>;

  /**
   * Whether a state is what the log makes it, by replaying the log from the first sample on.
   *
   * @param claim  no offset beyond the log's
   * @throws {NotFoundError} no such stream
   * @throws {LimitError} REWIND_VALUES_MAX
   * @throws {OverloadError} as `forecastAsOf`
   */
  prove(id: string, claim: Claim): Promise<ProvenState>;

  /**
   * What samples of the past were made of, gaps filled.
   *
   * @param samples  one channel of any stretch of the stream's log
   * @throws {InvalidValueError} the stream has too few values, or the stretch has
   * @throws {LimitError} COMPONENT_TIMES_MAX
   */
  components(id: string, samples: Segment): Promise<ComponentsResult>;

  /**
   * Takes in what a person says of an alarm, behind all that the log holds at the time of the call;
   * durable when it resolves.
   *
   * @throws {NotFoundError} no such stream, or no such alarm that is remembered
   * @throws {LimitError} FEEDBACK_MAX
   */
  giveFeedback(id: string, feedback: Feedback): Promise<void>;

  /** Resolves when the state has absorbed all that the log held at the time of the call. */
  reach(id: string): Promise<void>;

  /**
   * Stateless: absorbs the segment into a fresh state and forecasts from it.
   *
   * @throws {LimitError} FORECAST_ONCE_CHANNELS_MAX
   */
  forecastOnce(
    segment: Segment,
    settings: Partial<StreamSettings>,
    request: ForecastRequest,
  ): Promise<ForecastResult>;

  /**
   * Stateless: scores and flags of a whole segment, from a fresh state.
   *
   * @throws {LimitError} DETECT_ONCE_VALUES_MAX
   */
  detectOnce(segment: Segment, settings?: Partial<StreamSettings>): Promise<DetectResult>;

  /**
   * Gives a trained model to all threads that hold states; null takes it from them. What is open
   * under an older model of the name goes on with that.
   *
   * @throws {SyntaxError | InvalidValueError} the bytes are no model that serves
   */
  setModel(name: string, bytes: Uint8Array | null): Promise<void>;

  /** Forgets the state in memory (the stream was deleted, or its settings changed). */
  drop(id: string): Promise<void>;

  /** Absorbs all that is queued and commits every state. */
  drain(): Promise<void>;

  /**
   * Commits every state as far as it is and ends the workers. What is not absorbed by then stays
   * in the log and is replayed after the next start, so closing waits for the few
   * messages alone that a shard has at a time.
   */
  close(): Promise<void>;

  stats(): EngineStats;

  /** Calls `listener` after each absorbed submission; returns how to stop. Replays are silent. */
  onApplied(listener: (applied: Applied) => void): () => void;

  /** Calls `listener` when a forecast was issued and committed; returns how to stop. */
  onForecast(listener: (forecast: IssuedForecast) => void): () => void;
}
