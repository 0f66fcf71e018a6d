/**
 * Threads that run the tasks of a kernel together with the caller: Workers that sleep on shared
 * words, each with its own instance of the module over the one memory.
 *
 * The caller hands out runs of tasks by a shared counter and takes runs itself; it comes back when
 * all are done. Workers that are not up yet are not waited for: their share is done by the others.
 */
import { invariant } from "../base/invariant.ts";

/** Words of the control block that caller and Workers share. */
export const WORD = {
  /** Next task that nobody has taken. */
  next: 0,
  /** Workers that are through with this round. */
  done: 1,
  tasks: 2,
  /** Tasks taken at once. */
  chunk: 3,
  entry: 4,
  threadsAt: 5,
  threadBytes: 6,
  argCount: 7,
  /** A kernel trapped in some Worker. */
  failed: 8,
  /** One word for each Worker from here on: see {@linkcode SLEEPER}. */
  sleepers: 16,
} as const;

/** States of a Worker. */
export const SLEEPER = { starting: 0, idle: 1, running: 2, quitting: 3 } as const;

const WORDS = 48;
/** Most arrays and sizes of a kernel. */
const ARGS_MAX = 32;
/** Bytes of the control block: the words, then the arguments as f64. */
const CONTROL_BYTES = 4 * WORDS + 8 * ARGS_MAX;
/** Runs of tasks for each thread, so that a slow thread holds nobody up for long. */
const RUNS_PER_THREAD = 4;
/** Looks at the counter before sleeping: most rounds end within microseconds of each other. */
const SPINS = 2000;
/** Longest wait for a thread; kernels take milliseconds. */
const ROUND_MS_MAX = 120_000;

/** What a Worker is given at its start. */
export interface PoolStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  /** 0 for the first Worker; the caller is not one. */
  readonly index: number;
}

/** The kernel of one round. */
export interface PoolRound {
  readonly entry: string;
  readonly kernel: (begin: number, end: number, scratch: number, ...args: number[]) => void;
  readonly args: readonly number[];
  readonly tasks: number;
  readonly threadsAt: number;
  readonly threadBytes: number;
}

/** The two views of a control block. */
export function controlViews(control: SharedArrayBuffer) {
  const words = new Int32Array(control, 0, WORDS);
  return { words, args: new Float64Array(control, 4 * WORDS, ARGS_MAX) };
}

/** Takes runs of tasks until none is left. @param thread  0 for the caller */
export function takeTasks(
  words: Int32Array,
  thread: number,
  kernel: PoolRound["kernel"],
  args: readonly number[],
): void {
  const tasks = words[WORD.tasks]!;
  const chunk = words[WORD.chunk]!;
  const scratch = words[WORD.threadsAt]! + thread * words[WORD.threadBytes]!;
  for (;;) {
    const begin = Atomics.add(words, WORD.next, chunk);
    if (begin >= tasks) return;
    kernel(begin, Math.min(begin + chunk, tasks), scratch, ...args);
  }
}

/** Workers that help with the passes of one device. */
export class SimdPool {
  readonly #words: Int32Array;
  readonly #args: Float64Array;
  readonly #workers: readonly Worker[];
  readonly #entries: ReadonlyMap<string, number>;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, helpers: number) {
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const { words, args } = controlViews(control);
    this.#words = words;
    this.#args = args;
    this.#entries = new Map(entriesOf(module).map((name, i) => [name, i]));
    this.#workers = Array.from({ length: helpers }, (_, index) => {
      const worker = new Worker(new URL("./simd_worker.ts", import.meta.url), { type: "module" });
      // A Worker that cannot start is never idle, so it is never counted on.
      worker.addEventListener("error", (event) => event.preventDefault());
      worker.postMessage({ module, memory, control, index } satisfies PoolStart);
      return worker;
    });
  }

  /** Workers that are up and waiting. */
  get ready(): number {
    return this.#workers.filter((_, i) => this.#stateOf(i) === SLEEPER.idle).length;
  }

  #stateOf(index: number): number {
    return Atomics.load(this.#words, WORD.sleepers + index);
  }

  /**
   * Runs all tasks of a kernel and returns when they are done.
   *
   * @throws {Error} a kernel trapped in another thread, or a thread did not come back
   */
  run(round: PoolRound): void {
    const words = this.#words;
    const idle = this.#workers.flatMap((_, i) => this.#stateOf(i) === SLEEPER.idle ? [i] : []);
    invariant(round.args.length <= ARGS_MAX, `a kernel has at most ${ARGS_MAX} arguments`);
    words[WORD.next] = 0;
    words[WORD.done] = 0;
    words[WORD.failed] = 0;
    words[WORD.tasks] = round.tasks;
    const runs = RUNS_PER_THREAD * (idle.length + 1);
    words[WORD.chunk] = Math.max(1, Math.floor(round.tasks / runs));
    words[WORD.entry] = this.#entries.get(round.entry)!;
    words[WORD.threadsAt] = round.threadsAt;
    words[WORD.threadBytes] = round.threadBytes;
    words[WORD.argCount] = round.args.length;
    this.#args.set(round.args);
    for (const index of idle) this.#wake(index, SLEEPER.running);
    try {
      takeTasks(words, 0, round.kernel, round.args);
    } finally {
      // Also after a trap here: nobody may still be writing when the memory is used again.
      this.#join(idle.length);
    }
    if (Atomics.load(words, WORD.failed) !== 0) {
      throw new Error(`SIMD kernel ${round.entry} failed in a thread`);
    }
  }

  #wake(index: number, state: number): void {
    Atomics.store(this.#words, WORD.sleepers + index, state);
    Atomics.notify(this.#words, WORD.sleepers + index);
  }

  #join(count: number): void {
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(this.#words, WORD.done) === count) return;
    }
    for (;;) {
      const done = Atomics.load(this.#words, WORD.done);
      if (done === count) return;
      if (Atomics.wait(this.#words, WORD.done, done, ROUND_MS_MAX) === "timed-out") {
        throw new Error(`${count - done} SIMD threads did not come back in ${ROUND_MS_MAX} ms`);
      }
    }
  }

  /** Ends the threads. */
  close(): void {
    this.#workers.forEach((worker, index) => {
      this.#wake(index, SLEEPER.quitting);
      worker.terminate();
    });
  }
}

/** Names of the kernels in the module's order, the same in every thread. */
export function entriesOf(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.exports(module).map(({ name }) => name);
}
