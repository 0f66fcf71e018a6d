/**
 * One exact step of the LegS memory under a held input, at any elapsed time and without matrix
 * exponentials.
 *
 * LegS keeps the coefficients x of the whole past f on [0, t] in the orthonormal shifted Legendre
 * polynomials p_n(τ) = √(2n+1)·P_n(2τ − 1) of τ = time/t. When the input u is held until t/ρ, the
 * past fills the share ρ of the interval and u the rest, and projecting that anew gives
 *
 *   x'_n = ∫₀^ρ f(τ/ρ)·p_n(τ) dτ + u·∫_ρ¹ p_n(τ) dτ
 *        = Σ_i ρ·w_i·f(σ_i)·p_n(ρ·σ_i) + u·h_n(ρ),       f(σ_i) = Σ_k p_k(σ_i)·x_k
 *
 * with the nodes σ_i and weights w_i of Gauss and Legendre, as many as states, which integrate the
 * products exactly. This is the flow of HiPPO's equation 3 (arXiv 2008.07669), exp(A·log(1/ρ)):
 * its matrix is lower triangular, so that the coefficients that are not kept have no part in it.
 */
import { legendre } from "./projection.ts";

/** Constants of a step. */
export interface LegsQuadrature {
  readonly stateSize: number;
  /** σ in (0, 1), ascending.                                                          [node] */
  readonly nodes: Float64Array;
  /** Their sum is 1.                                                                  [node] */
  readonly weights: Float64Array;
  /** p_k(σ_i).                                                                 [node, state] */
  readonly basis: Float64Array;
}

const known = new Map<number, LegsQuadrature>();

/** P_n and its derivative at x inside (−1, 1). */
function legendreWithSlope(n: number, x: number): [value: number, slope: number] {
  const values = legendre(n + 1, x);
  const before = n > 0 ? values[n - 1]! : 0;
  return [values[n]!, n * (before - x * values[n]!) / (1 - x * x)];
}

/**
 * Nodes and weights on (0, 1): roots of P_N by Newton's method from their asymptotic places, with
 * weights 1/((1 − x²)·P_N'(x)²) (NIST Handbook 3.5.18 and 3.5.20, halved for the unit interval).
 */
export function legsQuadrature(stateSize: number): LegsQuadrature {
  let quadrature = known.get(stateSize);
  if (quadrature !== undefined) return quadrature;
  const nodes = new Float64Array(stateSize);
  const weights = new Float64Array(stateSize);
  const basis = new Float64Array(stateSize * stateSize);
  for (let i = 0; i < stateSize; i++) {
    let x = -Math.cos(Math.PI * (i + 0.75) / (stateSize + 0.5));
    for (let round = 0; round < 6; round++) {
      const [value, slope] = legendreWithSlope(stateSize, x);
      x -= value / slope;
    }
    const [, slope] = legendreWithSlope(stateSize, x);
    nodes[i] = (1 + x) / 2;
    weights[i] = 1 / ((1 - x * x) * slope * slope);
    const values = legendre(stateSize, x);
    for (let k = 0; k < stateSize; k++) {
      basis[i * stateSize + k] = Math.sqrt(2 * k + 1) * values[k]!;
    }
  }
  quadrature = { stateSize, nodes, weights, basis };
  known.set(stateSize, quadrature);
  return quadrature;
}

/**
 * The weights of a held input: h_n = ∫ p_n over the last `share` of the unit interval.
 *
 *   h_0 = share,   h_n = √(2n+1)·4·share·(1 − share)·P_n'(1 − 2·share) / (2n·(n + 1))
 *
 * since (1 − x²)·P_n'(x) integrates n(n+1)·P_n; nothing cancels, however small the share is.
 *
 * @param out                                                                      [state]
 */
export function legsHeldInto(out: Float64Array, share: number): void {
  const x = 1 - 2 * share;
  const scale = 4 * share * (1 - share);
  let [older, newer] = [1, x];
  let [olderSlope, newerSlope] = [0, 1];
  if (out.length > 0) out[0] = share;
  for (let n = 1; n < out.length; n++) {
    out[n] = Math.sqrt(2 * n + 1) * scale * newerSlope / (2 * n * (n + 1));
    [olderSlope, newerSlope] = [newerSlope, olderSlope + (2 * n + 1) * newer];
    [older, newer] = [newer, ((2 * n + 1) * x * newer - n * older) / (n + 1)];
  }
}

/**
 * Advances coefficients over a step at whose end the share `share` of all time is new.
 *
 * @param next   receives the coefficients, not `x` itself                         [state]
 * @param x      coefficients before the step                                      [state]
 * @param held   {@linkcode legsHeldInto} of the share                             [state]
 * @param share  elapsed / (time at the end), in (0, 1]
 */
export function legsStepInto(
  next: Float64Array,
  x: ArrayLike<number>,
  u: number,
  held: Float64Array,
  share: number,
  { stateSize, nodes, weights, basis }: LegsQuadrature,
): void {
  for (let n = 0; n < stateSize; n++) next[n] = held[n]! * u;
  const kept = 1 - share;
  for (let i = 0; i < stateSize; i++) {
    let past = 0;
    for (let k = 0; k < stateSize; k++) past += basis[i * stateSize + k]! * x[k]!;
    past *= kept * weights[i]!;
    const at = 2 * kept * nodes[i]! - 1;
    let [older, newer] = [0, 1];
    for (let n = 0; n < stateSize; n++) {
      next[n] = next[n]! + Math.sqrt(2 * n + 1) * newer * past;
      [older, newer] = [newer, ((2 * n + 1) * at * newer - n * older) / (n + 1)];
    }
  }
}

/** The adjoint of {@linkcode legsStepInto} with respect to x: `into` = (dnext/dx)ᵀ·`from`. */
export function legsAdjointInto(
  into: Float64Array,
  from: Float64Array,
  share: number,
  { stateSize, nodes, weights, basis }: LegsQuadrature,
): void {
  into.fill(0);
  const kept = 1 - share;
  for (let i = 0; i < stateSize; i++) {
    const at = 2 * kept * nodes[i]! - 1;
    let [older, newer] = [0, 1];
    let sum = 0;
    for (let n = 0; n < stateSize; n++) {
      sum += Math.sqrt(2 * n + 1) * newer * from[n]!;
      [older, newer] = [newer, ((2 * n + 1) * at * newer - n * older) / (n + 1)];
    }
    sum *= kept * weights[i]!;
    for (let k = 0; k < stateSize; k++) {
      into[k] = into[k]! + basis[i * stateSize + k]! * sum;
    }
  }
}
