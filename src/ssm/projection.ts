/**
 * Online projection of a signal on Legendre polynomials, and the way back.
 *
 * The coefficients advance by one linear step a sample and, at any time, draw the history again:
 * the memory of HiPPO (arXiv 2008.07669) made visible.
 */
import { InvalidValueError } from "../base/errors.ts";
import { type DiscreteSystem, discretizeDense, type DiscretizeOptions } from "./discretize.ts";
import { hippoTransition } from "./hippo.ts";

/** What is projected, and on how many polynomials. */
export interface ProjectionOptions extends DiscretizeOptions {
  /** Number of coefficients a channel. */
  readonly stateSize: number;
  /** Number of interleaved channels of the signal. */
  readonly channels: number;
}

function lengthOf(signal: Float64Array, channels: number): number {
  const length = signal.length / channels;
  if (!Number.isInteger(channels) || channels < 1 || !Number.isInteger(length)) {
    throw new InvalidValueError("channels", channels, `a divisor of ${signal.length}`);
  }
  return length;
}

/** coefficients ← Abar·coefficients + Bbar·u for each channel, from one row to the next. */
function advanceInto(
  out: Float64Array,
  row: number,
  signal: Float64Array,
  { Abar, Bbar }: DiscreteSystem,
  { stateSize, channels }: ProjectionOptions,
): void {
  for (let c = 0; c < channels; c++) {
    const to = (row * channels + c) * stateSize;
    const from = to - channels * stateSize;
    const u = signal[row * channels + c]!;
    for (let n = 0; n < stateSize; n++) {
      let sum = Bbar[n]! * u;
      if (row > 0) {
        for (let k = 0; k < stateSize; k++) sum += Abar[n * stateSize + k]! * out[from + k]!;
      }
      out[to + n] = sum;
    }
  }
}

/**
 * The discrete LegS step of sample `index` (0-based), whose step sizes shrink like 1/t.
 *
 * With t = index + 1 the system is A/t, B/t over a unit step; zero-order hold instead integrates
 * the time scale itself, over log(t + 1) − log(t) (HiPPO, appendix B.3).
 */
export function legsStep(
  stateSize: number,
  index: number,
  options: DiscretizeOptions,
): DiscreteSystem {
  const { A, B } = hippoTransition("legs", stateSize);
  const t = index + 1;
  const dt = options.method === "zoh" ? Math.log((t + 1) / t) : 1 / t;
  return discretizeDense(A, B, { ...options, stateSize, dt });
}

/**
 * LegS coefficients of a signal after each sample: all of the past, on [0, now].
 *
 * @param signal                                                          [length, channel]
 * @returns                                                        [length, channel, state]
 * @throws {InvalidValueError} sizes or the method
 */
export function projectLegs(signal: Float64Array, options: ProjectionOptions): Float64Array {
  const length = lengthOf(signal, options.channels);
  const out = new Float64Array(length * options.channels * options.stateSize);
  for (let row = 0; row < length; row++) {
    advanceInto(out, row, signal, legsStep(options.stateSize, row, options), options);
  }
  return out;
}

/**
 * LegT coefficients of a signal after each sample: a window of the last 1/dt samples, in the
 * scaling of Legendre Memory Units (measure `lmu`).
 *
 * @param signal                                                          [length, channel]
 * @param options with `dt`, the sampling step as a share of the window
 * @returns                                                        [length, channel, state]
 * @throws {InvalidValueError} sizes, dt or the method
 */
export function projectLegt(
  signal: Float64Array,
  options: ProjectionOptions & { readonly dt: number },
): Float64Array {
  const length = lengthOf(signal, options.channels);
  const { A, B } = hippoTransition("lmu", options.stateSize);
  const step = discretizeDense(A, B, options);
  const out = new Float64Array(length * options.channels * options.stateSize);
  for (let row = 0; row < length; row++) advanceInto(out, row, signal, step, options);
  return out;
}

/** Legendre polynomials P_0 ... P_(count−1) at x, by Bonnet's recursion. */
export function legendre(count: number, x: number): Float64Array {
  const values = new Float64Array(count);
  values[0] = 1;
  if (count > 1) values[1] = x;
  for (let n = 1; n + 1 < count; n++) {
    values[n + 1] = ((2 * n + 1) * x * values[n]! - n * values[n - 1]!) / (n + 1);
  }
  return values;
}

/**
 * The LegS basis on an even grid over the history, oldest first, both ends included.
 *
 *   basis[g, n] = √(2n+1)·P_n(2·g/(points−1) − 1)
 *
 * @returns                                                                  [points, state]
 */
export function legsBasis(stateSize: number, points: number): Float64Array {
  if (!Number.isInteger(points) || points < 2) {
    throw new InvalidValueError("points", points, "an integer of at least 2");
  }
  const basis = new Float64Array(points * stateSize);
  for (let g = 0; g < points; g++) {
    const values = legendre(stateSize, (2 * g) / (points - 1) - 1);
    for (let n = 0; n < stateSize; n++) {
      basis[g * stateSize + n] = Math.sqrt(2 * n + 1) * values[n]!;
    }
  }
  return basis;
}

/**
 * The LegT basis at the samples of the window, oldest first.
 *
 *   basis[g, n] = P_n(1 − 2·v),   v = g·dt < 1
 *
 * @returns                                                                  [points, state]
 */
export function legtBasis(stateSize: number, dt: number): Float64Array {
  if (!(dt > 0 && dt <= 1)) throw new InvalidValueError("dt", dt, "in (0, 1]");
  // The small margin keeps 1/dt samples where dt is a rounded fraction.
  const points = Math.ceil(1 / dt - 1e-9);
  const basis = new Float64Array(points * stateSize);
  for (let g = 0; g < points; g++) {
    basis.set(legendre(stateSize, 1 - 2 * g * dt), g * stateSize);
  }
  return basis;
}

/**
 * The signal that coefficients stand for.
 *
 * @param coefficients one set of each channel                             [channel, state]
 * @param basis        {@linkcode legsBasis} or {@linkcode legtBasis}       [points, state]
 * @returns                                                                [channel, points]
 */
export function reconstruct(
  coefficients: Float64Array,
  basis: Float64Array,
  stateSize: number,
): Float64Array {
  const channels = coefficients.length / stateSize;
  const points = basis.length / stateSize;
  const out = new Float64Array(channels * points);
  for (let c = 0; c < channels; c++) {
    for (let g = 0; g < points; g++) {
      let sum = 0;
      for (let n = 0; n < stateSize; n++) {
        sum += basis[g * stateSize + n]! * coefficients[c * stateSize + n]!;
      }
      out[c * points + g] = sum;
    }
  }
  return out;
}
