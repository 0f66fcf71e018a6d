/**
 * The even grid behind uneven timestamps. A slot is one sampling period; slot time is
 *
 *   u(t) = (t − originS) / periodS
 *
 * and a sample belongs to slot round(u). Filters run in slot time and are exact for any u; members
 * that need a grid (lags, analogs) use the whole slots.
 */
export type SlotClock = {
  originS: number;
  periodS: number;
  /**
   * Whether values belong to whole slots although their timestamps jitter: a clock that stamps late
   * rather than a sensor that samples late. The data decide; see `refit.ts`.
   */
  stampsJitter: boolean;
};

/** Within this share of a period a timestamp counts as being on the grid. */
const ON_GRID_SLOTS = 1e-6;

/** Samples of the first stretch, on which periods near the median are tried. */
const FIRST_STRETCH = 64;

/** The periods tried, as shares of the median, and the step between them. */
const TRIED_PERIODS = [0.8, 1.1] as const;
const TRIED_STEP = 0.005;

function median(values: Float64Array): number {
  const sorted = values.slice().sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Least-squares line t = origin + period·slot over the first `count` samples. */
function refine(timesS: Float64Array, count: number, clock: SlotClock): SlotClock {
  const start = timesS[0]!;
  const firstSlot = Math.round((start - clock.originS) / clock.periodS);
  let meanSlot = 0;
  let meanTime = 0;
  for (let i = 0; i < count; i++) {
    meanSlot += Math.round((timesS[i]! - clock.originS) / clock.periodS) - firstSlot;
    meanTime += timesS[i]! - start;
  }
  meanSlot /= count;
  meanTime /= count;
  let slotTime = 0;
  let slotSlot = 0;
  for (let i = 0; i < count; i++) {
    const slot = Math.round((timesS[i]! - clock.originS) / clock.periodS) - firstSlot - meanSlot;
    slotTime += slot * (timesS[i]! - start - meanTime);
    slotSlot += slot * slot;
  }
  const periodS = slotSlot > 0 ? slotTime / slotSlot : clock.periodS;
  if (!(periodS > clock.periodS * 0.5 && periodS < clock.periodS * 2)) return clock;
  return { ...clock, originS: start + meanTime - meanSlot * periodS, periodS };
}

/** Mean squared distance of the first `count` timestamps from whole slots, in slots. */
function offGrid(timesS: Float64Array, count: number, clock: SlotClock): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const slot = (timesS[i]! - clock.originS) / clock.periodS;
    sum += (slot - Math.round(slot)) ** 2;
  }
  return sum / count;
}

/** The period near the median difference on whose grid the first stretch lies best. */
function firstClock(timesS: Float64Array, guess: number): SlotClock {
  const count = Math.min(FIRST_STRETCH, timesS.length);
  let best: SlotClock = { originS: timesS[0]!, periodS: guess, stampsJitter: false };
  let bestOff = Infinity;
  const [from, to] = TRIED_PERIODS;
  for (let share = from; share <= to; share += TRIED_STEP) {
    const tried = { ...best, originS: timesS[0]!, periodS: guess * share };
    const clock = refine(timesS, count, refine(timesS, count, tried));
    const off = offGrid(timesS, count, clock);
    if (off < bestOff) [best, bestOff] = [clock, off];
  }
  return best;
}

/**
 * Finds the sampling period and its phase from timestamps with jitter and gaps.
 *
 * The median difference is a robust first guess, which gaps make too long; periods near it are
 * tried on the first stretch. The line through (slot, time) is then refitted over stretches that
 * double, so that slots never slip. Months of 28 to 31 days become slots of one mean month.
 *
 * @param timesS  strictly increasing, seconds                                        [length ≥ 2]
 */
export function fitSlotClock(timesS: Float64Array): SlotClock {
  const differences = new Float64Array(timesS.length - 1);
  for (let i = 1; i < timesS.length; i++) differences[i - 1] = timesS[i]! - timesS[i - 1]!;
  const guess = median(differences);
  let clock: SlotClock = { originS: timesS[0]!, periodS: guess, stampsJitter: false };
  let onGrid = true;
  for (let i = 0; i < timesS.length && onGrid; i++) {
    const slot = (timesS[i]! - clock.originS) / guess;
    onGrid = Math.abs(slot - Math.round(slot)) < ON_GRID_SLOTS;
  }
  // An even series keeps its exact period: refitting would only add rounding noise.
  if (onGrid) return clock;
  clock = firstClock(timesS, guess);
  for (let count = FIRST_STRETCH;; count *= 2) {
    const end = Math.min(count, timesS.length);
    clock = refine(timesS, end, refine(timesS, end, clock));
    if (end === timesS.length) return clock;
  }
}

/** Slot time of an instant; on-grid instants give whole numbers exactly. */
export function slotTime(clock: SlotClock, timeS: number): number {
  const slot = (timeS - clock.originS) / clock.periodS;
  const whole = Math.round(slot);
  return Math.abs(slot - whole) < ON_GRID_SLOTS ? whole : slot;
}

/** Slot time at which a sample counts: its instant, or its whole slot where only stamps jitter. */
export function sampleSlotTime(clock: SlotClock, timeS: number): number {
  const slot = slotTime(clock, timeS);
  return clock.stampsJitter ? Math.round(slot) : slot;
}
