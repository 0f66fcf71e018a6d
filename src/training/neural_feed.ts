/**
 * Minibatches made ahead by Workers. The caller gets them in the order of their index; which
 * worker made one, and when, changes nothing in it.
 *
 *   order    index and an empty buffer, to the worker with the fewest orders
 *   answer   the same buffer, filled
 *   ready    the caller waits for the minibatch of an index; buffers of those before it are used
 *            again
 *
 * Orders go out while fewer minibatches are made or being made than the feed has buffers, so
 * workers stand still where the device is the slower one.
 */
import type { Clock } from "../base/clock.ts";
import { InvalidValueError } from "../base/errors.ts";
import { type AssembledBatch, batchBytes, batchOn } from "./neural_batch.ts";
import type { NeuralSizes, NeuralSource } from "./neural_batch.ts";

/** Workers of one feed, at most. */
export const FEED_WORKERS_MAX = 64;
/** Orders that one worker has at most: the next lies there when one is done. */
export const FEED_ORDERS_EACH = 2;
/** Minibatches that are made or being made, at most, however many workers there are. */
export const FEED_AHEAD_MAX = 48;

/** What every minibatch is made from. */
export interface FeedSetting {
  readonly source: NeuralSource;
  readonly seed: number;
  readonly sizes: NeuralSizes;
}

/** Told to a worker: make this one. */
export interface FeedOrder {
  readonly index: number;
  readonly buffer: ArrayBuffer;
}

/** Told by a worker: made, or why not. */
export interface FeedAnswer extends FeedOrder {
  readonly error?: unknown;
}

/** Options of {@linkcode openFeed}. */
export interface FeedOptions extends FeedSetting {
  /** 1 to {@linkcode FEED_WORKERS_MAX}. */
  readonly workers: number;
  /** The first index, and the one after the last. */
  readonly first: number;
  readonly end: number;
  readonly clock: Clock;
}

/** A worker, and what it has to do. */
interface Maker {
  readonly worker: Worker;
  orders: number;
}

/** A caller that waits. */
interface Wait {
  readonly index: number;
  readonly count: number;
  resolve(): void;
  reject(error: Error): void;
}

/** Minibatches that this many workers have made or are making, at most. */
export function feedLimit(workers: number): number {
  return Math.min(FEED_AHEAD_MAX, FEED_ORDERS_EACH * workers);
}

/**
 * Opens a feed; its workers begin at once.
 *
 * @throws {InvalidValueError} an option is out of range
 */
export function openFeed(options: FeedOptions): NeuralFeed {
  const { workers, first, end } = options;
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= FEED_WORKERS_MAX)) {
    throw new InvalidValueError("workers", workers, `a whole number from 1 to ${FEED_WORKERS_MAX}`);
  }
  if (!(Number.isInteger(first) && first >= 0)) {
    throw new InvalidValueError("first", first, "an integer of at least 0");
  }
  if (!(end >= first)) throw new InvalidValueError("end", end, `at least the first, ${first}`);
  return new NeuralFeed(options);
}

/** Minibatches made ahead. Made by {@linkcode openFeed}. */
export class NeuralFeed {
  readonly #options: FeedOptions;
  readonly #bytes: number;
  readonly #makers: readonly Maker[];
  readonly #made = new Map<number, AssembledBatch>();
  /** Buffers that wait for an order. */
  #idle: ArrayBuffer[] = [];
  /** Buffers that there are: with a worker, made, or idle. */
  #buffers = 0;
  #next: number;
  #waiting: Wait | undefined;
  #failure: Error | undefined;
  #waitedMs = 0;

  constructor(options: FeedOptions) {
    const { source, seed, sizes, workers, first } = options;
    this.#options = options;
    this.#bytes = batchBytes(sizes);
    this.#next = first;
    const script = new URL("./neural_feed_worker.ts", import.meta.url);
    this.#makers = Array.from({ length: workers }, (_, i) => {
      const worker = new Worker(script, { type: "module", name: `driftline-feed-${i}` });
      const maker = { worker, orders: 0 };
      worker.onmessage = ({ data }: MessageEvent<FeedAnswer>) => this.#take(maker, data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.#fail(new Error(`A worker of the feed stopped: ${event.message}`));
      };
      const setting: FeedSetting = { source, seed, sizes };
      worker.postMessage(setting);
      return maker;
    });
    this.#order();
  }

  /** Minibatches that are made or being made, at most. */
  get limit(): number {
    return feedLimit(this.#makers.length);
  }

  /** Minibatches that lie ready. */
  get depth(): number {
    return this.#made.size;
  }

  /** Time that the caller spent in {@linkcode NeuralFeed.ready}. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /**
   * Waits for minibatches; undefined where they lie ready. Those of lower indices are gone from
   * then on: their memory is used again. One caller waits at a time.
   *
   * @param count  of minibatches from the index on, at most {@linkcode NeuralFeed.limit}
   * @throws {Error} a worker failed; the cause is its error
   * @throws {InvalidValueError} they are none of the feed's, or too many
   */
  ready(index: number, count = 1): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    this.#checkRange(index, count);
    for (const [done, { buffer }] of this.#made) {
      if (done >= index) continue;
      this.#made.delete(done);
      this.#idle.push(buffer);
    }
    this.#order();
    return this.#has(index, count) ? undefined : this.#wait(index, count);
  }

  /** The minibatch of an index that is ready. @throws {InvalidValueError} it is not */
  minibatch(index: number): AssembledBatch {
    const made = this.#made.get(index);
    if (made === undefined) {
      throw new InvalidValueError("index", index, "a minibatch that is ready");
    }
    return made;
  }

  /** Ends the workers. */
  close(): void {
    for (const { worker } of this.#makers) worker.terminate();
    this.#made.clear();
    this.#idle = [];
    this.#fail(new Error("The feed was closed"));
  }

  #checkRange(index: number, count: number): void {
    const { first, end } = this.#options;
    if (!(index >= first && index + count <= end)) {
      throw new InvalidValueError("index", index, `${first} to below ${end}`);
    }
    if (!(count <= this.limit)) {
      throw new InvalidValueError("count", count, `at most ${this.limit}`);
    }
  }

  #has(index: number, count: number): boolean {
    for (let i = index; i < index + count; i++) if (!this.#made.has(i)) return false;
    return true;
  }

  async #wait(index: number, count: number): Promise<void> {
    const { clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const beginMs = clock.monotonicMs();
    this.#waiting = { index, count, resolve, reject };
    try {
      await promise;
    } finally {
      this.#waitedMs += clock.monotonicMs() - beginMs;
    }
  }

  #order(): void {
    while (this.#next < this.#options.end && this.#failure === undefined) {
      const maker = this.#makers.reduce((a, b) => b.orders < a.orders ? b : a);
      if (maker.orders >= FEED_ORDERS_EACH) return;
      const buffer = this.#takeBuffer();
      if (buffer === undefined) return;
      maker.orders++;
      const order: FeedOrder = { index: this.#next++, buffer };
      maker.worker.postMessage(order, [buffer]);
    }
  }

  /** A buffer for one more minibatch; undefined at the limit. */
  #takeBuffer(): ArrayBuffer | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined || this.#buffers >= this.limit) return idle;
    this.#buffers++;
    return new ArrayBuffer(this.#bytes);
  }

  #take(maker: Maker, { index, buffer, error }: FeedAnswer): void {
    maker.orders--;
    if (error !== undefined) {
      const why = error instanceof Error ? error.message : String(error);
      this.#fail(new Error(`Minibatch ${index} was not made: ${why}`, { cause: error }));
      return;
    }
    if (this.#failure !== undefined) return;
    this.#made.set(index, batchOn(this.#options.sizes, buffer));
    this.#order();
    const waiting = this.#waiting;
    if (waiting === undefined || !this.#has(waiting.index, waiting.count)) return;
    waiting.resolve();
    this.#waiting = undefined;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }
}
