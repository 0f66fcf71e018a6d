/**
 * Which parts of a range of addresses are taken: first fit, neighbours that are free joined again.
 * For the few large arrays that stay in the memory of the SIMD kernels.
 */
import { invariant } from "../base/invariant.ts";

interface Range {
  readonly at: number;
  readonly bytes: number;
}

/** The parts of one range. */
export class HeldMemory {
  readonly #end: number;
  /** By address. */
  readonly #taken: Range[] = [];
  readonly #start: number;

  /** @param start  first address, aligned as all are to be */
  constructor(start: number, bytes: number) {
    this.#start = start;
    this.#end = start + bytes;
  }

  /** Parts that are taken. */
  get count(): number {
    return this.#taken.length;
  }

  /** First address behind all that is taken. */
  get top(): number {
    const last = this.#taken.at(-1);
    return last === undefined ? this.#start : last.at + last.bytes;
  }

  /** Takes `bytes`, a multiple of the alignment; undefined where no gap is as large. */
  take(bytes: number): number | undefined {
    let at = this.#start;
    for (let i = 0; i <= this.#taken.length; i++) {
      const next = this.#taken[i];
      if ((next?.at ?? this.#end) - at >= bytes) {
        this.#taken.splice(i, 0, { at, bytes });
        return at;
      }
      at = next === undefined ? at : next.at + next.bytes;
    }
    return undefined;
  }

  /** Gives back what `take` gave at this address. */
  give(at: number): void {
    const index = this.#taken.findIndex((range) => range.at === at);
    invariant(index >= 0, "memory is given back that nobody took");
    this.#taken.splice(index, 1);
  }
}
