/**
 * HiPPO measures as memories: each with a window of one unit of time, and the functions whose
 * coefficients its state holds, so that the past can be drawn again from the state.
 *
 * Gu et al. (arXiv 2008.07669), section 2; the matrices are those of `hippo.ts`, whose windows have
 * different lengths.
 */
import { InvalidValueError } from "../base/errors.ts";
import { hippoTransition, type Transition } from "./hippo.ts";
import { legendre } from "./projection.ts";

/**
 * Names of the memories.
 *
 * - `legs` all of the past, equally weighted; its matrices are those at time 1 (use A/t, B/t);
 * - `legt` a sliding window in orthonormal Legendre polynomials, newest end at 1;
 * - `lmu` the same window in the scaling of Legendre Memory Units: P_n, newest end at −1;
 * - `lagt` an exponentially fading past, Laguerre functions of the age;
 * - `fourier` a sliding window in sines and cosines.
 */
export const MEMORY_MEASURES = ["legs", "legt", "lmu", "lagt", "fourier"] as const;

/** One of {@linkcode MEMORY_MEASURES}. */
export type MemoryMeasure = (typeof MEMORY_MEASURES)[number];

/** Units of time of the window in the scaling of {@linkcode hippoTransition}. */
const WINDOW_UNITS: Readonly<Record<MemoryMeasure, number>> = {
  legs: 1,
  legt: 2,
  lmu: 1,
  lagt: 1,
  fourier: 2,
};

/**
 * The continuous-time system of a memory whose window is one unit of time (`lagt`: whose weight
 * e^(−age) falls to 1/e in one unit).
 *
 * @throws {InvalidValueError} a size out of range; odd for `fourier`
 */
export function memorySystem(measure: MemoryMeasure, stateSize: number): Transition {
  const { A, B } = hippoTransition(measure, stateSize);
  const units = WINDOW_UNITS[measure];
  return { A: A.map((value) => units * value), B: B.map((value) => units * value), stateSize };
}

/** Laguerre functions L_n(age)·exp(−age/2). */
function laguerreFunctions(count: number, age: number): Float64Array {
  const values = new Float64Array(count);
  values[0] = Math.exp(-age / 2);
  if (count > 1) values[1] = (1 - age) * values[0]!;
  for (let n = 1; n + 1 < count; n++) {
    values[n + 1] = ((2 * n + 1 - age) * values[n]! - n * values[n - 1]!) / (n + 1);
  }
  return values;
}

function rowOf(measure: MemoryMeasure, count: number, age: number): Float64Array {
  switch (measure) {
    case "legs":
    case "legt":
      return legendre(count, 1 - 2 * age).map((value, n) => Math.sqrt(2 * n + 1) * value);
    case "lmu":
      return legendre(count, 2 * age - 1);
    case "lagt":
      return laguerreFunctions(count, age);
    case "fourier":
      return Float64Array.from({ length: count }, (_, n) => {
        const angle = 2 * Math.PI * Math.floor(n / 2) * age;
        if (n < 2) return n === 0 ? 1 : 0;
        return Math.SQRT2 * (n % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
      });
    default:
      measure satisfies never;
      throw new InvalidValueError("measure", measure, `one of ${MEMORY_MEASURES.join(", ")}`);
  }
}

/**
 * What the past at some ages is made of: f(now − age) ≈ Σ_n basis[point, n]·x_n.
 *
 * @param ages  shares of the window: 0 is now, 1 its far end (`legs`: the beginning of time;
 *              `lagt`: beyond 1 too)                                                 [point]
 * @returns                                                                   [point, state]
 * @throws {InvalidValueError} an age is outside of the window
 */
export function memoryBasis(
  measure: MemoryMeasure,
  stateSize: number,
  ages: ArrayLike<number>,
): Float64Array {
  const basis = new Float64Array(ages.length * stateSize);
  for (let point = 0; point < ages.length; point++) {
    const age = ages[point]!;
    const most = measure === "lagt" ? Number.MAX_VALUE : 1;
    if (!(age >= 0 && age <= most)) {
      const range = measure === "lagt" ? "a number of at least 0" : "a number from 0 to 1";
      throw new InvalidValueError(`ages[${point}]`, age, range);
    }
    basis.set(rowOf(measure, stateSize, age), point * stateSize);
  }
  return basis;
}
