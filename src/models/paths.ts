import { nextNormal, seedRandom } from "../base/random.ts";
import { type Component, COMPONENTS, type Dependence, isQuick } from "./dependence.ts";

/**
 * Sample paths: draws of all future values at once, whose distribution at each time is the
 * forecast's own and whose dependence over the times is that of past errors.
 *
 *   z_i(t) = Σ_k √w_k·g_ik·m_ik(t)     latent paths, one normal Markov process a component
 *   g_ik = e^{s·u_i − s²}, u_i ~ N(0, 1), of quick components; 1 of others
 *   y_i(t) = Q_t((rank_t(z_i) + ½)/N)  the quantile of the rank among all N paths
 *
 * Ranks in place of normal probabilities (the Schaake shuffle, Clark et al. 2004, with drawn rows
 * in place of past ones) leave no sampling error in the distribution at any one time.
 */

/** Probabilities at which the quantile functions are asked for; logits are linear between. */
export const PATH_KNOTS: Float64Array = Float64Array.from(
  [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.035, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2]
    .concat([0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.875])
    .concat([0.9, 0.925, 0.95, 0.965, 0.975, 0.985, 0.99, 0.995, 0.9975, 0.999, 0.9995]),
);

const KNOT_LOGITS = PATH_KNOTS.map(logit);

/** Weights below this are too small to see. */
const WEIGHT_MIN = 1e-4;

function logit(probability: number): number {
  return Math.log(probability / (1 - probability));
}

/** Adds one component's paths, scaled, to the latent ones.                         [path, time] */
function addComponent(
  component: Component,
  scale: number,
  leads: Float64Array,
  season: number,
  random: Uint32Array,
  out: Float64Array,
): void {
  const times = leads.length;
  const phases = component.form === "season" ? Math.max(1, season) : 0;
  const byPhase = new Float64Array(phases);
  for (let start = 0; start < out.length; start += times) {
    let x = component.form === "walk" || component.form === "fresh" ? 0 : nextNormal(random);
    for (let p = 0; p < phases; p++) byPhase[p] = nextNormal(random);
    for (let t = 0; t < times; t++) {
      const lead = leads[t]!;
      const step = t === 0 ? lead : lead - leads[t - 1]!;
      let z = x;
      switch (component.form) {
        case "white":
          z = t === 0 ? x : nextNormal(random);
          break;
        case "walk":
          x += Math.sqrt(step) * nextNormal(random);
          z = x / Math.sqrt(lead);
          break;
        case "offset":
          break;
        case "season":
          z = byPhase[Math.round(lead) % phases]!;
          break;
        case "fresh":
        case "steady": {
          const { tau, form } = component;
          if (form === "fresh" || t > 0) {
            const spread = Math.sqrt(-Math.expm1(-2 * step / tau));
            x = Math.exp(-step / tau) * x + spread * nextNormal(random);
          }
          z = form === "fresh" ? x / Math.sqrt(-Math.expm1(-2 * lead / tau)) : x;
          break;
        }
        default:
          component satisfies never;
      }
      out[start + t] = out[start + t]! + scale * z;
    }
  }
}

/** Gives each path its size, whose mean square is 1.                               [path, time] */
function sizePaths(out: Float64Array, times: number, deviation: number, random: Uint32Array): void {
  for (let start = 0; start < out.length; start += times) {
    const size = Math.exp(deviation * (nextNormal(random) - deviation));
    for (let t = 0; t < times; t++) out[start + t] = out[start + t]! * size;
  }
}

/** Gives each path a part that is common to all its times.                          [path, time] */
function shareWithin(out: Float64Array, times: number, share: number, random: Uint32Array): void {
  const own = Math.sqrt(1 - share);
  for (let start = 0; start < out.length; start += times) {
    const common = Math.sqrt(share) * nextNormal(random);
    for (let t = 0; t < times; t++) out[start + t] = own * out[start + t]! + common;
  }
}

/**
 * Paths of mean 0 and variance 1 with the dependence of the errors; normal where all paths have
 * one size.
 *
 * @param leads   slots after the origin, above 0, increasing                              [time]
 * @param common  share of the variance that all times of a path have in common beside it
 * @returns row-major                                                              [path, time]
 */
export function latentPaths(
  { weights, season, sizeDeviation }: Dependence,
  leads: Float64Array,
  count: number,
  seed: number,
  common = 0,
): Float64Array {
  const out = new Float64Array(count * leads.length);
  const random = seedRandom(seed);
  for (const quick of [true, false]) {
    COMPONENTS.forEach((component, k) => {
      if (isQuick(component) !== quick || weights[k]! < WEIGHT_MIN) return;
      addComponent(component, Math.sqrt(weights[k]!), leads, season, random, out);
    });
    if (quick && sizeDeviation > 0) sizePaths(out, leads.length, sizeDeviation, random);
  }
  if (common > 0) shareWithin(out, leads.length, common, random);
  return out;
}

/**
 * Quantile of a row of {@linkcode PATH_KNOTS}; beyond the outermost knots the outermost value.
 *
 * @param logitAt  log(p / (1 − p)) of the probability
 */
function knotQuantile(rows: Float64Array, row: number, logitAt: number): number {
  const width = PATH_KNOTS.length;
  const base = row * width;
  if (logitAt <= KNOT_LOGITS[0]!) return rows[base]!;
  let high = 1;
  while (high < width - 1 && KNOT_LOGITS[high]! < logitAt) high++;
  const low = high - 1;
  const share = (logitAt - KNOT_LOGITS[low]!) / (KNOT_LOGITS[high]! - KNOT_LOGITS[low]!);
  const kept = Math.min(1, share);
  const [from, to] = [rows[base + low]!, rows[base + high]!];
  // Without rounding: a constant stream does not cross itself.
  return from === to ? from : from * (1 - kept) + to * kept;
}

/**
 * Gives latent paths the distribution of a forecast, in place.
 *
 * @param latent  row-major                                                      [path, time]
 * @param rows    the forecast's quantiles at {@linkcode PATH_KNOTS}             [time, knot]
 */
export function shapePaths(latent: Float64Array, rows: Float64Array, times: number): void {
  const count = latent.length / times;
  const logits = Float64Array.from({ length: count }, (_, rank) => logit((rank + 0.5) / count));
  const order = Array.from({ length: count }, (_, path) => path);
  for (let t = 0; t < times; t++) {
    order.sort((a, b) => latent[a * times + t]! - latent[b * times + t]! || a - b);
    for (let rank = 0; rank < count; rank++) {
      latent[order[rank]! * times + t] = knotQuantile(rows, t, logits[rank]!);
    }
  }
}

/** Which side of a threshold is asked for. */
export type Direction = "up" | "down";

/**
 * Probability that the value at a time lies above a threshold (`up`), or below it (`down`), from
 * the quantiles at {@linkcode PATH_KNOTS}; 0 or 1 beyond the outermost. Values that pile up at the
 * threshold, as at a bound, are neither above nor below it.
 *
 * @param rows  row-major                                                         [time, knot]
 * @param row   which time
 */
export function probabilityBeyond(
  rows: Float64Array,
  row: number,
  threshold: number,
  direction: Direction,
): number {
  const own = rows.subarray(row * PATH_KNOTS.length, (row + 1) * PATH_KNOTS.length);
  if (direction === "up") return 1 - shareBelow(own, (value) => value <= threshold, threshold);
  return shareBelow(own, (value) => value < threshold, threshold);
}

/** Probability of the values that `isBelow` holds for, which end at the threshold. */
function shareBelow(
  own: Float64Array,
  isBelow: (value: number) => boolean,
  threshold: number,
): number {
  if (!isBelow(own[0]!)) return 0;
  if (isBelow(own.at(-1)!)) return 1;
  let low = 0;
  while (isBelow(own[low + 1]!)) low++;
  const [from, to] = [own[low]!, own[low + 1]!];
  const share = (threshold - from) / (to - from);
  const at = KNOT_LOGITS[low]! * (1 - share) + KNOT_LOGITS[low + 1]! * share;
  return 1 / (1 + Math.exp(-at));
}
