/**
 * Associative operators: what makes a recurrence a scan.
 *
 * A recurrence x[k] = f_k(x[k−1]) can be evaluated in any bracketing when the maps f_k compose
 * within one small family. The member of the family is the element, `combine(earlier, later)` is
 * the map "earlier, then later", and `identity` changes nothing. Blelloch, "Prefix sums and their
 * applications" (1990), section 1.4; S5 (arXiv 2208.04933), appendix H.
 */
import { addScaled, congruence, identity, multiply } from "./dense.ts";

/** An associative operator with its neutral element. */
export interface Monoid<Element> {
  readonly identity: Element;
  /** The element that does `earlier`, then `later`. */
  combine(earlier: Element, later: Element): Element;
}

/** The map x ↦ a·x + b of one real state. */
export interface Affine {
  readonly a: number;
  readonly b: number;
}

/** (a, b) then (a', b') = (a'·a, a'·b + b'). */
export const affine: Monoid<Affine> = {
  identity: { a: 1, b: 0 },
  combine: (earlier, later) => ({
    a: later.a * earlier.a,
    b: later.a * earlier.b + later.b,
  }),
};

/** The map x ↦ a·x + b of one complex state. */
export interface ComplexAffine {
  readonly aRe: number;
  readonly aIm: number;
  readonly bRe: number;
  readonly bIm: number;
}

/** The complex form of {@linkcode affine}: a diagonal state-space model, one mode at a time. */
export const complexAffine: Monoid<ComplexAffine> = {
  identity: { aRe: 1, aIm: 0, bRe: 0, bIm: 0 },
  combine: (earlier, later) => ({
    aRe: later.aRe * earlier.aRe - later.aIm * earlier.aIm,
    aIm: later.aRe * earlier.aIm + later.aIm * earlier.aRe,
    bRe: later.aRe * earlier.bRe - later.aIm * earlier.bIm + later.bRe,
    bIm: later.aRe * earlier.bIm + later.aIm * earlier.bRe + later.bIm,
  }),
};

/** The map P ↦ A·P·Aᵀ + cov that some steps of a linear-Gaussian system make on a covariance. */
export interface CovarianceMap {
  /**                                                                          [state, state] */
  readonly A: Float64Array;
  /** What those steps add, symmetric.                                         [state, state] */
  readonly cov: Float64Array;
}

/** (A, Q) then (A', Q') = (A'·A, A'·Q·A'ᵀ + Q'): k rounds of doubling give 2^k steps. */
export function covarianceMap(stateSize: number): Monoid<CovarianceMap> {
  return {
    identity: { A: identity(stateSize), cov: new Float64Array(stateSize * stateSize) },
    combine: (earlier, later) => ({
      A: multiply(later.A, earlier.A, stateSize, stateSize, stateSize),
      cov: addScaled(congruence(later.A, earlier.cov, stateSize, stateSize), later.cov),
    }),
  };
}

/**
 * All prefixes of a list, from left to right: the definition that every faster scan is held to.
 *
 * @returns prefix[k] = elements[0] then ... then elements[k]
 */
export function scanSequential<Element>(
  monoid: Monoid<Element>,
  elements: readonly Element[],
): Element[] {
  const out: Element[] = [];
  let running = monoid.identity;
  for (const element of elements) {
    running = monoid.combine(running, element);
    out.push(running);
  }
  return out;
}

/**
 * The same prefixes by reduce-then-scan over chunks: reduce each chunk, scan the totals, then scan
 * each chunk from its carried total. The plan of the GPU scans, on one thread.
 *
 * @param chunk elements a chunk, ≥ 1
 */
export function scanChunked<Element>(
  monoid: Monoid<Element>,
  elements: readonly Element[],
  chunk: number,
): Element[] {
  if (!Number.isInteger(chunk) || chunk < 1) {
    throw new RangeError(`chunk is ${chunk}, expected an integer of at least 1`);
  }
  const chunks: Element[][] = [];
  for (let start = 0; start < elements.length; start += chunk) {
    chunks.push(elements.slice(start, start + chunk));
  }
  const totals = chunks.map((part) => part.reduce(monoid.combine, monoid.identity));
  const carried = scanSequential(monoid, totals);
  return chunks.flatMap((part, i) => {
    let running = i === 0 ? monoid.identity : carried[i - 1]!;
    return part.map((element) => running = monoid.combine(running, element));
  });
}
