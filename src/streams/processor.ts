import { InvalidValueError } from "../base/errors.ts";
import { fnv1a32 } from "../base/hash.ts";
import { invariant } from "../base/invariant.ts";
import { memoryBytes, type Tree } from "../base/tree.ts";
import {
  DEFAULT_FLAG_OPTIONS,
  type Detection,
  type Detector,
  type FlagEvent,
} from "../detectors/detector.ts";
import { FIRST_FIT_SAMPLES } from "../models/refit_schedule.ts";
import type { ChannelConfig, Model, ModelSummary } from "../models/model.ts";
import { FIT_SAMPLES_MIN } from "../models/refit_setting.ts";
import { type Segment, timesS } from "../signal/segment.ts";
import type { Snapshot, StreamSettings } from "../stores/store.ts";
import { endedAlarms, type OpenedAlarm, openedAlarms } from "./alarms.ts";
import { IDLE_SAMPLES, idleWeekdays } from "./calendar.ts";
import { type ChannelAnswers, channelAnswers, checkDraws, roundInto } from "./answers.ts";
import type {
  Applied,
  ComponentsResult,
  Coverage,
  ForecastRequest,
  ForecastResult,
  RegressionAnswer,
  StreamState,
  StreamSummary,
} from "./engine.ts";
import { StreamCovariates } from "./covariates.ts";
import { withGaps } from "./gaps.ts";
import {
  type Feedback,
  recallAlarm,
  takeFeedback,
  tellEvents,
  type ToldAlarm,
} from "./feedback.ts";
import { checkQuantiles, forecastTimes } from "./forecast_request.ts";
import { type ChannelChange, type Cut, cutsOf } from "./cuts.ts";
import {
  type ChannelState,
  emptyEnvelope,
  type Envelope,
  modelHashOf,
  packEnvelope,
  readEnvelope,
} from "./state_codec.ts";
import { poolCoverage, summarize } from "./summary.ts";

/** A model may be able to go to the end of a context at once. */
type ContextModel = Model & {
  stateOfContext?(config: ChannelConfig, timesS: Float64Array, values: Float64Array): Tree;
};

/** What a stream's life depends on besides its samples. */
export interface ProcessorConfig {
  readonly streamId: string;
  readonly settings: StreamSettings;
  readonly model: Model;
  /** Null where nothing is to be detected. */
  readonly detector: Detector | null;
}

/** What `absorb` tells; alarms get their proof when the state is packed. */
export type Absorbed = Omit<Applied, "alarms"> & { readonly opened: readonly OpenedAlarm[] };

/**
 * One stream's life: samples in, predictions, scores and forecasts out. Its envelope is a pure
 * function of settings and in-order samples; how they are cut into segments leaves no trace.
 */
export class StreamProcessor {
  readonly config: ProcessorConfig;
  readonly modelHash: string;
  readonly #covariates: StreamCovariates;
  #envelope: Envelope;
  /** Proof of the present state. Its bytes are not kept: they are as large as the state itself. */
  #proof: { readonly stateHash: string; readonly stateBytes: number } | null = null;

  constructor(config: ProcessorConfig) {
    this.config = config;
    const { settings, model, detector } = config;
    this.modelHash = modelHashOf(settings, model.name, detector?.name ?? null);
    this.#covariates = new StreamCovariates(settings.covariates ?? [], model);
    this.#envelope = emptyEnvelope(this.modelHash);
  }

  /** @throws {StateMismatchError} the snapshot belongs to another model or other settings */
  restore(snapshot: Snapshot): void {
    this.#envelope = readEnvelope(snapshot.bytes, this.modelHash);
    this.#proof = null;
  }

  /** In-order samples absorbed. */
  get appliedOffset(): number {
    return this.#envelope.sampleCount;
  }

  /**
   * Puts an empty state to the end of a context at once, for one forecast from there: a model that
   * can do so fits on all of it and skips what lies between. Another state than `absorb` gives.
   */
  absorbContext(segment: Segment): void {
    const model: ContextModel = this.config.model;
    if (model.stateOfContext === undefined || this.#covariates.names.length > 0) {
      this.absorb(segment);
      return;
    }
    invariant(this.#envelope.sampleCount === 0, "a context comes first");
    this.#proof = null;
    this.#envelope.epochNs = segment.timestampsNs[0]!;
    for (const { index, names } of this.#growth(segment)) {
      const epochNs = segment.timestampsNs[index]!;
      const times = timesS(segment.timestampsNs.subarray(index), epochNs);
      for (const name of names) {
        const values = segment.values[segment.channels.indexOf(name)]!.subarray(index);
        const state = model.stateOfContext(this.#channelConfig(name, epochNs), times, values);
        this.#envelope.channels.push({ name, epochNs, state });
      }
    }
    this.#advance(segment);
  }

  /** Advances the state over samples newer than all before, time strictly increasing. */
  absorb(segment: Segment): Absorbed {
    const length = segment.timestampsNs.length;
    const { lastNs } = this.#envelope;
    invariant(length > 0, "a segment has samples");
    invariant(lastNs === null || segment.timestampsNs[0]! > lastNs, "samples come in order");
    this.#proof = null;
    const start = this.#envelope.sampleCount;
    this.#envelope.epochNs ??= segment.timestampsNs[0]!;
    const growth = this.#growth(segment);
    // One block for all of them: each would be a buffer of its own on the way to another thread.
    const width = segment.channels.length;
    const block = new Float64Array(length * (2 * width + 2));
    const column = (index: number) => block.subarray(length * index, length * (index + 1));
    const expected = segment.channels.map((_, c) => column(c).fill(NaN));
    const scale = segment.channels.map((_, c) => column(width + c).fill(NaN));
    const score = column(2 * width);
    const flag = column(2 * width + 1);
    for (const { index, names } of growth) {
      for (const name of names) this.#openChannel(name, segment.timestampsNs[index]!);
    }
    const { left, changes } = this.#absorbChannels(segment, { expected, scale });
    const events: FlagEvent[] = [];
    this.#detect(left, cutsOf(growth, changes, length), { score, flag, events });
    this.#advance(segment);
    const appliedOffset = this.#envelope.sampleCount;
    const absorbed = { segment, start, appliedOffset, expected, scale, score, flag };
    const channels = this.#envelope.channels.map(({ name }) => name);
    const shown = tellEvents(this.#envelope.feedback, events, channels);
    const told = { events: shown, channels, epochNs: this.#envelope.epochNs };
    return {
      ...absorbed,
      opened: openedAlarms(absorbed, told),
      ended: endedAlarms(absorbed, told),
    };
  }

  /** Where new channels show their first value: by sample, then by name. */
  #growth(segment: Segment): { index: number; names: string[] }[] {
    const known = new Set(this.#envelope.channels.map((channel) => channel.name));
    const byIndex = new Map<number, string[]>();
    for (const [c, name] of segment.channels.entries()) {
      if (known.has(name)) continue;
      const index = segment.values[c]!.findIndex((value) => !Number.isNaN(value));
      if (index >= 0) byIndex.set(index, [...byIndex.get(index) ?? [], name]);
    }
    return [...byIndex].sort(([a], [b]) => a - b)
      .map(([index, names]) => ({ index, names: names.sort() }));
  }

  #openChannel(name: string, epochNs: bigint): void {
    const state = this.#covariates.start(name, this.#channelConfig(name, epochNs));
    this.#envelope.channels.push({ name, epochNs, state });
  }

  #channelConfig(name: string, epochNs: bigint): ChannelConfig {
    const { settings, streamId } = this.config;
    const range = settings.channels[name];
    return {
      epochNs,
      horizon: settings.horizon,
      lower: range?.lower ?? null,
      upper: range?.upper ?? null,
      seed: fnv1a32(`${streamId}/${name}`),
      seasonsS: settings.seasonsS,
    };
  }

  /**
   * Every known channel sees every sample from its first value on, missing ones as NaN.
   *
   * @returns the segment without what covariates explain of it, and where that became another
   */
  #absorbChannels(
    segment: Segment,
    out: { readonly expected: Float64Array[]; readonly scale: Float64Array[] },
  ): { readonly left: Segment; readonly changes: readonly ChannelChange[] } {
    const { timestampsNs } = segment;
    const left = [...segment.values];
    const changes: ChannelChange[] = [];
    const length = timestampsNs.length;
    const columns = new Map(segment.channels.map((name, c) => [name, c]));
    let missing: Float64Array | undefined;
    for (const [k, channel] of this.#envelope.channels.entries()) {
      const c = columns.get(channel.name);
      const from = firstFrom(timestampsNs, channel.epochNs);
      const samples = { segment, from };
      if (c === undefined) {
        missing ??= new Float64Array(length).fill(NaN);
        this.#covariates.absorb(channel, samples, missing.subarray(from));
      } else {
        const values = segment.values[c]!;
        const explained = this.#covariates.absorb(channel, samples, values.subarray(from), {
          expected: out.expected[c]!.subarray(from),
          scale: out.scale[c]!.subarray(from),
        });
        if (explained === null) continue;
        const { effects } = explained;
        left[c] = values.map((value, i) => i < from ? value : value - effects[i - from]!);
        changes.push(...explained.changes.map((at) => ({ index: from + at, channel: k })));
      }
    }
    return { left: { ...segment, values: left }, changes };
  }

  /**
   * The detector sees what covariates leave: what they explain is no anomaly. It sees a fixed set
   * of channels, so the samples are cut where a new one begins. Where the effect of covariates
   * became another, what is left of a channel is another series: how far it used to be off does not
   * count any more.
   */
  #detect(segment: Segment, cuts: readonly Cut[], out: Detection): void {
    if (this.config.detector === null) return;
    let count = this.#envelope.channels.length -
      cuts.reduce((sum, { begun }) => sum + begun, 0);
    let from = 0;
    for (const { index, begun, changed } of cuts) {
      if (count > 0 && index > from) {
        this.#detectRun(segment, { from, end: index, count }, out);
        const { state } = this.#envelope.detector!;
        for (const channel of changed) this.config.detector.forgetTails(state, channel);
      }
      count += begun;
      from = index;
    }
  }

  #detectRun(
    segment: Segment,
    run: { readonly from: number; readonly end: number; readonly count: number },
    out: Detection,
  ): void {
    const detector = this.config.detector!;
    const { from, end, count } = run;
    const known = this.#envelope.detector;
    if (known?.channels !== count) {
      const options = { ...DEFAULT_FLAG_OPTIONS, ...this.config.settings.flags };
      const grown = { channels: count, seed: fnv1a32(this.config.streamId), options };
      const state: Tree = known === null
        ? detector.initialState(grown)
        : detector.addChannels(known.state, grown);
      this.#envelope.detector = { channels: count, state };
    }
    const values = this.#envelope.channels.slice(0, count).map(({ name }) => {
      const c = segment.channels.indexOf(name);
      return c < 0
        ? new Float64Array(end - from).fill(NaN)
        : segment.values[c]!.subarray(from, end);
    });
    const times = timesS(segment.timestampsNs.subarray(from, end), this.#envelope.epochNs!);
    const events: FlagEvent[] = [];
    detector.absorb(this.#envelope.detector!.state, times, values, {
      score: out.score.subarray(from, end),
      flag: out.flag.subarray(from, end),
      events,
    });
    out.events.push(...events.map((event) => ({ ...event, index: from + event.index })));
  }

  #advance(segment: Segment): void {
    const { timestampsNs } = segment;
    const length = timestampsNs.length;
    const envelope = this.#envelope;
    envelope.previousNs = length > 1 ? timestampsNs[length - 2]! : envelope.lastNs;
    envelope.lastNs = timestampsNs[length - 1]!;
    envelope.sampleCount += length;
  }

  /** Feedback taken so far. */
  get feedbackCount(): number {
    return this.#envelope.feedback.count;
  }

  /** The alarm of a number, while it is remembered. */
  recallAlarm(number: number): ToldAlarm | null {
    return recallAlarm(this.#envelope.feedback, number);
  }

  /** Takes in what a person said of an alarm. */
  takeFeedback(feedback: Feedback): void {
    this.#proof = null;
    takeFeedback(this.#envelope.feedback, feedback);
  }

  /** Bytes of memory that the state takes, by estimate, without what is open beside it. */
  memoryBytes(): number {
    return memoryBytes(this.#envelope as unknown as Tree);
  }

  /** Packs the state; the same bytes until the next `absorb`, and the caller's own. */
  snapshot(): Snapshot {
    const { bytes, stateHash } = packEnvelope(this.#envelope);
    this.#proof = { stateHash, stateBytes: bytes.length };
    const { modelHash, appliedOffset } = this;
    return { streamId: this.config.streamId, appliedOffset, modelHash, stateHash, bytes };
  }

  /** Hash and size of the packed state, which is packed once until the next `absorb`. */
  #prove(): { readonly stateHash: string; readonly stateBytes: number } {
    if (this.#proof === null) this.snapshot();
    return this.#proof!;
  }

  describe(): StreamState {
    const { modelHash, appliedOffset } = this;
    return {
      appliedOffset,
      sampleCount: appliedOffset,
      modelHash,
      ...this.#prove(),
      ...this.summarize(),
      failed: null,
    };
  }

  /** What the state knows of its stream, without the proof of it. */
  summarize(): StreamSummary {
    return summarize(this.#summaries(this.#envelope.channels));
  }

  /** Live coverage over all channels. */
  coverage(): Coverage {
    return poolCoverage(Object.values(this.#summaries(this.#envelope.channels)));
  }

  #summaries(channels: readonly ChannelState[]): Record<string, ModelSummary> {
    return Object.fromEntries(
      channels.map((channel) => [
        channel.name,
        this.config.model.summary(this.#covariates.plain(channel)),
      ]),
    );
  }

  /**
   * @throws {InvalidValueError} no sample yet, a channel without a value, a time not after the
   *   origin, quantiles out of order
   * @throws {LimitError} too many times or quantiles
   */
  forecast(request: ForecastRequest): ForecastResult {
    const originNs = this.#envelope.lastNs;
    const given = Object.keys(request.regressors?.covariates ?? {});
    const channels = this.#wanted(request.channels)
      .filter(({ name }) => request.channels !== undefined || !given.includes(name));
    if (originNs === null || channels.length === 0) {
      throw new InvalidValueError("stream", this.config.streamId, "a stream with a value in it");
    }
    checkQuantiles(request.quantiles);
    const timesNs = this.#forecastTimes(request, channels, originNs);
    if (request.draws !== undefined) checkDraws(request.draws, timesNs.length, channels.length);
    const values: Record<string, Float64Array> = {};
    const answers: Record<string, ChannelAnswers> = {};
    const regression: Record<string, RegressionAnswer> = {};
    const { regressors } = request;
    const futures = this.#covariates.futures(this.#envelope.channels, regressors, timesNs);
    const asked = { count: timesNs.length, isNext: request.timesNs === undefined };
    for (const channel of channels) {
      const { name, epochNs } = channel;
      const { model, state, regression: own } = this.#covariates.asked(channel, futures, asked);
      if (own !== null) regression[name] = own;
      const times = timesS(timesNs, epochNs);
      const round = request.isWhole === true ? this.#rounding(name) : null;
      values[name] = model.forecast(state, times, request.quantiles);
      round?.(values[name]);
      if (request.draws === undefined) continue;
      const question = { timesS: times, quantiles: request.quantiles, draws: request.draws, round };
      answers[name] = channelAnswers(model, state, question);
    }
    const stateHash = request.isUnproved === true ? "" : this.#prove().stateHash;
    const { modelHash, appliedOffset, config: { streamId } } = this;
    const { quantiles } = request;
    return {
      ...{ streamId, originNs, timesNs, quantiles, values, appliedOffset, modelHash, stateHash },
      ...(request.draws === undefined ? {} : { answers }),
      ...(Object.keys(regression).length === 0 ? {} : { regression }),
    };
  }

  #rounding(channel: string): (values: Float64Array) => void {
    const bounds = this.config.settings.channels[channel] ?? {};
    return (values) => roundInto(values, bounds);
  }

  /**
   * What samples of the past were made of; gaps between them are filled at the stream's period.
   *
   * @param samples  the channel asked for, and behind it those that the stream declares covariates
   * @throws {InvalidValueError} too few values are known, or none of the channel yet
   * @throws {LimitError} COMPONENT_TIMES_MAX
   */
  components(samples: Segment): ComponentsResult {
    const [name] = samples.channels;
    const { epochNs, state } = this.channelState(name!);
    const { model, settings } = this.config;
    const { periodS } = model.summary(state);
    const { timesNs, values } = withGaps(samples.timestampsNs, samples.values[0]!, periodS);
    const said = this.#covariates.past(name!, this.#envelope.channels, samples);
    // Where a sample is missing its covariates are, too: their usual values say 0.
    const covariates = said === null
      ? null
      : withGaps(samples.timestampsNs, said, periodS).values.map((effect) => effect || 0);
    const left = covariates === null ? values : values.map((value, t) => value - covariates[t]!);
    const parts = model.components(state, timesS(timesNs, epochNs), left);
    if (parts === null) {
      const seen = values.filter((value) => !Number.isNaN(value)).length;
      throw new InvalidValueError(
        "samples",
        seen,
        `${FIRST_FIT_SAMPLES} values in the stream and ${FIT_SAMPLES_MIN} in this stretch`,
      );
    }
    const { stateHash } = this.#prove();
    const { modelHash, appliedOffset } = this;
    const range = settings.channels[name!] ?? {};
    const told = { timesNs, values, parts, range, appliedOffset, modelHash, stateHash };
    if (covariates === null) return told;
    const signal = parts.signal.map((value, t) => value + covariates[t]!);
    return { ...told, parts: { ...parts, signal }, covariates };
  }

  /** The state of a channel's model and the time that it counts from. */
  channelState(name: string): { readonly epochNs: bigint; readonly state: Tree } {
    const channel = this.#wanted([name])[0]!;
    return { epochNs: channel.epochNs, state: this.#covariates.plain(channel) };
  }

  #wanted(names: readonly string[] | undefined): readonly ChannelState[] {
    if (names === undefined) return this.#envelope.channels;
    return names.map((name) => {
      const channel = this.#envelope.channels.find((known) => known.name === name);
      if (channel === undefined) {
        throw new InvalidValueError("channel", name, "a channel with a value in it");
      }
      return channel;
    });
  }

  /** The times that a forecast is asked for. */
  #forecastTimes(
    request: ForecastRequest,
    channels: readonly ChannelState[],
    originNs: bigint,
  ): BigInt64Array {
    const { previousNs } = this.#envelope;
    const { model, settings } = this.config;
    const idle = channels.map((channel) => {
      const newest = model.newestTimes(this.#covariates.plain(channel), IDLE_SAMPLES);
      return idleWeekdays(newest.map((time) => time + Number(channel.epochNs) / 1e9));
    });
    return forecastTimes(request, {
      ...{ originNs, previousNs, horizon: settings.horizon },
      periodS: summarize(this.#summaries(channels)).periodS,
      idle: idle.reduce((all, own) => all.intersection(own)),
    });
  }
}

/** Index of the first timestamp that is not before `epochNs`. */
function firstFrom(timestampsNs: BigInt64Array, epochNs: bigint): number {
  if (timestampsNs[0]! >= epochNs) return 0;
  return timestampsNs.findIndex((timestampNs) => timestampNs >= epochNs);
}
