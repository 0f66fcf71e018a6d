/**
 * From evidence to events, each with the chance that a clean stream would have opened it.
 *
 * A decaying maximum M (M *= 1 − 1/clip(t/2, 50, 667) a sample) must be passed by the evidence v,
 * v > 0.5, for an event to open or rise. An event is over 40 samples after its last rise; its peak
 * is then remembered. The chance a sample that an event reaches v is that of the peaks before, with
 * an exponential tail above the level u of the highest quarter of them (at least ten; peaks over a
 * threshold, as SPOT does: Siffer et al. 2017), and that of other streams while there are few:
 *
 *   p(v) = 1.65 (N(v) + 500 p0(v)) / (t + 500)                p0(v) = 1e-3 · exp(−(v − 1) / m0)
 *   N(v) = N(u) · exp(−(v − u) / m) for v >= u, else the peaks counted
 *   m = (sum of excesses over u + 30 · m0) / (N(u) + 30)     m0 = max(0.25, 1.7 xi)
 *
 * xi is the shape of the tail that the evidence comes from, where samples are nearly independent:
 * spikes of heavy tails are higher before the stream has shown many of them.
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
const PRIOR_RATE = 1e-3;
const PRIOR_EXCESS = 0.25;
const PRIOR_EXCESS_A_SHAPE = 1.7;
const PRIOR_EVENTS = 30;
/**
 * A chance from few peaks is too small where it matters, since what is told is what looked rarest.
 * At 1e-4, eleven kinds of clean streams give 0.65 of the wanted alarms with this, and the worst
 * kind, counts of a slow rate, 1.9 times as many; with 1.5 it was 0.75 and 2.1 (`deno task
 * evaluate:detection`).
 */
const BIAS = 1.65;
/** Rise of −log10 p within an event that is told before its alarm. */
const RISE = 1;

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
    peaks: new Float32Array(BIN_COUNT),
  };
}

/** How alarms are told. */
export interface FlagRule {
  /** −log10 p from which an alarm opens. */
  readonly threshold: number;
  /** Whether events that had an alarm count among the peaks, so that the like is told less. */
  readonly isLearned: boolean;
  /** Shape of the tail of what the evidence is made from: the peaks of heavy tails are higher. */
  readonly shape: number;
}

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

function closeEvent(state: FlagState, { isLearned }: FlagRule): void {
  const bin = Math.min(Math.floor(state.peak * BINS_PER_UNIT), BIN_COUNT - 1);
  if (isLearned || !state.told) state.peaks[bin] = state.peaks[bin]! + 1;
  state.peak = 0;
  state.said = 0;
  state.told = false;
}

/** −log10 of the chance a sample that an event reaches this evidence. */
export function surpriseOf(
  { peaks, count }: FlagState,
  evidence: number,
  shape: number,
): number {
  const priorExcess = Math.max(PRIOR_EXCESS, PRIOR_EXCESS_A_SHAPE * shape);
  let events = 0;
  for (let bin = FIRST_BIN; bin < BIN_COUNT; bin++) events += peaks[bin]!;
  const wanted = Math.min(events, Math.max(TAIL_EVENTS_MIN, TAIL_SHARE * events));
  let edge = BIN_COUNT;
  let mass = 0;
  let moment = 0;
  while (edge > FIRST_BIN && mass < wanted) {
    edge--;
    mass += peaks[edge]!;
    moment += peaks[edge]! * edge;
  }
  const beyond = evidence - edge / BINS_PER_UNIT;
  let reached = 0;
  if (beyond >= 0) {
    const excess = (moment - mass * edge + 0.5 * mass) / BINS_PER_UNIT;
    const mean = (excess + PRIOR_EVENTS * priorExcess) / (mass + PRIOR_EVENTS);
    reached = mass * Math.exp(-beyond / mean);
  } else {
    const first = Math.floor(evidence * BINS_PER_UNIT);
    for (let bin = first; bin < BIN_COUNT; bin++) reached += peaks[bin]!;
  }
  const prior = PRIOR_RATE * Math.exp(-(evidence - 1) / priorExcess);
  const samples = count - WARM_UP + PRIOR_SAMPLES;
  return -Math.log10(Math.min(1, BIAS * (reached + PRIOR_SAMPLES * prior) / samples));
}
