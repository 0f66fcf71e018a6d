import { nextNormal, seedRandom } from "../base/random.ts";
import { choleskySemidefinite } from "../ssm/dense.ts";

/**
 * Distributions of parts as quantiles at normal scores, their means, and joint draws of all of them
 * whose sums have the distribution of the sum.
 */

/** Normal scores at which distributions are known, and how far apart these are. */
const SCORE_MAX = 3.5;
const SCORE_STEP = 0.125;

/** Normal scores of {@linkcode SCORE_LEVELS}: even, from the lowest. */
const SCORES = Float64Array.from(
  { length: 2 * SCORE_MAX / SCORE_STEP + 1 },
  (_, i) => i * SCORE_STEP - SCORE_MAX,
);

/** Weights of the scores in a mean: φ(z), made to sum to 1. */
const SCORE_WEIGHTS = (() => {
  const weights = SCORES.map((z) => Math.exp(-z * z / 2));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
})();

/** Quantiles at which distributions are known, increasing: Φ of even normal scores. */
export const SCORE_LEVELS: Float64Array = SCORES.map(normalDistribution);

/**
 * Φ(z) to 1e-15 and better, by the series of Marsaglia (2004): ½ + φ(z) (z + z³/3 + z⁵/15 + …);
 * 0.5 exactly at 0.
 */
function normalDistribution(z: number): number {
  let [sum, term] = [z, z];
  for (let k = 3; Math.abs(term) > 1e-18; k += 2) {
    term *= z * z / k;
    sum += term;
  }
  return 0.5 + sum * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
}

/** Mean and variance of a distribution from its values at {@linkcode SCORE_LEVELS}. */
export function momentsOf(values: ArrayLike<number>): { mean: number; variance: number } {
  let mean = 0;
  for (let i = 0; i < SCORES.length; i++) mean += SCORE_WEIGHTS[i]! * values[i]!;
  let variance = 0;
  for (let i = 0; i < SCORES.length; i++) variance += SCORE_WEIGHTS[i]! * (values[i]! - mean) ** 2;
  return { mean, variance };
}

/**
 * Joint normal scores of all parts, each as where it lies among {@linkcode SCORE_LEVELS}. Every
 * draw has its mirror image beside it, so that sums of symmetric parts have their mean in the
 * middle.
 *
 * @param correlations  positive semidefinite, 1 on the diagonal               [parts, parts]
 * @param count         draws; even
 * @returns             in steps of the scores                                 [parts, count]
 */
export function drawScores(
  correlations: Float64Array,
  parts: number,
  count: number,
  seed: number,
): Float64Array {
  const lower = choleskySemidefinite(correlations, parts);
  const random = seedRandom(seed);
  const scores = new Float64Array(parts * count);
  const normals = new Float64Array(parts);
  const stepsOf = (z: number) =>
    (Math.min(SCORE_MAX, Math.max(-SCORE_MAX, z)) + SCORE_MAX) / SCORE_STEP;
  for (let draw = 0; draw < count; draw += 2) {
    for (let p = 0; p < parts; p++) normals[p] = nextNormal(random);
    for (let p = 0; p < parts; p++) {
      let z = 0;
      for (let k = 0; k <= p; k++) z += lower[p * parts + k]! * normals[k]!;
      scores[p * count + draw] = stepsOf(z);
      scores[p * count + draw + 1] = stepsOf(-z);
    }
  }
  return scores;
}

/**
 * Adds draws of one part to those of a sum.
 *
 *   s_k += count · F⁻¹(Φ(z_k))
 *
 * @param values  of the part at {@linkcode SCORE_LEVELS}
 * @param scores  of {@linkcode drawScores}                                          [draw]
 */
export function addDraws(
  sums: Float64Array,
  values: Float64Array,
  scores: Float64Array,
  count: number,
): void {
  const last = SCORES.length - 2;
  for (let k = 0; k < sums.length; k++) {
    const at = Math.min(last, Math.floor(scores[k]!));
    const low = values[at]!;
    sums[k] = sums[k]! + count * (low + (scores[k]! - at) * (values[at + 1]! - low));
  }
}

/**
 * A quantile of draws in rising order: between the two beside it, each draw in the middle of its
 * share.
 */
export function drawnQuantile(sorted: Float64Array, quantile: number): number {
  const at = Math.min(sorted.length - 1, Math.max(0, quantile * sorted.length - 0.5));
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}
