import { featureStart, type FeatureState, seasonClock, takeSample } from "./features.ts";
import { ShapeError } from "../../base/errors.ts";
import { TOKEN_FEATURES } from "./shapes.ts";

/** What the backbone sees of a whole context, and the state that forecasts are made from. */
export interface ContextFeatures {
  /** What {@linkcode takeSample} writes, a row a sample.               [length, TOKEN_FEATURES] */
  readonly tokens: Float32Array<ArrayBuffer>;
  /** Slots between a sample and the one before; 1 at the first.                         [length] */
  readonly elapsed: Float32Array<ArrayBuffer>;
  /** The same on the season's clock: elapsed · {@linkcode seasonClock}.                 [length] */
  readonly seasonal: Float32Array<ArrayBuffer>;
  /** After the last sample. */
  readonly state: FeatureState;
}

/**
 * Takes in a whole context: the same numbers as one sample at a time.
 *
 * @param times    slot times of the observed samples, ascending                          [length]
 * @param values   their values                                                           [length]
 * @param seasons  season lengths in slots, 0 = none
 * @throws {ShapeError} times and values differ in length
 * @throws {InvalidValueError} as {@linkcode takeSample}
 */
export function contextFeatures(
  times: ArrayLike<number>,
  values: ArrayLike<number>,
  seasons: readonly [number, number],
): ContextFeatures {
  const length = times.length;
  if (values.length !== length) {
    throw new ShapeError("values", length, values.length);
  }
  const state = featureStart(seasons);
  const clock = seasonClock(state);
  const tokens = new Float32Array(length * TOKEN_FEATURES);
  const elapsed = new Float32Array(length);
  const seasonal = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    takeSample(state, times[i]!, values[i]!, tokens, i * TOKEN_FEATURES);
    elapsed[i] = state.elapsed;
    seasonal[i] = state.elapsed * clock;
  }
  return { tokens, elapsed, seasonal, state };
}
