/**
 * From evidence to events, each with the chance that a clean stream would have opened it.
 *
 * A decaying maximum M (M *= 1 − 1/clip(t/2, 50, 667) a sample) must be passed by the evidence v,
 * v > 0.5, for an event to open or rise. An event is over 40 samples after its last rise; its peak
 * is then remembered. The chance a sample that an event reaches v is that of the peaks before, with
 * an exponential tail above the level u of the highest quarter of them (at least ten; peaks over a
 * threshold, as SPOT does: Siffer et al. 2017), and that of other streams while there are few:
 *
 *   p(v) = b (N(v) + 500 p0(v)) / (t + 350)              p0(v) = 1.5e-3 · exp(−(v − 1) / m0)
 *   b = 2 (1 + 555 / (1,500 + t))
 *   N(v) = N(u) · exp(−(v − u) / m) for v >= u, else the peaks counted
 *   m = (sum of min(excess over u, 2.5 m) / (1 − exp(−2.5)) + w · m0) / (N(u) + w)
 *   m0 = min(0.42, max(0.15, 3.1 g − 0.37, 1.1 xi) + 0.9 eta · 450 / (450 + t))
 *   g = (t − 150 − 400 alarms + 360) / (N + 4) / 1,000
 *                                      w = 15 while t <= 2,000, then 30,000 / t, at least 4
 *
 * m is the mean of an exponential whose values beyond 2.5 m are cut: a few events that were no
 * chance do not make the tail of the rest. What is known of other streams weighs w peaks: much in a
 * short past, in which one true anomaly is a large share of the peaks.
 *
 * What is known of them is how heavy their tails are by how seldom they have events, g thousand
 * samples apart: high peaks keep M above the rest. Of 68 kinds of clean noise this leaves a fifth
 * of the variance of the mean excess, where the shape of the jumps leaves nine tenths, and a few
 * anomalies hardly change it, as the 400 samples that the maximum of an alarm hides are left out. A
 * young stream has not shown its events yet: there the shape eta of the tail of its jumps counts as
 * well. xi is the same where each sample is a chance of its own: in independent samples and spikes.
 *
 * What comes again and again is so told with less and less weight. The flag is −log10 p where an
 * event opens, where p has fallen by ten since it was last told, and where p falls to the rate of
 * false alarms that is wanted: there the alarm opens. After that the event says no more.
 */
const EVIDENCE_MIN = 0.5;
const WARM_UP = 150;
const MEMORY_MIN = 50;
const MEMORY_MAX = 667;
const GAP = 40;
const BIN_COUNT = 100;
const BINS_PER_UNIT = 20;
const FIRST_BIN = EVIDENCE_MIN * BINS_PER_UNIT;
const TAIL_SHARE = 0.25;
const TAIL_EVENTS_MIN = 10;
const PRIOR_SAMPLES = 500;
const PRIOR_RATE = 1.5e-3;
const PRIOR_EXCESS_MIN = 0.15;
const PRIOR_EXCESS_MAX = 0.42;
/** Mean excess of other streams by the samples between their events, ... */
const PRIOR_EXCESS_A_GAP = 0.0031;
const PRIOR_EXCESS_AT_NO_GAP = -0.37;
/** ... of which a stream without a past is taken to have had so many, ... */
const GAP_PRIOR_EVENTS = 4;
const GAP_PRIOR_SAMPLES = 360;
/** Samples after an alarm in which its maximum hides what is usual. */
const HIDDEN_SAMPLES = 400;
/** ... by the shape of the tail where each sample is a chance of its own, and of a young stream. */
const PRIOR_EXCESS_A_SHAPE = 1.1;
const YOUNG_EXCESS_A_SHAPE = 0.9;
const YOUNG_SAMPLES = 450;
const PRIOR_EVENTS_MAX = 15;
const PRIOR_EVENTS_MIN = 4;
const PRIOR_EVENTS_TIMES_SAMPLES = 30_000;
/** Excesses are cut at so many times their mean, which is looked for in so many turns. */
const CUT = 2.5;
const CUT_TURNS = 4;
/** Mean of an exponential of mean 1 that is cut there. */
const CUT_MEAN = 1 - Math.exp(-CUT);
/**
 * A chance from few peaks is too small where it matters, since what is told is what looked rarest,
 * and most so in a short past. With these, clean streams give about the wanted alarms at 1e-4
 * (`deno task evaluate:detection`).
 */
const BIAS = 2;
const YOUNG_BIAS = 0.37;
const BIAS_SAMPLES = 1_500;
/** Rise of −log10 p within an event that is told before its alarm. */
const RISE = 1;

/**
 * An alarm is most likely no chance of a clean stream, unless the like comes again and again: the
 * k-th of a stream counts as min(1, (2k − 1) / 10) peaks, so that k of them, up to five, count as
 * k²/10.
 */
const ALARM_WEIGHT = 0.1;
/**
 * The most that is left of the maximum when an event that had its alarm is over: else the largest
 * of all anomalies would hide others for a thousand samples.
 */
const ALARM_MAXIMUM = 2;

/** The open event and the peaks of those before. */
export type FlagState = {
  count: number;
  maximum: number;
  /** Peak of the event that is open; 0 = none. */
  peak: number;
  /** Count at the last rise. */
  lastRise: number;
  /** −log10 p that the open event last told; 0 = nothing yet. */
  said: number;
  /** True once the open event has had its alarm. */
  told: boolean;
  /** Alarms so far. */
  alarms: number;
  readonly peaks: Float32Array;
};

/** A stage that has seen nothing. */
export function initialFlag(): FlagState {
  return {
    count: 0,
    maximum: 0,
    peak: 0,
    lastRise: 0,
    said: 0,
    told: false,
    alarms: 0,
    peaks: new Float32Array(BIN_COUNT),
  };
}

/** How alarms are told. */
export interface FlagRule {
  /** −log10 p from which an alarm opens. */
  readonly threshold: number;
  /** Whether events that had an alarm count among the peaks, so that the like is told less. */
  readonly isLearned: boolean;
  readonly shape: TailShape;
}

/** How heavy the tail is of what the evidence is made from: the peaks of heavy tails are higher. */
export interface TailShape {
  /** Of the jumps. */
  readonly jumps: number;
  /** The same where each sample is a chance of its own, else 0. */
  readonly single: number;
}

/** No heavier than that of normal noise. */
export const LIGHT_TAIL: TailShape = { jumps: 0, single: 0 };

/** What one sample did to the events. */
export interface FlagStep {
  /** −log10 p where the event tells it, else 0. */
  flag: number;
  /** True where the evidence of the open event rose, told or not. */
  rose: boolean;
  /** True where an event that had its alarm is over. */
  ended: boolean;
}

/** True where this evidence would open an event or raise the one that is open. */
export function isRise({ maximum }: FlagState, evidence: number): boolean {
  return evidence > EVIDENCE_MIN && evidence > maximum;
}

/** Advances by one sample's evidence. */
export function stepFlag(state: FlagState, evidence: number, rule: FlagRule, out: FlagStep): void {
  const count = state.count++;
  out.flag = 0;
  out.rose = false;
  out.ended = false;
  if (count < WARM_UP) return;
  if (state.peak > 0 && count - state.lastRise > GAP) {
    out.ended = state.told;
    closeEvent(state, rule);
  }
  if (isRise(state, evidence)) {
    const surprise = surpriseOf(state, evidence, rule.shape);
    const isAlarm = surprise >= rule.threshold;
    if (!state.told && surprise > 0 && (isAlarm || surprise >= state.said + RISE)) {
      out.flag = surprise;
      state.said = surprise;
    }
    out.rose = true;
    state.told ||= isAlarm;
    state.lastRise = count;
    state.maximum = evidence;
    state.peak = Math.max(state.peak, evidence);
  }
  state.maximum *= 1 - 1 / Math.min(MEMORY_MAX, Math.max(MEMORY_MIN, count / 2));
}

/** Goes on with the event as one that has its alarm, from this sample on. */
export function holdFlag(state: FlagState): void {
  state.peak = Math.max(state.peak, EVIDENCE_MIN);
  state.told = true;
  state.lastRise = state.count;
}

/** Most that is left of the maximum where the evidence before no longer counts. */
const SETTLED_MAXIMUM = 1;

/** Forgets the evidence before: the channel is looked at in another way from here on. */
export function settleFlag(state: FlagState): void {
  state.maximum = Math.min(state.maximum, SETTLED_MAXIMUM);
  state.peak = 0;
  state.said = 0;
  state.told = false;
}

function closeEvent(state: FlagState, { isLearned }: FlagRule): void {
  const bin = Math.min(Math.floor(state.peak * BINS_PER_UNIT), BIN_COUNT - 1);
  if (state.told) {
    state.alarms++;
    state.maximum = Math.min(state.maximum, ALARM_MAXIMUM);
  }
  const weight = state.told ? Math.min(1, ALARM_WEIGHT * (2 * state.alarms - 1)) : 1;
  if (isLearned || !state.told) state.peaks[bin] = state.peaks[bin]! + weight;
  state.peak = 0;
  state.said = 0;
  state.told = false;
}

/** Mean excess of the peaks of other streams like this one. */
function priorExcessOf(
  { count, alarms }: Pick<FlagState, "count" | "alarms">,
  events: number,
  { jumps, single }: TailShape,
): number {
  const shown = Math.max(0, count - WARM_UP - HIDDEN_SAMPLES * alarms);
  const gap = (shown + GAP_PRIOR_SAMPLES) / (events + GAP_PRIOR_EVENTS);
  const excess = Math.max(
    PRIOR_EXCESS_MIN,
    PRIOR_EXCESS_A_GAP * gap + PRIOR_EXCESS_AT_NO_GAP,
    PRIOR_EXCESS_A_SHAPE * single,
  );
  const youth = YOUNG_SAMPLES / (YOUNG_SAMPLES + count);
  return Math.min(PRIOR_EXCESS_MAX, excess + YOUNG_EXCESS_A_SHAPE * youth * jumps);
}

/** −log10 of the chance a sample that an event reaches this evidence. */
export function surpriseOf(
  { peaks, count, alarms }: FlagState,
  evidence: number,
  shape: TailShape,
): number {
  let events = 0;
  for (let bin = FIRST_BIN; bin < BIN_COUNT; bin++) events += peaks[bin]!;
  const priorExcess = priorExcessOf({ count, alarms }, events, shape);
  const wanted = Math.min(events, Math.max(TAIL_EVENTS_MIN, TAIL_SHARE * events));
  let edge = BIN_COUNT;
  let mass = 0;
  while (edge > FIRST_BIN && mass < wanted) {
    edge--;
    mass += peaks[edge]!;
  }
  const beyond = evidence - edge / BINS_PER_UNIT;
  let reached = 0;
  if (beyond >= 0) {
    const weight = PRIOR_EVENTS_TIMES_SAMPLES / Math.max(1, count);
    const prior = {
      excess: priorExcess,
      weight: Math.min(PRIOR_EVENTS_MAX, Math.max(PRIOR_EVENTS_MIN, weight)),
    };
    reached = mass * Math.exp(-beyond / meanExcess(peaks, edge, prior));
  } else {
    const first = Math.floor(evidence * BINS_PER_UNIT);
    for (let bin = first; bin < BIN_COUNT; bin++) reached += peaks[bin]!;
  }
  const prior = PRIOR_RATE * Math.exp(-(evidence - 1) / priorExcess);
  const samples = count - WARM_UP + PRIOR_SAMPLES;
  const bias = BIAS * (1 + YOUNG_BIAS * BIAS_SAMPLES / (BIAS_SAMPLES + count));
  return -Math.log10(Math.min(1, bias * (reached + PRIOR_SAMPLES * prior) / samples));
}

/** Mean excess of the peaks from the bin `edge` on, with a prior that weighs so many peaks. */
function meanExcess(
  peaks: Float32Array,
  edge: number,
  prior: { readonly excess: number; readonly weight: number },
): number {
  let mean = prior.excess;
  for (let turn = 0; turn < CUT_TURNS; turn++) {
    let mass = 0;
    let sum = 0;
    for (let bin = edge; bin < BIN_COUNT; bin++) {
      const excess = (bin - edge + 0.5) / BINS_PER_UNIT;
      mass += peaks[bin]!;
      sum += peaks[bin]! * Math.min(excess, CUT * mean);
    }
    mean = (sum / CUT_MEAN + prior.weight * prior.excess) / (mass + prior.weight);
  }
  return mean;
}
