/**
 * Discretisation of one complex mode, and its derivatives: what the twins of the diagonal
 * scans and of `discretize` share and `shaders/shared/discretize_mode.wgsl` repeats in f32.
 *
 *   zoh       Abar = exp(z)                  f = (Abar − 1)/lambda         z = dt·lambda
 *   bilinear  Abar = (1 + z/2)/(1 − z/2)     f = dt/(1 − z/2)              Bbar = f·B
 */

/** A complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** a·b. */
export function times(a: Complex, b: Complex): Complex {
  return { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re };
}

/** conj(a)·b, the adjoint of multiplying by a. */
export function adjointTimes(a: Complex, b: Complex): Complex {
  return { re: a.re * b.re + a.im * b.im, im: a.re * b.im - a.im * b.re };
}

/** Re(conj(a)·b): the change of a loss with gradient `a` along `b`. */
export function dot(a: Complex, b: Complex): number {
  return a.re * b.re + a.im * b.im;
}

function divide(a: Complex, b: Complex): Complex {
  const norm = b.re * b.re + b.im * b.im;
  return { re: (a.re * b.re + a.im * b.im) / norm, im: (a.im * b.re - a.re * b.im) / norm };
}

/**
 * Abar and the factor f of Bbar = f·B.
 *
 * @param out  written: Abar, then the factor, as [re, im, re, im]
 */
export function discretizeModeInto(
  out: Float64Array,
  re: number,
  im: number,
  dt: number,
  bilinear: boolean,
): void {
  const zr = dt * re;
  const zi = dt * im;
  if (bilinear) {
    const belowR = 1 - zr / 2;
    const belowI = -zi / 2;
    const norm = belowR * belowR + belowI * belowI;
    const aboveR = 1 + zr / 2;
    const aboveI = zi / 2;
    out[0] = (aboveR * belowR + aboveI * belowI) / norm;
    out[1] = (aboveI * belowR - aboveR * belowI) / norm;
    out[2] = dt * belowR / norm;
    out[3] = -dt * belowI / norm;
    return;
  }
  // exp(z) − 1 by parts that do not cancel for small z.
  const half = Math.sin(zi / 2);
  const em1R = Math.expm1(zr) * Math.cos(zi) - 2 * half * half;
  const em1I = Math.exp(zr) * Math.sin(zi);
  out[0] = 1 + em1R;
  out[1] = em1I;
  const norm = re * re + im * im;
  out[2] = norm > 0 ? (em1R * re + em1I * im) / norm : dt;
  out[3] = norm > 0 ? (em1I * re - em1R * im) / norm : 0;
}

/** The same as complex numbers. */
export function discretizeMode(
  lambda: Complex,
  dt: number,
  bilinear: boolean,
): { Abar: Complex; factor: Complex } {
  discretizeModeInto(scratch, lambda.re, lambda.im, dt, bilinear);
  return {
    Abar: { re: scratch[0]!, im: scratch[1]! },
    factor: { re: scratch[2]!, im: scratch[3]! },
  };
}

const scratch = new Float64Array(4);

/** Derivatives with respect to lambda and dt. */
export interface ModeSlopes {
  readonly AbarByLambda: Complex;
  readonly AbarByDt: Complex;
  readonly factorByLambda: Complex;
  readonly factorByDt: Complex;
}

/** Below this |z| the series of the slope of f is summed: the closed form would cancel. */
const SERIES_BELOW = 0.5;
const SERIES_TERMS = 18;

/** ((z − 1)·exp(z) + 1)/z² = Σ (m − 1)/m!·z^(m−2) over m ≥ 2. */
function holdSlope(z: Complex): Complex {
  if (z.re * z.re + z.im * z.im >= SERIES_BELOW * SERIES_BELOW) {
    const modulus = Math.exp(z.re);
    const power = { re: modulus * Math.cos(z.im), im: modulus * Math.sin(z.im) };
    const above = times({ re: z.re - 1, im: z.im }, power);
    return divide({ re: above.re + 1, im: above.im }, times(z, z));
  }
  let power: Complex = { re: 1, im: 0 };
  let factorial = 2;
  let re = 0.5;
  let im = 0;
  for (let m = 3; m < SERIES_TERMS; m++) {
    power = times(power, z);
    factorial *= m;
    re += (m - 1) / factorial * power.re;
    im += (m - 1) / factorial * power.im;
  }
  return { re, im };
}

/** How Abar and f change with lambda and dt. */
export function slopesOfMode(lambda: Complex, dt: number, bilinear: boolean): ModeSlopes {
  const { Abar } = discretizeMode(lambda, dt, bilinear);
  const z = { re: dt * lambda.re, im: dt * lambda.im };
  if (bilinear) {
    const w = divide({ re: 1, im: 0 }, { re: 1 - z.re / 2, im: -z.im / 2 });
    const square = times(w, w);
    const half = dt * dt / 2;
    return {
      AbarByLambda: { re: dt * square.re, im: dt * square.im },
      AbarByDt: times(lambda, square),
      factorByLambda: { re: half * square.re, im: half * square.im },
      factorByDt: square,
    };
  }
  const slope = holdSlope(z);
  return {
    AbarByLambda: { re: dt * Abar.re, im: dt * Abar.im },
    AbarByDt: times(lambda, Abar),
    factorByLambda: { re: dt * dt * slope.re, im: dt * dt * slope.im },
    factorByDt: Abar,
  };
}

/** How `mimo_system` makes a discrete system; the last leaves it as it is. */
export const DISCRETE_METHODS = ["zoh", "bilinear", "continuous"] as const;

/** One of {@linkcode DISCRETE_METHODS}. */
export type DiscreteMethod = (typeof DISCRETE_METHODS)[number];

const ONE: Complex = { re: 1, im: 0 };
const ZERO: Complex = { re: 0, im: 0 };

/** Abar and the factor of B by a method. */
export function modeBy(
  method: DiscreteMethod,
  lambda: Complex,
  dt: number,
): { Abar: Complex; factor: Complex } {
  if (method === "continuous") return { Abar: lambda, factor: ONE };
  return discretizeMode(lambda, dt, method === "bilinear");
}

/** How both change with lambda and dt. */
export function slopesBy(method: DiscreteMethod, lambda: Complex, dt: number): ModeSlopes {
  if (method !== "continuous") return slopesOfMode(lambda, dt, method === "bilinear");
  return { AbarByLambda: ONE, AbarByDt: ZERO, factorByLambda: ZERO, factorByDt: ZERO };
}

/** The method as constants of `shaders/shared/discretize_by.wgsl`. */
export function methodConstants(method: DiscreteMethod) {
  return {
    BILINEAR: method === "bilinear" ? 1 : 0,
    CONTINUOUS: method === "continuous" ? 1 : 0,
  };
}
