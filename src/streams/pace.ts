import type { StreamRecord } from "../stores/store.ts";

/** Streams whose pace is remembered while their state is not in memory (some 100 bytes each). */
export const PACES_KEPT_MAX = 100_000;

/** Share of a pause between samples that is kept as the step when a shorter one follows. */
const STEP_KEPT = 0.75;

/** When a stream's samples come, by the clock of the service; times are monotonic milliseconds. */
export class Pace {
  #arrivedMs = -Infinity;
  #askedMs = -Infinity;
  /** Milliseconds after which samples come again: by their own times until that was seen here. */
  #stepMs: number;
  #isStepSeen = false;

  constructor({ firstNs, lastNs, inOrderCount }: StreamRecord) {
    const isKnown = firstNs !== null && lastNs !== null && inOrderCount > 1;
    this.#stepMs = isKnown ? Number(lastNs - firstNs) / 1e6 / (inOrderCount - 1) : 0;
  }

  /** Samples came. The longest of the last pauses counts: a sample may come in several pieces. */
  noteArrival(nowMs: number): void {
    if (this.#arrivedMs > -Infinity) {
      const keptMs = this.#isStepSeen ? STEP_KEPT * this.#stepMs : 0;
      this.#stepMs = Math.max(nowMs - this.#arrivedMs, keptMs);
      this.#isStepSeen = true;
    }
    this.#arrivedMs = nowMs;
  }

  /** Somebody asked for the state. */
  noteQuestion(nowMs: number): void {
    this.#askedMs = nowMs;
  }

  /**
   * Milliseconds for which the state is likely not needed: until the next samples are due, or where
   * they are overdue or somebody asked, as long again as nobody came.
   */
  idleMs(nowMs: number): number {
    const dueMs = this.#arrivedMs + this.#stepMs - nowMs;
    return Math.min(Math.abs(dueMs), nowMs - this.#askedMs);
  }
}

/** The paces of streams whose states are not in memory: at most so many, the newest to leave. */
export class KeptPaces {
  readonly #paces = new Map<string, { readonly pace: Pace; readonly createdNs: bigint }>();
  readonly #countMax: number;

  constructor(countMax = PACES_KEPT_MAX) {
    this.#countMax = countMax;
  }

  keep({ id, createdNs }: Pick<StreamRecord, "id" | "createdNs">, pace: Pace): void {
    this.#paces.set(id, { pace, createdNs });
    if (this.#paces.size <= this.#countMax) return;
    const [oldest] = this.#paces.keys();
    this.#paces.delete(oldest!);
  }

  /** The pace that is kept of a stream, which is kept no longer; a new one where there is none. */
  take(record: StreamRecord): Pace {
    const kept = this.#paces.get(record.id);
    this.#paces.delete(record.id);
    return kept?.createdNs === record.createdNs ? kept.pace : new Pace(record);
  }
}
