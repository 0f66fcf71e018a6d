/**
 * What can be computed from a state, kept for the states opened last. A state that is gone takes
 * its part along; one that has been quiet while many others were opened gets it anew when it wakes.
 */
export class KeptRuns<State extends object, Run> {
  readonly #open: (state: State) => Run;
  readonly #runs = new WeakMap<State, Run>();
  /** In the order of their opening, over and over. */
  readonly #states: (WeakRef<State> | undefined)[];
  #next = 0;

  /** @param limit  states that stay open at once */
  constructor(limit: number, open: (state: State) => Run) {
    this.#open = open;
    this.#states = new Array<undefined>(limit).fill(undefined);
  }

  /** The state's run, opened where it is not. */
  of(state: State): Run {
    const known = this.#runs.get(state);
    if (known !== undefined) return known;
    const run = this.#open(state);
    const oldest = this.#states[this.#next]?.deref();
    if (oldest !== undefined) this.#runs.delete(oldest);
    this.#states[this.#next] = new WeakRef(state);
    this.#next = (this.#next + 1) % this.#states.length;
    this.#runs.set(state, run);
    return run;
  }

  /** Whether a state's run is kept. */
  has(state: State): boolean {
    return this.#runs.has(state);
  }
}
