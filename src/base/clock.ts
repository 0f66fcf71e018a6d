/** Time comes as an argument: only this file (and `main.ts`, the command line) reads the clock. */
export interface Clock {
  /** Wall clock, nanoseconds since the Unix epoch (millisecond resolution). */
  nowNs(): bigint;
  /** Monotonic milliseconds, for durations. */
  monotonicMs(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowNs: () => BigInt(Date.now()) * 1_000_000n,
  monotonicMs: () => performance.now(),
};

/** A clock that tests move by hand. */
export class ManualClock implements Clock {
  #nowNs: bigint;

  constructor(startNs = 1_700_000_000_000_000_000n) {
    this.#nowNs = startNs;
  }

  nowNs(): bigint {
    return this.#nowNs;
  }

  monotonicMs(): number {
    return Number(this.#nowNs / 1_000n) / 1_000;
  }

  advanceMs(ms: number): void {
    this.#nowNs += BigInt(Math.round(ms * 1e6));
  }
}
