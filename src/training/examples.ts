/**
 * Examples from series: windows of a context and what follows it. A minibatch is a pure function of
 * the seed and its index.
 */
import { InvalidValueError } from "../base/errors.ts";
import { nextUint32, nextUniform, type RandomState, seedRandom } from "../base/random.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";

/** What a model learns from at once, f32. */
export interface Minibatch {
  /**                                     [batch, length] or [batch, length, feature] */
  readonly input: Tensor;
  /** Rows of whatever the loss compares with the model's output. */
  readonly target: Tensor;
  /** 1 where a row of the target counts, 0 where it does not; all count where absent. */
  readonly weight?: Tensor;
  /** Elapsed time of each sample in sampling periods; 1 where absent.       [batch, length] */
  readonly dtScale?: Tensor;
}

/** How windows are cut. */
export interface WindowOptions {
  /** Samples that the model sees. */
  readonly context: number;
  /** Samples that it forecasts. */
  readonly horizon: number;
  /** Windows of a minibatch. */
  readonly batch: number;
  readonly seed: number;
}

/** Features of a window's samples: the scaled value, and 1 where it was observed. */
export const WINDOW_FEATURES = 2;

/** A part of every series: its windows' samples all lie within. */
export interface SeriesPart {
  readonly values: Float64Array;
  /** First sample. */
  readonly from: number;
  /** One past the last sample. */
  readonly to: number;
}

/** Centre and scale of the observed values of a window. */
function scaleOf(values: Float64Array): { centre: number; scale: number } {
  let count = 0;
  let sum = 0;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  const centre = count === 0 ? 0 : sum / count;
  let squares = 0;
  for (const value of values) if (!Number.isNaN(value)) squares += (value - centre) ** 2;
  const scale = Math.sqrt(squares / Math.max(1, count));
  return { centre, scale: scale > 0 ? scale : 1 };
}

/** Writes window `row` of a minibatch; `start` is its first sample. */
function cutInto(
  out: { input: Float32Array; target: Float32Array; weight: Float32Array },
  row: number,
  values: Float64Array,
  start: number,
  { context, horizon }: WindowOptions,
): void {
  const past = values.subarray(start, start + context);
  const { centre, scale } = scaleOf(past);
  past.forEach((value, k) => {
    const at = (row * context + k) * WINDOW_FEATURES;
    const isObserved = !Number.isNaN(value);
    out.input[at] = isObserved ? (value - centre) / scale : 0;
    out.input[at + 1] = isObserved ? 1 : 0;
  });
  values.subarray(start + context, start + context + horizon).forEach((value, k) => {
    const at = row * horizon + k;
    const isObserved = !Number.isNaN(value);
    // Missing values have weight 0 and must still be numbers.
    out.target[at] = isObserved ? (value - centre) / scale : 0;
    out.weight[at] = isObserved ? 1 : 0;
  });
}

function minibatchOf(
  windows: readonly { readonly values: Float64Array; readonly start: number }[],
  options: WindowOptions,
): Required<Omit<Minibatch, "dtScale">> {
  const { context, horizon } = options;
  const batch = windows.length;
  const out = {
    input: new Float32Array(batch * context * WINDOW_FEATURES),
    target: new Float32Array(batch * horizon),
    weight: new Float32Array(batch * horizon),
  };
  windows.forEach(({ values, start }, row) => cutInto(out, row, values, start, options));
  return {
    input: tensorOf([batch, context, WINDOW_FEATURES], out.input),
    target: tensorOf([batch, horizon], out.target),
    weight: tensorOf([batch, horizon], out.weight),
  };
}

/** Parts long enough for a window, with how many windows each has. */
function usable(parts: readonly SeriesPart[], { context, horizon }: WindowOptions) {
  const counted = parts
    .map((part) => ({ part, count: part.to - part.from - context - horizon + 1 }))
    .filter(({ count }) => count > 0);
  if (counted.length > 0) return counted;
  const longest = Math.max(0, ...parts.map(({ from, to }) => to - from));
  const wanted = `at least context + horizon, ${context + horizon}`;
  throw new InvalidValueError("series.length", longest, wanted);
}

function below(random: RandomState, count: number): number {
  return Math.floor(nextUniform(random) * count);
}

/**
 * Windows drawn at random: all windows of all parts are equally likely.
 *
 * @returns input [batch, context, {@linkcode WINDOW_FEATURES}] and target [batch, horizon], both
 *          centred and scaled by the context's mean and deviation; weight [batch, horizon] 0 where
 *          nothing was observed
 * @throws {InvalidValueError} no part is as long as a window
 */
export function drawWindows(
  parts: readonly SeriesPart[],
  options: WindowOptions,
): (index: number) => Required<Omit<Minibatch, "dtScale">> {
  const counted = usable(parts, options);
  const total = counted.reduce((sum, { count }) => sum + count, 0);
  return (index) => {
    const random = seedRandom((options.seed ^ nextUint32(seedRandom(index))) >>> 0);
    const windows = Array.from({ length: options.batch }, () => {
      let at = below(random, total);
      const { part } = counted.find(({ count }) => (at -= count) < 0)!;
      const count = part.to - part.from - options.context - options.horizon + 1;
      return { values: part.values, start: part.from + count + at };
    });
    return minibatchOf(windows, options);
  };
}

/**
 * Windows at even distances over each part, at most `windowsMax` in all: what an evaluation sees.
 *
 * @throws {InvalidValueError} no part is as long as a window
 */
export function evenWindows(
  parts: readonly SeriesPart[],
  options: WindowOptions,
  windowsMax: number,
): Required<Omit<Minibatch, "dtScale">>[] {
  const counted = usable(parts, options);
  const each = Math.max(1, Math.floor(windowsMax / counted.length));
  const windows = counted.flatMap(({ part, count }) => {
    const own = Math.min(each, count);
    return Array.from({ length: own }, (_, i) => ({
      values: part.values,
      start: part.from + (own === 1 ? 0 : Math.round(i * (count - 1) / (own - 1))),
    }));
  });
  const minibatches: Required<Omit<Minibatch, "dtScale">>[] = [];
  for (let at = 0; at < windows.length; at += options.batch) {
    minibatches.push(minibatchOf(windows.slice(at, at + options.batch), options));
  }
  return minibatches;
}
