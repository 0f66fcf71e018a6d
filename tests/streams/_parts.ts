/** A small model and detector for the tests of streams: fast, exact, and able to fail on demand. */
import type { Detector } from "../../src/detectors/detector.ts";
import type { Model } from "../../src/models/model.ts";
import type { Segment } from "../../src/signal/segment.ts";
import type { PartsOf } from "../../src/streams/shard.ts";

/** A value that makes the model throw. */
export const POISON = -666;

type LastState = { moments: Float64Array; times: Float64Array; bounds: Float64Array };

/** Discounted mean and spread; predicts the last value. */
export const lastValue: Model<LastState> = {
  name: "last_value/1",
  stateBytesMax: 1_024,
  initialState: ({ seed, horizon }) => ({
    moments: Float64Array.from([NaN, 1, 0]),
    times: Float64Array.from([NaN, NaN]),
    bounds: Float64Array.from([seed, horizon]),
  }),
  absorb(state, timesS, values, oneStep) {
    const { moments, times } = state;
    for (let i = 0; i < timesS.length; i++) {
      const value = values[i]!;
      if (value === POISON) throw new RangeError("poisoned value");
      if (oneStep !== undefined) {
        oneStep.expected[i] = moments[0]!;
        oneStep.scale[i] = Math.sqrt(moments[1]!);
      }
      times[0] = times[1]!;
      times[1] = timesS[i]!;
      moments[2]! += 1;
      if (Number.isNaN(value)) continue;
      const error = Number.isNaN(moments[0]!) ? 0 : value - moments[0]!;
      moments[1] = 0.9 * moments[1]! + 0.1 * error * error;
      moments[0] = value;
    }
  },
  forecast(state, timesS, quantiles) {
    const out = new Float64Array(timesS.length * quantiles.length);
    for (let t = 0; t < timesS.length; t++) {
      for (let q = 0; q < quantiles.length; q++) {
        out[t * quantiles.length + q] = state.moments[0]! + quantiles[q]! - 0.5;
      }
    }
    return out;
  },
  draws: (_, timesS, count) =>
    Float64Array.from({ length: count * timesS.length }, (_, i) => (i * 7919) % 104_729),
  components: (_, timesS, values) => {
    if (timesS.length < 3) return null;
    const signal = values.map((value) => Number.isNaN(value) ? 7 : value);
    const flat = values.map(() => 0);
    return {
      ...{ signal, level: signal, slope: flat, shortTerm: flat, seasons: [] },
      ...{ signalDeviation: flat, levelDeviation: flat, noiseDeviation: 1 },
    };
  },
  newestTimes: ({ times }) => times.filter((time) => !Number.isNaN(time)),
  summary(state) {
    const periodS = state.times[1]! - state.times[0]!;
    return {
      periodS: Number.isNaN(periodS) ? null : periodS,
      seasonsS: [],
      coverage: [{
        level: 0.8,
        value: 0.5,
        count: state.moments[2]!,
        width: 3,
        relativeWidth: 1.5,
      }],
      weights: { last_value: 1 },
    };
  },
};

type SpikeState = { seen: Float64Array };

/** Flags values beyond 100 in any channel. */
export const spikes: Detector<SpikeState> = {
  name: "spikes/1",
  gracePeriod: 0,
  stateBytesMax: () => 1_024,
  initialState: ({ channels, seed }) => ({ seen: Float64Array.from([channels, seed, 0, 0]) }),
  forgetTails: () => {},
  addChannels: ({ seen }, { channels }) => ({ seen: seen.with(0, channels) }),
  absorb(state, timesS, values, out) {
    for (let i = 0; i < timesS.length; i++) {
      state.seen[2]! += 1;
      const largest = Math.max(...values.map((column) => Math.abs(column[i]!) || 0));
      out.score[i] = Math.log10(1 + largest);
      out.flag[i] = largest > 100 ? largest : 0;
      if (largest <= 100) continue;
      const most = values.findIndex((column) => Math.abs(column[i]!) === largest);
      const number = state.seen[3]!++;
      const event = { index: i, number, openedS: timesS[i]!, peakS: timesS[i]!, channels: [most] };
      const said = { p: 10 ** -largest, score: out.score[i]!, reason: "spike" } as const;
      out.events.push({ ...event, ...said, phase: "open" }, { ...event, ...said, phase: "end" });
    }
  },
};

export const testParts: PartsOf = {
  model: () => lastValue as unknown as Model,
  detector: () => spikes as unknown as Detector,
};

/** A seeded walk of several channels, one sample a second, with some values missing. */
export function walk(streamId: string, length: number, channels: readonly string[]): Segment {
  const timestampsNs = new BigInt64Array(length);
  const values = channels.map(() => new Float64Array(length));
  let x = 1;
  for (let i = 0; i < length; i++) {
    timestampsNs[i] = BigInt(i) * 1_000_000_000n;
    for (const column of values) {
      x = (x * 48_271) % 2_147_483_647;
      column[i] = x % 11 === 0 ? NaN : x % 97;
    }
  }
  return { streamId, channels, timestampsNs, values };
}
