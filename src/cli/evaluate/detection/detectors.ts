/** What is measured: the default detector, and simple online ones to compare it with. */
import { packTree } from "../../../base/tree.ts";
import { DEFAULT_FLAG_OPTIONS, type Detection } from "../../../detectors/detector.ts";
import { detectors } from "../../../detectors/mod.ts";

/** What a detector said of a series. */
export interface Said {
  readonly score: Float64Array;
  /** What NAB's threshold is swept over. */
  readonly flag: Float64Array;
  /** Samples at which alarms opened; none of a detector that only scores. */
  readonly opened: readonly number[];
  /** Bytes of the packed state; null of a detector that only scores. */
  readonly stateBytes: number | null;
}

/** Something that scores series online: the score of a sample uses it and those before. */
export interface OnlineDetector {
  readonly name: string;
  /** Whether other seeds give other flags. */
  readonly isSeeded: boolean;
  run(
    timesS: Float64Array,
    values: readonly Float64Array[],
    given: { readonly seed: number; readonly falseAlarmRate: number },
  ): Said;
}

const ours = detectors[0]!;

/** The default detector of the streams. */
export const DRIFTLINE: OnlineDetector = {
  name: ours.name,
  isSeeded: true,
  run(timesS, values, { seed, falseAlarmRate }) {
    const out: Detection = {
      score: new Float64Array(timesS.length),
      flag: new Float64Array(timesS.length),
      events: [],
    };
    const options = { ...DEFAULT_FLAG_OPTIONS, falseAlarmRate };
    const state = ours.initialState({ channels: values.length, seed, options });
    ours.absorb(state, timesS, values, out);
    const opened = out.events.filter(({ phase }) => phase === "open").map(({ index }) => index);
    return { ...out, opened, stateBytes: packTree(state).length };
  },
};

/** Scores each channel by itself; the largest counts. */
function scoresOnly(
  name: string,
  scoreOf: (values: Float64Array, out: Float64Array) => void,
): OnlineDetector {
  return {
    name,
    isSeeded: false,
    run(_, values) {
      const score = new Float64Array(values[0]!.length);
      const own = new Float64Array(score.length);
      for (const column of values) {
        own.fill(0);
        scoreOf(column, own);
        for (let i = 0; i < own.length; i++) score[i] = Math.max(score[i]!, own[i]!);
      }
      return { score, flag: score, opened: [], stateBytes: null };
    },
  };
}

const WINDOW = 100;
const WINDOW_MIN = 20;

/** Distance from the mean of the last 100 samples, in their standard deviations. */
function rollingScores(values: Float64Array, out: Float64Array): void {
  for (let i = WINDOW_MIN; i < values.length; i++) {
    const past = values.subarray(Math.max(0, i - WINDOW), i);
    const mean = past.reduce((sum, x) => sum + x, 0) / past.length;
    const variance = past.reduce((sum, x) => sum + (x - mean) ** 2, 0) / past.length;
    if (variance > 0) out[i] = Math.abs(values[i]! - mean) / Math.sqrt(variance);
  }
}

const AVERAGE_TAU = 20;
const SCALE_TAU = 200;

/** Error of an exponential average, in units of its own past size. */
function averageScores(values: Float64Array, out: Float64Array): void {
  let average = values[0]!;
  let scale = 0;
  for (let i = 1; i < values.length; i++) {
    const error = Math.abs(values[i]! - average);
    if (i >= WINDOW_MIN && scale > 0) out[i] = error / scale;
    average += (values[i]! - average) / AVERAGE_TAU;
    scale += (error - scale) / Math.min(i, SCALE_TAU);
  }
}

const MAD_WINDOW = 2048;
const MAD_PERIOD = 64;

function medianOf(values: Float64Array): number {
  return values.sort()[values.length >> 1]!;
}

/** Distance from the median of the last 2,048 samples, in their median absolute deviations. */
function medianScores(values: Float64Array, out: Float64Array): void {
  let median = 0;
  let deviation = 0;
  for (let i = WINDOW_MIN; i < values.length; i++) {
    if ((i - WINDOW_MIN) % MAD_PERIOD === 0) {
      const past = values.slice(Math.max(0, i - MAD_WINDOW), i);
      median = medianOf(past);
      deviation = medianOf(past.map((x) => Math.abs(x - median)));
    }
    if (deviation > 0) out[i] = Math.abs(values[i]! - median) / deviation;
  }
}

/** All that are measured, ours first. */
export const ONLINE_DETECTORS: readonly OnlineDetector[] = [
  DRIFTLINE,
  scoresOnly("rolling z-score", rollingScores),
  scoresOnly("EWMA error", averageScores),
  scoresOnly("distance in MADs", medianScores),
];
