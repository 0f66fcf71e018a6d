import { InvalidValueError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import type { ForecasterModel } from "../models/forecaster.ts";
import {
  type CovariateFuture,
  type Explained,
  informedAbsorb,
  informedEffect,
  informedPast,
  informedStart,
  type InformedState,
} from "../models/informed.ts";
import type { ChannelConfig, Model, OneStep } from "../models/model.ts";
import { withEffect } from "../models/regression.ts";
import { type Segment, timesS } from "../signal/segment.ts";
import type { RegressionAnswer, RegressorRequest } from "./engine.ts";
import type { ChannelState } from "./state_codec.ts";

/** Quantiles of a covariate's own forecast, and their distance in standard deviations. */
const OWN_QUANTILES = Float64Array.of(0.1, 0.5, 0.9);
const OWN_DEVIATIONS = 2.5631;

/** A channel's model as it is asked: what its covariates say is in its forecasts. */
export interface AskedChannel {
  readonly model: Model;
  readonly state: Tree;
  /** Null for a channel without covariates. */
  readonly regression: RegressionAnswer | null;
}

/**
 * The channels that a stream declares as covariates of its others, within its state. Of a stream
 * that declares none every channel's state is its model's own.
 */
export class StreamCovariates {
  readonly names: readonly string[];
  readonly #model: Model;

  constructor(names: readonly string[], model: Model) {
    this.names = names;
    this.#model = model;
  }

  /** Whether a channel's state stands beside the covariates. */
  isInformed(name: string): boolean {
    return this.names.length > 0 && !this.names.includes(name);
  }

  #forecaster(): ForecasterModel {
    return this.#model as unknown as ForecasterModel;
  }

  /** The state of a channel before its first sample. */
  start(name: string, config: ChannelConfig): Tree {
    if (!this.isInformed(name)) return this.#model.initialState(config);
    return informedStart(this.#forecaster(), config, this.names.length);
  }

  /** The state of the channel's model: that of what covariates leave, where it has some. */
  plain({ name, state }: ChannelState): Tree {
    return this.isInformed(name) ? (state as unknown as InformedState).base : state;
  }

  /**
   * Advances a channel over the samples of a segment from a row on.
   *
   * @param values  of that channel                                                    [length]
   * @returns what the covariates explain of the samples from there on; null without any
   */
  absorb(
    channel: ChannelState,
    { segment, from }: { readonly segment: Segment; readonly from: number },
    values: Float64Array,
    oneStep?: OneStep,
  ): Explained | null {
    const times = timesS(segment.timestampsNs.subarray(from), channel.epochNs);
    if (!this.isInformed(channel.name)) {
      this.#model.absorb(channel.state, times, values, oneStep);
      return null;
    }
    const columns = this.columns(segment).map((column) => column.subarray(from));
    const state = channel.state as unknown as InformedState;
    return informedAbsorb(this.#forecaster(), state, times, values, columns, oneStep);
  }

  /** The covariates' values in a segment; NaN where it has none.          [covariate][length] */
  columns({ channels, values, timestampsNs }: Segment): Float64Array[] {
    return this.names.map((name) => {
      const c = channels.indexOf(name);
      return c < 0 ? new Float64Array(timestampsNs.length).fill(NaN) : values[c]!;
    });
  }

  /**
   * What the covariates say of a channel's stored samples, as they say it today.        [length]
   *
   * @param samples  with the covariates' channels
   * @returns        null for a channel without covariates
   */
  past(name: string, channels: readonly ChannelState[], samples: Segment): Float64Array | null {
    const channel = channels.find((known) => known.name === name);
    if (channel === undefined || !this.isInformed(name)) return null;
    const state = channel.state as unknown as InformedState;
    return informedPast(state, this.columns(samples), samples.timestampsNs.length);
  }

  /**
   * Futures of the covariates: those that are given, and of the others their own forecasts.
   *
   * @throws {InvalidValueError} another number of values than of times, or values that are none
   */
  futures(
    channels: readonly ChannelState[],
    request: RegressorRequest | undefined,
    timesNs: BigInt64Array,
  ): CovariateFuture[] {
    return this.names.map((name) => {
      const given = request?.covariates[name] ?? null;
      if (given !== null) {
        if (given.length !== timesNs.length) {
          const wanted = `${timesNs.length} values, one a time`;
          throw new InvalidValueError(`covariates.${name}`, given.length, wanted);
        }
        return { values: given, deviations: null };
      }
      const channel = channels.find((known) => known.name === name);
      if (channel === undefined) {
        return { values: new Float64Array(timesNs.length).fill(NaN), deviations: null };
      }
      const times = timesS(timesNs, channel.epochNs);
      const rows = this.#model.forecast(channel.state, times, OWN_QUANTILES);
      return {
        values: times.map((_, t) => rows[3 * t + 1]!),
        deviations: times.map((_, t) => (rows[3 * t + 2]! - rows[3 * t]!) / OWN_DEVIATIONS),
      };
    });
  }

  /** A channel's model and state, with what the covariates say of the times asked for. */
  asked(
    channel: ChannelState,
    futures: readonly CovariateFuture[],
    { count, isNext }: { readonly count: number; readonly isNext: boolean },
  ): AskedChannel {
    if (!this.isInformed(channel.name)) {
      return { model: this.#model, state: channel.state, regression: null };
    }
    const state = channel.state as unknown as InformedState;
    const effect = informedEffect(state, futures, count, isNext);
    const model = withEffect(this.#forecaster(), effect) as unknown as Model;
    const regression = { share: effect.share, effect: effect.future };
    return { model, state: state.base, regression };
  }
}
