/**
 * The members' own past errors, discounted, by lead bucket: what a committee weighs them by.
 *
 *   s_i = Σ exp(−age/half) |e_i| / Σ exp(−age/half)
 *   w_i ∝ (s_i / min s)^(−5g),   g = N / (N + 1),   N = discounted origins seen
 *
 * With no past all weights are equal; with much of it a member twice as bad has a 32nd of the
 * weight. The exponent was chosen among 2 to 8 (docs/evidence/weights.md). A network is no
 * equal of theirs, having learned from other series before: beside the others, whose weights sum to
 * N / (N + 20), it has (s_i / min s)^(−2g), the best of the others being the least; then all sum to
 * 1. What the others know they have from this series alone, and of a short one that is little.
 */
export type LossState = {
  /** [bucket, member] */
  errors: Float64Array;
  /** [bucket] */
  weight: Float64Array;
};

const EXPONENT = 5;
const NETWORK_EXPONENT = 2;
const PRIOR_ORIGINS = 1;
/** Origins after which voices that know one series only count half of what they count at last. */
const LEARNED_ORIGINS = 20;

/** Lead buckets [from, to) of a horizon: 1..h/12, ..h/4, ..h. */
export function leadBuckets(horizon: number): [number, number][] {
  if (horizon <= 4) return [[0, horizon]];
  const near = Math.max(1, Math.floor(horizon / 12));
  const middle = Math.max(2, Math.floor(horizon / 4));
  return [[0, near], [near, middle], [middle, horizon]];
}

/** Which bucket each lead belongs to.                                                     [lead] */
export function bucketOfLead(horizon: number): Uint8Array {
  const out = new Uint8Array(horizon);
  leadBuckets(horizon).forEach(([from, to], bucket) => out.fill(bucket, from, to));
  return out;
}

/** No past yet. */
export function lossStart(members: number, buckets: number): LossState {
  return { errors: new Float64Array(members * buckets), weight: new Float64Array(buckets) };
}

/** What is left of a loss after `slots`. */
export function lossKept(slots: number, halfSlots: number): number {
  return Math.exp(-slots / halfSlots);
}

/** Discounts everything known to a share of it. */
export function lossAge(state: LossState, keep: number): void {
  for (let i = 0; i < state.errors.length; i++) state.errors[i] = state.errors[i]! * keep;
  for (let b = 0; b < state.weight.length; b++) state.weight[b] = state.weight[b]! * keep;
}

/**
 * Weights of the members in one bucket, summing to 1.                                     [member]
 *
 * @param networks  1 for a network, which counts beside all others together             [member]
 */
export function memberWeightsInto(
  state: LossState,
  bucket: number,
  leadsInBucket: number,
  out: Float64Array,
  networks?: Uint8Array,
): void {
  const members = out.length;
  const at = bucket * members;
  const seen = state.weight[bucket]!;
  const origins = seen / leadsInBucket;
  const trust = origins / (origins + PRIOR_ORIGINS);
  const isNetwork = (i: number) => networks?.[i] === 1;
  const hasNetworks = networks?.includes(1) ?? false;
  let least = Infinity;
  let most = 0;
  let leastOther = Infinity;
  for (let i = 0; i < members; i++) {
    const error = state.errors[at + i]!;
    least = Math.min(least, error);
    most = Math.max(most, error);
    if (!isNetwork(i)) leastOther = Math.min(leastOther, error);
  }
  const best = leastOther < Infinity ? leastOther : least;
  // Members that have not erred at all are told apart at rounding level only.
  const floor = Math.max(most * 1e-9, Number.MIN_VALUE);
  let others = 0;
  for (let i = 0; i < members; i++) {
    const ratio = seen > 0 ? (state.errors[at + i]! + floor) / (best + floor) : 1;
    out[i] = ratio ** -((isNetwork(i) ? NETWORK_EXPONENT : EXPONENT) * trust);
    if (!isNetwork(i)) others += out[i]!;
  }
  const learned = origins / (origins + LEARNED_ORIGINS);
  let total = 0;
  for (let i = 0; i < members; i++) {
    if (hasNetworks && !isNetwork(i)) out[i] = out[i]! / others * learned;
    total += out[i]!;
  }
  for (let i = 0; i < members; i++) out[i] = out[i]! / total;
}
