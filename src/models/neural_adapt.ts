/**
 * What a stream teaches the last layer of a network: a Bayesian linear correction of its median, by
 * lead group, learned when targets arrive.
 *
 *   (z − median)/unit = wᵀx + noise,   x = [1/2, (candidate − median)/unit …]
 *
 * by recursive least squares, the Kalman filter of constant weights, with a prior mean of 0: the
 * network as it was trained. The candidates are five of the decoder's anchors, so that w moves the
 * mixture towards one that this stream follows. Errors beyond 3 running sizes are clipped; those
 * of overlapping forecasts and of neighbouring leads err together, and count for less. A share of
 * the correction counts, by the running sizes of the errors with it and without it, each taken
 * before its target was learned from:
 *
 *   share = min(1, seen / 50) · min(1, max(0, 1 − size with / size without) / 0.05)
 *
 * So a correction that has not helped yet changes nothing, and one that took a twentieth off the
 * errors counts in full.
 */
import { packedDiagonal, rlsStep } from "./packed_rls.ts";
import { leadGroups } from "./readout.ts";
import { ANCHORS, type LeadRows } from "./neural/shapes.ts";

/** Weights and covariance of each lead group. */
export type AdaptState = {
  /** [group, input] */
  weights: Float64Array;
  /** Packed lower triangles.                         [group, input·(input + 1) / 2] */
  cov: Float64Array;
  /** Running mean sizes of the errors with and without the correction, and errors seen. [group] */
  size: Float64Array;
  plain: Float64Array;
  seen: Float64Array;
};

/** Anchors: last value, fast mean, last season, mean of seasons, the season's step. */
const CANDIDATES = [0, 1, 4, 5, 6] as const;

/** Numbers of x. */
export const ADAPT_INPUTS = 1 + CANDIDATES.length;

/** Numbers of a lesson that waits for its target: median, unit, weight and inputs. */
export const LESSON_NUMBERS = 3 + ADAPT_INPUTS;

/** Leads of one forecast that are learned from: neighbours err together. */
export const ADAPT_LEADS_MAX = 12;

const CONSTANT = 0.5;
const INPUT_MAX = 3;
const PRIOR_VARIANCE = 0.003;
const FORGETTING = 0.9998;
const WIND_UP_MAX = 4;
const CLIP_SIZES = 3;
const CLIP_WARM_UP = 20;
const SIZE_MEMORY = 0.998;
/** Errors from which the sizes are known well enough to go by them. */
const TRUST_COUNT = 50;
/** Share of the errors' size that a correction which counts in full took off. */
const TRUST_GAIN = 0.05;

const PACKED = ADAPT_INPUTS * (ADAPT_INPUTS + 1) / 2;

/** A correction that has learned nothing: it adds 0. */
export function adaptStart(horizon: number): AdaptState {
  const groups = leadGroups(horizon).length;
  const one = packedDiagonal(new Float64Array(ADAPT_INPUTS).fill(PRIOR_VARIANCE));
  const cov = new Float64Array(groups * PACKED);
  for (let g = 0; g < groups; g++) cov.set(one, g * PACKED);
  return {
    weights: new Float64Array(groups * ADAPT_INPUTS),
    cov,
    size: new Float64Array(groups),
    plain: new Float64Array(groups),
    seen: new Float64Array(groups),
  };
}

/** The leads of a horizon, from 0 on, that are learned from. */
export function adaptLeads(horizon: number): number[] {
  const stride = Math.ceil(horizon / ADAPT_LEADS_MAX);
  const leads: number[] = [];
  for (let lead = stride - 1; lead < horizon; lead += stride) leads.push(lead);
  return leads;
}

/** Which group each lead belongs to.                                                 [lead] */
export function adaptGroups(horizon: number): Uint8Array {
  const out = new Uint8Array(horizon);
  leadGroups(horizon).forEach(([from, to], group) => out.fill(group, from, to));
  return out;
}

/**
 * Writes x of a decoded lead.
 *
 * @param median  as the network gives it, in units of the row from the last value
 * @param out     ADAPT_INPUTS numbers from `at` on, in units of the row
 */
export function adaptInputsInto(
  { anchors, valid }: LeadRows,
  row: number,
  median: number,
  out: Float64Array,
  at: number,
): void {
  out[at] = CONSTANT;
  for (let i = 0; i < CANDIDATES.length; i++) {
    const from = row * ANCHORS + CANDIDATES[i]!;
    const apart = valid[from]! > 0.5 ? anchors[from]! - median : 0;
    out[at + 1 + i] = Math.min(INPUT_MAX, Math.max(-INPUT_MAX, apart));
  }
}

/** wᵀx. */
function product(state: AdaptState, group: number, inputs: ArrayLike<number>, at: number): number {
  let sum = 0;
  for (let i = 0; i < ADAPT_INPUTS; i++) {
    sum += state.weights[group * ADAPT_INPUTS + i]! * inputs[at + i]!;
  }
  return sum;
}

/** How much of the correction is used: more, the more it would have helped so far. */
function trustOf({ size, plain, seen }: AdaptState, group: number): number {
  if (!(seen[group]! > 0 && plain[group]! > 0)) return 0;
  const gain = Math.max(0, 1 - size[group]! / plain[group]!);
  return Math.min(1, seen[group]! / TRUST_COUNT) * Math.min(1, gain / TRUST_GAIN);
}

/**
 * The correction at x, in units of the row.
 *
 * @param group   lead group
 * @param inputs  x from `at` on: {@linkcode adaptInputsInto}
 */
export function adaptCorrection(
  state: AdaptState,
  group: number,
  inputs: ArrayLike<number>,
  at: number,
): number {
  return trustOf(state, group) * product(state, group, inputs, at);
}

const regressor = new Float64Array(ADAPT_INPUTS);
const gain = new Float64Array(ADAPT_INPUTS);

/**
 * Learns from one target.
 *
 * @param error   target less the network's own median, in units of the row
 * @param weight  what the target counts beside an independent one, at most 1
 */
export function adaptLearn(
  state: AdaptState,
  group: number,
  inputs: ArrayLike<number>,
  at: number,
  error: number,
  weight: number,
): void {
  const rest = error - product(state, group, inputs, at);
  if (!Number.isFinite(rest)) return;
  const seen = state.seen[group]!;
  const clipped = (value: number, size: number) => {
    const limit = seen >= CLIP_WARM_UP ? CLIP_SIZES * size : Infinity;
    return Math.min(limit, Math.max(-limit, value));
  };
  const innovation = clipped(rest, state.size[group]!);
  const plain = clipped(error, state.plain[group]!);
  const share = Math.max(1 - SIZE_MEMORY, 1 / (seen + 1));
  state.size[group] = state.size[group]! + share * (Math.abs(innovation) - state.size[group]!);
  state.plain[group] = state.plain[group]! + share * (Math.abs(plain) - state.plain[group]!);
  state.seen[group] = seen + 1;
  const root = Math.sqrt(weight);
  for (let i = 0; i < ADAPT_INPUTS; i++) regressor[i] = root * inputs[at + i]!;
  const cov = state.cov.subarray(group * PACKED, (group + 1) * PACKED);
  rlsStep(cov, regressor, gain, FORGETTING, WIND_UP_MAX * PRIOR_VARIANCE);
  for (let i = 0; i < ADAPT_INPUTS; i++) {
    const place = group * ADAPT_INPUTS + i;
    state.weights[place] = state.weights[place]! + gain[i]! * root * innovation;
  }
}
