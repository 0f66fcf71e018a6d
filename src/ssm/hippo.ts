/**
 * HiPPO: the continuous-time memories whose state holds the coefficients of the past input in a
 * basis of polynomials or sinusoids.
 *
 *   dx/dt = A·x + B·u
 *
 * Gu et al., "HiPPO: Recurrent Memory with Optimal Polynomial Projections" (arXiv 2008.07669) and
 * "How to Train Your HiPPO" (arXiv 2206.12037). The scalings are those of the state-spaces/s4
 * repository, which differ from the papers in places; each measure says so.
 */
import { InvalidValueError } from "../base/errors.ts";
import { gamma } from "./gamma.ts";

/** A single-input continuous-time system. */
export interface Transition {
  /** Row-major.                                                               [state, state] */
  readonly A: Float64Array;
  /**                                                                                 [state] */
  readonly B: Float64Array;
  readonly stateSize: number;
}

/** Names of the measures that {@linkcode hippoTransition} knows. */
export const HIPPO_MEASURES = [
  "legs",
  "legsd",
  "legt",
  "legt_unhalved",
  "lmu",
  "lagt",
  "tlagt",
  "glagt",
  "fourier",
  "fout",
  "fourier_decay",
  "fourier2",
  "foud",
  "fourier_diag",
] as const;

/** One of {@linkcode HIPPO_MEASURES}. */
export type HippoMeasure = (typeof HIPPO_MEASURES)[number];

/** Parameters of the Laguerre measures; the others have none. */
export interface MeasureOptions {
  /** Order of the generalised Laguerre polynomials, in (−1, 1); default 0. */
  readonly alpha?: number;
  /** Tilt of the exponential window, > 0; default 1 (lagt, tlagt) or 0.01 (glagt). */
  readonly beta?: number;
}

/** States beyond this need matrices that no caller of this library has a use for. */
export const HIPPO_STATES_MAX = 4096;

/** Whether a text names a measure. */
export function isHippoMeasure(name: string): name is HippoMeasure {
  return (HIPPO_MEASURES as readonly string[]).includes(name);
}

/**
 * The matrices A and B of a measure.
 *
 * - `legs` LegS: all of the past, equally weighted (scale invariant: use A/t, B/t), HiPPO eq. 3.
 * - `legsd` the normal part of LegS: A + ½·B·Bᵀ, with B halved.
 * - `legt` a sliding window, orthonormal Legendre, halved so that the window has length 1 at dt;
 *   `legt_unhalved` as in HiPPO; `lmu` the same window in the scaling of Legendre Memory Units.
 * - `lagt`, `tlagt`, `glagt` exponential windows: Laguerre, tilted, generalised.
 * - `fourier` = `fout` a window in sinusoids; `fourier2` on length 1; `fourier_decay` with a soft
 *   edge; `foud` = `fourier_diag` only its normal part.
 *
 * @param stateSize states; even for the Fourier family
 * @throws {InvalidValueError} an unknown measure, a size or an option out of range
 */
export function hippoTransition(
  measure: HippoMeasure,
  stateSize: number,
  options: MeasureOptions = {},
): Transition {
  if (!Number.isInteger(stateSize) || stateSize < 1 || stateSize > HIPPO_STATES_MAX) {
    throw new InvalidValueError("stateSize", stateSize, `an integer from 1 to ${HIPPO_STATES_MAX}`);
  }
  switch (measure) {
    case "legs":
      return legs(stateSize);
    case "legsd":
      return legsNormal(stateSize);
    case "legt":
      return scaled(legtUnhalved(stateSize), 0.5);
    case "legt_unhalved":
      return legtUnhalved(stateSize);
    case "lmu":
      return lmu(stateSize);
    case "lagt":
      return laguerre(stateSize, 0.5, options.beta ?? 1);
    case "tlagt": {
      const beta = options.beta ?? 1;
      return laguerre(stateSize, (1 - beta) / 2, beta);
    }
    case "glagt":
      return generalisedLaguerre(stateSize, options.alpha ?? 0, options.beta ?? 0.01);
    case "fourier":
    case "fout":
      return fourier(stateSize, { frequency: Math.PI, endpoint: 1, input: 1 });
    case "fourier2":
      return fourier(stateSize, { frequency: 2 * Math.PI, endpoint: 2, input: 2 });
    case "fourier_decay":
      return fourier(stateSize, { frequency: Math.PI, endpoint: 0.5, input: 0.5 });
    case "foud":
    case "fourier_diag":
      return fourierNormal(stateSize);
    default:
      measure satisfies never;
      throw new InvalidValueError("measure", measure, `one of ${HIPPO_MEASURES.join(", ")}`);
  }
}

function build(
  stateSize: number,
  A: (row: number, column: number) => number,
  B: (row: number) => number,
): Transition {
  const matrix = new Float64Array(stateSize * stateSize);
  const input = new Float64Array(stateSize);
  for (let n = 0; n < stateSize; n++) {
    for (let k = 0; k < stateSize; k++) matrix[n * stateSize + k] = A(n, k);
    input[n] = B(n);
  }
  return { A: matrix, B: input, stateSize };
}

function scaled(system: Transition, factor: number): Transition {
  return {
    A: system.A.map((value) => value * factor),
    B: system.B.map((value) => value * factor),
    stateSize: system.stateSize,
  };
}

/** A[n,k] = −√(2n+1)·√(2k+1) below the diagonal, −(n+1) on it; B[n] = √(2n+1). */
function legs(stateSize: number): Transition {
  const weight = (n: number) => Math.sqrt(2 * n + 1);
  return build(
    stateSize,
    (n, k) => (n > k ? -weight(n) * weight(k) : n === k ? -(n + 1) : 0),
    weight,
  );
}

/** A[n,k] = ∓½·√(2n+1)·√(2k+1) off the diagonal, −½ on it: skew up to −I/2. */
function legsNormal(stateSize: number): Transition {
  const weight = (n: number) => Math.sqrt(2 * n + 1);
  return build(
    stateSize,
    (n, k) => (n === k ? -0.5 : ((n > k ? -1 : 1) * weight(n) * weight(k)) / 2),
    (n) => weight(n) / 2,
  );
}

function legtUnhalved(stateSize: number): Transition {
  const weight = (n: number) => Math.sqrt(2 * n + 1);
  const sign = (n: number, k: number) => (n < k && (k - n) % 2 === 1 ? -1 : 1);
  return build(stateSize, (n, k) => -sign(n, k) * weight(n) * weight(k), weight);
}

function lmu(stateSize: number): Transition {
  const alternate = (n: number) => (n % 2 === 0 ? 1 : -1);
  return build(
    stateSize,
    (n, k) => (2 * n + 1) * (n < k ? -1 : -alternate(n - k)),
    (n) => (2 * n + 1) * alternate(n),
  );
}

/** A = shift·I − tril(1); B = beta. */
function laguerre(stateSize: number, shift: number, beta: number): Transition {
  checkBeta(beta);
  return build(stateSize, (n, k) => (n > k ? -1 : n === k ? shift - 1 : 0), () => beta);
}

function checkBeta(beta: number): void {
  if (!(beta > 0 && Number.isFinite(beta))) {
    throw new InvalidValueError("beta", beta, "a finite number above 0");
  }
}

/**
 * Generalised Laguerre polynomials of order alpha, normalised:
 *
 *   A = L⁻¹·(−(1+beta)/2·I − tril(1, −1))·L,   L[n]² = Γ(n+alpha+1) / Γ(n+1)
 *   B[n] = L[n]⁻¹·binom(alpha+n, n)·Γ(1−alpha)^(−½)·beta^((1−alpha)/2)
 *
 * The ratios of gammas are running products, so that large n loses no digits.
 */
function generalisedLaguerre(stateSize: number, alpha: number, beta: number): Transition {
  checkBeta(beta);
  if (!(alpha > -1 && alpha < 1)) throw new InvalidValueError("alpha", alpha, "between -1 and 1");
  const norm = new Float64Array(stateSize);
  const binomial = new Float64Array(stateSize);
  norm[0] = Math.sqrt(gamma(alpha + 1));
  binomial[0] = 1;
  for (let n = 1; n < stateSize; n++) {
    norm[n] = norm[n - 1]! * Math.sqrt((n + alpha) / n);
    binomial[n] = (binomial[n - 1]! * (n + alpha)) / n;
  }
  const input = gamma(1 - alpha) ** -0.5 * beta ** ((1 - alpha) / 2);
  return build(
    stateSize,
    (n, k) => (n > k ? -norm[k]! / norm[n]! : n === k ? -(1 + beta) / 2 : 0),
    (n) => (binomial[n]! / norm[n]!) * input,
  );
}

/** B before scaling: 1 for the constant, √2 for each cosine, 0 for each sine. */
export function fourierInput(n: number): number {
  return n === 0 ? 1 : n % 2 === 0 ? Math.SQRT2 : 0;
}

function checkEven(stateSize: number): void {
  if (stateSize % 2 !== 0) {
    throw new InvalidValueError("stateSize", stateSize, "even for the Fourier measures");
  }
}

/**
 * A = frequency·S − endpoint·b·bᵀ and B = input·b, with S the rotation of each pair (cos, sin) at
 * 0, 1, 2 ... turns; the term b·bᵀ lets go of what leaves the window.
 */
function fourier(
  stateSize: number,
  by: { frequency: number; endpoint: number; input: number },
): Transition {
  checkEven(stateSize);
  const rotation = (n: number, k: number) => {
    if (k === n + 1 && n % 2 === 0) return -by.frequency * (n / 2);
    if (n === k + 1 && k % 2 === 0) return by.frequency * (k / 2);
    return 0;
  };
  return build(
    stateSize,
    (n, k) => rotation(n, k) - by.endpoint * fourierInput(n) * fourierInput(k),
    (n) => by.input * fourierInput(n),
  );
}

/** A = 2π·S − ½·I: S4D-Lin in real form. */
function fourierNormal(stateSize: number): Transition {
  checkEven(stateSize);
  return build(
    stateSize,
    (n, k) => {
      if (n === k) return -0.5;
      if (k === n + 1 && n % 2 === 0) return -2 * Math.PI * (n / 2);
      if (n === k + 1 && k % 2 === 0) return 2 * Math.PI * (k / 2);
      return 0;
    },
    fourierInput,
  );
}
