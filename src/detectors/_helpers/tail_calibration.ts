/**
 * Turns a raw, dimensionless score r into u = −log10 of its tail probability among its own past.
 *
 * A histogram of log r with bins of 0.1 and no forgetting. Below the (1 − q0) quantile it is the
 * empirical tail, above it a Pareto tail whose shape is Hill's estimate with a prior:
 *
 *   p = (mass above + half the bin + 0.5) / (N + 1)
 *   p = (S + 0.5) / (N + 1) · exp(−(log r − log r_q) / xi)
 *   xi = (sum of excesses + 3·0.3) / (S + 3)
 *
 * With declustering, the k-th sample of a run of u > 2 weighs max(1/k, 0.02), so that an event
 * counts once in its own tail, not once a sample.
 */
export interface TailRule {
  /** Share of the past that makes the tail. */
  readonly tailShare: number;
  /** Largest u. */
  readonly cap: number;
  readonly decluster: boolean;
}

const BIN_COUNT = 230;
const BINS_PER_UNIT = 10;
const LOG_MIN = -9.2;
const RAW_MIN = 1e-7;
const COUNT_MIN = 30;
const PRIOR_SHAPE = 0.3;
const PRIOR_WEIGHT = 3;
/** Where the excesses of a tail are cut for its shape, in their means, and turns to find it. */
const CUT = 2.5;
const CUT_TURNS = 4;
/** Mean of an exponential of mean 1 that is cut there. */
const CUT_MEAN = 1 - Math.exp(-CUT);
const RUN_SCORE = 2;
const RUN_DECAY = 0.9;
const RUN_WEIGHT_MIN = 0.02;

/** Total at which all counts are halved: a 32-bit float would stop counting at 2^24. */
export const CALIBRATION_TOTAL_MAX = 4_194_304;

/** Count of a bin at which whole counts are halved: they are kept in 16 bits. */
export const CALIBRATION_COUNT_MAX = 65_535;

/** Histogram of log raw scores, and the run of high ones. */
export type TailState = {
  total: number;
  run: number;
  /** Highest bin that has been met. */
  top: number;
  /** Parts of a sample are counted only where runs are declustered. */
  readonly counts: Float32Array | Uint16Array;
};

/** An empty histogram. */
export function initialTail({ decluster }: TailRule): TailState {
  const counts = decluster ? new Float32Array(BIN_COUNT) : new Uint16Array(BIN_COUNT);
  return { total: 0, run: 0, top: 0, counts };
}

/** Where a raw score lies among the bins. */
function positionOf(raw: number): number {
  const logged = (Math.log(Math.max(raw, RAW_MIN)) - LOG_MIN) * BINS_PER_UNIT;
  return Math.min(Math.max(logged, 0), BIN_COUNT - 1);
}

/** Calibrates `raw` by the past, then learns it. 0 for the first 30 samples. */
export function stepTail(state: TailState, raw: number, rule: TailRule): number {
  const position = positionOf(raw);
  const bin = Math.floor(position);
  // A raw score at its floor is no surprise at all, however often it comes.
  const known = state.total >= COUNT_MIN && raw > RAW_MIN;
  const u = known ? Math.min(tailScore(state, position, bin, rule.tailShare), rule.cap) : 0;
  let weight = 1;
  if (rule.decluster) {
    if (u > RUN_SCORE) {
      state.run++;
      weight = Math.max(1 / state.run, RUN_WEIGHT_MIN);
    } else {
      state.run *= RUN_DECAY;
    }
  }
  state.counts[bin] = state.counts[bin]! + weight;
  state.top = Math.max(state.top, bin);
  state.total += weight;
  const isFull = !rule.decluster && state.counts[bin]! >= CALIBRATION_COUNT_MAX;
  if (isFull || state.total > CALIBRATION_TOTAL_MAX) halve(state);
  return u;
}

/** The bins above the tail's edge: their mass, and Hill's estimate of their shape. */
const tail = { edge: 0, mass: 0, shape: 0 };

/** Writes the tail that holds `share` of the past to scratch memory. */
function findTail({ counts, total, top }: TailState, share: number): void {
  const wanted = share * total;
  let edge = top;
  let mass = 0;
  let moment = 0;
  while (edge > 0 && mass + counts[edge]! < wanted) {
    mass += counts[edge]!;
    moment += counts[edge]! * edge;
    edge--;
  }
  const excess = (moment - mass * (edge + 1) + 0.5 * mass) / BINS_PER_UNIT;
  tail.edge = edge;
  tail.mass = mass;
  tail.shape = (excess + PRIOR_WEIGHT * PRIOR_SHAPE) / (mass + PRIOR_WEIGHT);
}

/**
 * Shape xi of the tail so far: 0.1 of noise with light tails, 0.2 and more of heavy ones. Excesses
 * are cut at 2.5 times their mean, as exponential ones seldom go beyond: a few anomalies far out do
 * not make the tail of the rest look heavy.
 */
export function tailShape(state: TailState, rule: TailRule): number {
  findTail(state, rule.tailShare);
  const { counts, top } = state;
  const { edge, mass } = tail;
  let { shape } = tail;
  for (let turn = 0; turn < CUT_TURNS; turn++) {
    let sum = 0;
    for (let bin = edge + 1; bin <= top; bin++) {
      const excess = (bin - edge - 0.5) / BINS_PER_UNIT;
      sum += counts[bin]! * Math.min(excess, CUT * shape);
    }
    shape = (sum / CUT_MEAN + PRIOR_WEIGHT * PRIOR_SHAPE) / (mass + PRIOR_WEIGHT);
  }
  return shape;
}

function tailScore(state: TailState, position: number, bin: number, tailShare: number): number {
  findTail(state, tailShare);
  const { counts, total, top } = state;
  const { edge, mass, shape } = tail;
  if (bin <= edge) {
    let above = 0.5 * counts[bin]!;
    for (let i = top; i > bin; i--) above += counts[i]!;
    return -Math.log10((above + 0.5) / (total + 1));
  }
  const beyond = (position - (edge + 1)) / BINS_PER_UNIT;
  return -Math.log10((mass + 0.5) / (total + 1)) + beyond / shape / Math.LN10;
}

/**
 * {@linkcode tailShape} of all samples but one that was just learned: what is judged says nothing
 * of the tail that it is judged by.
 *
 * @param raw  of that sample; 0 = none was learned
 */
export function tailShapeBefore(state: TailState, raw: number, rule: TailRule): number {
  const bin = Math.floor(positionOf(raw));
  if (raw === 0 || state.counts[bin]! < 1) return tailShape(state, rule);
  state.counts[bin] = state.counts[bin]! - 1;
  state.total--;
  const shape = tailShape(state, rule);
  state.counts[bin] = state.counts[bin]! + 1;
  state.total++;
  return shape;
}

function halve(state: TailState): void {
  const { counts } = state;
  const isWhole = counts instanceof Uint16Array;
  state.total = 0;
  for (let i = 0; i < BIN_COUNT; i++) {
    // Half of a single sample is still that one: what is rare is not to be forgotten.
    counts[i] = isWhole ? Math.ceil(counts[i]! / 2) : counts[i]! / 2;
    state.total += counts[i]!;
  }
}
