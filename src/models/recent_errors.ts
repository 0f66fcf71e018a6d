/**
 * How large the errors of the last horizon were beside the usual ones: what widens a fan when the
 * series has become harder to forecast, and narrows it when it has calmed down.
 *
 *   r = (Σ g √|ε| + h·ρ) / ((Σ g + h)·ρ),   g = exp(−age / (h/2)),   factor = r^0.4
 *
 * over standardised errors ε by the age of their targets in slots; ρ is what √|ε| is usually, h the
 * horizon. Errors age with the slots that pass, so that after a gap the factor is 1 again. The
 * root, and the power of 0.2 of the errors' size that it comes to, let no single burst of errors
 * blow the fan up (docs/evidence/fans.md has what it is worth).
 */
export type RecentErrors = {
  /** Discounted sum of √|ε| and of the weights. */
  rootSum: number;
  weight: number;
  /** Slot of the newest target; the sums are as of it. */
  slot: number;
};

const POWER = 0.4;
const MEMORY_HORIZONS = 0.5;
const MEMORY_MIN = 2;
const PSEUDO_HORIZONS = 1;
const LOG_FACTOR_MAX = 0.4;
/** √|ε| counts for this much at most: an outlier is forgotten within a horizon or so. */
const ROOT_MAX = 4;

/** The share kept last, and over what: mostly one slot of one memory, again and again. */
const kept = { slots: 0, memory: 1, share: 1 };

/** exp(−slots / memory). */
function keptShare(slots: number, memory: number): number {
  if (kept.slots !== slots || kept.memory !== memory) {
    kept.share = Math.exp(-slots / memory);
    kept.slots = slots;
    kept.memory = memory;
  }
  return kept.share;
}

/** No errors yet. */
export function recentStart(): RecentErrors {
  return { rootSum: 0, weight: 0, slot: 0 };
}

function memoryOf(horizon: number): number {
  return Math.max(MEMORY_MIN, MEMORY_HORIZONS * horizon);
}

/**
 * Takes an error whose target is at `slot`, before or after those that are known.
 *
 * @param root  √|ε|
 */
export function recentAdd(
  recent: RecentErrors,
  slot: number,
  root: number,
  horizon: number,
): void {
  let weight = 1;
  if (recent.weight === 0) {
    recent.slot = slot;
  } else if (slot > recent.slot) {
    const keep = keptShare(slot - recent.slot, memoryOf(horizon));
    recent.rootSum *= keep;
    recent.weight *= keep;
    recent.slot = slot;
  } else if (slot < recent.slot) {
    weight = Math.exp((slot - recent.slot) / memoryOf(horizon));
  }
  // What is no number is no small error.
  recent.rootSum += weight * (root < ROOT_MAX ? root : ROOT_MAX);
  recent.weight += weight;
}

/**
 * Factor of the widths of a forecast from `slot`.
 *
 * @param usualRoot  what √|ε| is on average
 */
export function recentFactor(
  recent: RecentErrors,
  slot: number,
  horizon: number,
  usualRoot: number,
): number {
  const keep = Math.exp(Math.min(0, recent.slot - slot) / memoryOf(horizon));
  const pseudo = PSEUDO_HORIZONS * horizon;
  const root = (keep * recent.rootSum + pseudo * usualRoot) / (keep * recent.weight + pseudo);
  const log = POWER * Math.log(root / usualRoot);
  return Math.exp(Math.min(LOG_FACTOR_MAX, Math.max(-LOG_FACTOR_MAX, log)));
}
