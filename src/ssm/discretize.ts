/**
 * From continuous to discrete time: dx/dt = A·x + B·u becomes x[k] = Abar·x[k−1] + Bbar·u[k].
 *
 * - `zoh` zero-order hold, exact for an input held over the step;
 * - `bilinear` (Tustin), the default of S4;
 * - `euler` forward, `backward` implicit Euler;
 * - `gbt` the generalised bilinear transform, of which the last three are the cases ½, 0 and 1:
 *   Abar = (I − α·dt·A)⁻¹·(I + (1−α)·dt·A),  Bbar = dt·(I − α·dt·A)⁻¹·B.
 *
 * LSSL (arXiv 2110.13985), section 2; S4D (arXiv 2206.11893), equation 7. C and D stay as they
 * are, unlike in control toolboxes that change them for the bilinear family.
 */
import { InvalidValueError } from "../base/errors.ts";
import { addScaled, identity, solve } from "./dense.ts";
import { matrixExponential } from "./matrix_exponential.ts";

/** Names of the methods. */
export const DISCRETIZATIONS = ["zoh", "bilinear", "euler", "backward", "gbt"] as const;

/** One of {@linkcode DISCRETIZATIONS}. */
export type Discretization = (typeof DISCRETIZATIONS)[number];

/** How to discretise. */
export interface DiscretizeOptions {
  readonly method: Discretization;
  /** Weight of the end of the step in `gbt`, 0 to 1; not used by the others. */
  readonly alpha?: number;
}

/** A discrete system; shapes as the continuous one's. */
export interface DiscreteSystem {
  readonly Abar: Float64Array;
  readonly Bbar: Float64Array;
}

function alphaOf({ method, alpha }: DiscretizeOptions): number {
  switch (method) {
    case "bilinear":
      return 0.5;
    case "euler":
      return 0;
    case "backward":
      return 1;
    case "gbt":
      if (alpha === undefined || !(alpha >= 0 && alpha <= 1)) {
        throw new InvalidValueError("alpha", alpha, "a number from 0 to 1");
      }
      return alpha;
    default:
      throw new InvalidValueError("method", method, `one of ${DISCRETIZATIONS.join(", ")}`);
  }
}

function checkStep(dt: number): void {
  if (!(dt >= 0 && Number.isFinite(dt))) throw new InvalidValueError("dt", dt, "finite and >= 0");
}

/**
 * Discretises a dense system.
 *
 * Zero-order hold takes the exponential of dt·[[A, B], [0, 0]], so that a singular A (an
 * integrator) needs no special case.
 *
 * @param A                                                                   [state, state]
 * @param B                                                                   [state, input]
 * @param dt step size, ≥ 0
 * @returns Abar [state, state], Bbar [state, input]
 * @throws {InvalidValueError} dt, alpha or the method
 * @throws {RangeError} I − α·dt·A is singular
 */
export function discretizeDense(
  A: Float64Array,
  B: Float64Array,
  { stateSize, dt, ...options }: DiscretizeOptions & { stateSize: number; dt: number },
): DiscreteSystem {
  checkStep(dt);
  const n = stateSize;
  const inputs = B.length / n;
  if (A.length !== n * n || !Number.isInteger(inputs)) {
    throw new InvalidValueError("stateSize", n, "the size of A's rows and B's columns");
  }
  if (options.method === "zoh") return holdDense(A, B, n, inputs, dt);
  const alpha = alphaOf(options);
  const one = identity(n);
  const implicit = addScaled(one, A, -alpha * dt);
  const explicit = addScaled(one, A, (1 - alpha) * dt);
  return {
    Abar: solve(implicit, explicit, n, n),
    Bbar: solve(implicit, B.map((value) => value * dt), n, inputs),
  };
}

function holdDense(
  A: Float64Array,
  B: Float64Array,
  n: number,
  inputs: number,
  dt: number,
): DiscreteSystem {
  const size = n + inputs;
  const augmented = new Float64Array(size * size);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) augmented[i * size + j] = A[i * n + j]! * dt;
    for (let j = 0; j < inputs; j++) augmented[i * size + n + j] = B[i * inputs + j]! * dt;
  }
  const exponential = matrixExponential(augmented, size);
  const Abar = new Float64Array(n * n);
  const Bbar = new Float64Array(n * inputs);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) Abar[i * n + j] = exponential[i * size + j]!;
    for (let j = 0; j < inputs; j++) Bbar[i * inputs + j] = exponential[i * size + n + j]!;
  }
  return { Abar, Bbar };
}

/**
 * Discretises complex poles, each with its own input weight.
 *
 *   zoh:  Abar = exp(dt·lambda),   Bbar = (Abar − 1) / lambda · B
 *
 * Near dt·lambda = 0 the quotient is evaluated through expm1, without cancellation; at lambda = 0
 * it is dt.
 *
 * @param lambda poles                                                           [mode] c64
 * @param B      input weights                                                   [mode] c64
 * @param dt     step size, ≥ 0: one number, or one for each mode                [1 | mode]
 * @returns Abar, Bbar                                                           [mode] c64
 * @throws {InvalidValueError} dt, alpha or the method
 */
export function discretizeDiagonal(
  lambda: Float64Array,
  B: Float64Array,
  dt: number | Float64Array,
  options: DiscretizeOptions,
): DiscreteSystem {
  if (lambda.length !== B.length) {
    throw new InvalidValueError("B", B.length, `as long as lambda (${lambda.length})`);
  }
  const modes = lambda.length / 2;
  const Abar = new Float64Array(2 * modes);
  const Bbar = new Float64Array(2 * modes);
  const alpha = options.method === "zoh" ? 0 : alphaOf(options);
  for (let i = 0; i < modes; i++) {
    const step = typeof dt === "number" ? dt : dt[i]!;
    checkStep(step);
    if (options.method === "zoh") holdModeInto(Abar, Bbar, lambda, step, i);
    else bilinearModeInto(Abar, Bbar, lambda, step, alpha, i);
    // Bbar holds the factor of B so far.
    const re = Bbar[2 * i]!;
    const im = Bbar[2 * i + 1]!;
    Bbar[2 * i] = re * B[2 * i]! - im * B[2 * i + 1]!;
    Bbar[2 * i + 1] = re * B[2 * i + 1]! + im * B[2 * i]!;
  }
  return { Abar, Bbar };
}

/** Writes exp(dt·lambda) and (exp(dt·lambda) − 1)/lambda of one mode. */
function holdModeInto(
  Abar: Float64Array,
  factor: Float64Array,
  lambda: Float64Array,
  dt: number,
  i: number,
): void {
  const re = lambda[2 * i]!;
  const im = lambda[2 * i + 1]!;
  const growth = Math.exp(re * dt);
  Abar[2 * i] = growth * Math.cos(im * dt);
  Abar[2 * i + 1] = growth * Math.sin(im * dt);
  const squared = re * re + im * im;
  if (squared === 0) {
    factor[2 * i] = dt;
    factor[2 * i + 1] = 0;
    return;
  }
  // exp(z) − 1 = expm1(a)·cos b − 2·sin²(b/2) + i·exp(a)·sin b, each term without cancellation.
  const half = Math.sin((im * dt) / 2);
  const numeratorRe = Math.expm1(re * dt) * Math.cos(im * dt) - 2 * half * half;
  const numeratorIm = Abar[2 * i + 1]!;
  factor[2 * i] = (numeratorRe * re + numeratorIm * im) / squared;
  factor[2 * i + 1] = (numeratorIm * re - numeratorRe * im) / squared;
}

/** Writes (1 + (1−α)·dt·lambda)/(1 − α·dt·lambda) and dt/(1 − α·dt·lambda) of one mode. */
function bilinearModeInto(
  Abar: Float64Array,
  factor: Float64Array,
  lambda: Float64Array,
  dt: number,
  alpha: number,
  i: number,
): void {
  const re = lambda[2 * i]! * dt;
  const im = lambda[2 * i + 1]! * dt;
  const denominatorRe = 1 - alpha * re;
  const denominatorIm = -alpha * im;
  const squared = denominatorRe ** 2 + denominatorIm ** 2;
  const inverseRe = denominatorRe / squared;
  const inverseIm = -denominatorIm / squared;
  const numeratorRe = 1 + (1 - alpha) * re;
  const numeratorIm = (1 - alpha) * im;
  Abar[2 * i] = numeratorRe * inverseRe - numeratorIm * inverseIm;
  Abar[2 * i + 1] = numeratorRe * inverseIm + numeratorIm * inverseRe;
  factor[2 * i] = dt * inverseRe;
  factor[2 * i + 1] = dt * inverseIm;
}
