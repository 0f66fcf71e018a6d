/**
 * Bookkeeping of device memory: which buffers exist, which are free, and how many bytes all of them
 * take. It owns no memory itself; the caller creates and destroys buffers as told, so the same
 * rules are tested without a GPU.
 */
import { LimitError } from "../base/errors.ts";

/** Default budget of one device's buffers, used and kept for reuse together. */
export const POOL_BYTES_MAX = 1 << 30;
/** The smallest buffer. */
export const BUFFER_BYTES_MIN = 256;
/** Sizes are rounded up to eighths of a power of two, so at most this share is wasted. */
const CLASSES_PER_DOUBLING = 8;

/** What the pool tells its caller to do. */
export interface PoolActions {
  create(id: number, bytes: number): void;
  destroy(id: number): void;
}

/** The size under which a request is kept. */
export function sizeClassOf(bytes: number): number {
  if (bytes <= BUFFER_BYTES_MIN) return BUFFER_BYTES_MIN;
  const power = 2 ** Math.floor(Math.log2(bytes));
  const step = Math.max(BUFFER_BYTES_MIN, power / CLASSES_PER_DOUBLING);
  return Math.ceil(bytes / step) * step;
}

/** Keeps a list of ids in descending order, so that its last is the lowest. */
function insertDescending(ids: number[], id: number): void {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle]! > id) low = middle + 1;
    else high = middle;
  }
  ids.splice(low, 0, id);
}

/**
 * Buffers by size class with a budget. Of several free ones the lowest id is taken, so that a loop
 * that begins with the same buffers in use gets the same ones every time.
 */
export class BufferPool {
  readonly #actions: PoolActions;
  readonly #budgetBytes: number;
  readonly #sizes = new Map<number, number>();
  readonly #free = new Map<number, number[]>();
  #freeIds = new Set<number>();
  #nextId = 1;
  #totalBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;

  constructor(actions: PoolActions, budgetBytes = POOL_BYTES_MAX) {
    this.#actions = actions;
    this.#budgetBytes = budgetBytes;
  }

  /** Bytes in use, bytes in existence (in use or kept for reuse), and the most ever in use. */
  get bytes(): { used: number; total: number; peak: number } {
    return { used: this.#usedBytes, total: this.#totalBytes, peak: this.#peakBytes };
  }

  /** Begins to watch for the most in use anew. */
  resetPeak(): void {
    this.#peakBytes = this.#usedBytes;
  }

  /**
   * Takes a buffer of at least `bytes`; reuses a free one of the size class where there is one.
   *
   * @returns its id
   * @throws {LimitError} the buffers in use and this one together pass the budget
   */
  take(bytes: number): number {
    const size = sizeClassOf(bytes);
    if (this.#usedBytes + size > this.#budgetBytes) {
      throw new LimitError("POOL_BYTES_MAX", this.#budgetBytes, this.#usedBytes + size);
    }
    this.#usedBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) {
      this.#freeIds.delete(reused);
      return reused;
    }
    this.#evictFor(size);
    const id = this.#nextId++;
    this.#sizes.set(id, size);
    this.#totalBytes += size;
    this.#actions.create(id, size);
    return id;
  }

  /** Gives a buffer back; a second time, or an unknown id, does nothing. */
  give(id: number): void {
    const size = this.#sizes.get(id);
    if (size === undefined || this.#freeIds.has(id)) return;
    this.#usedBytes -= size;
    this.#freeIds.add(id);
    const list = this.#free.get(size);
    if (list) insertDescending(list, id);
    else this.#free.set(size, [id]);
  }

  /** Destroys every buffer that is not in use. */
  trim(): void {
    this.#evict(0);
  }

  /** Forgets everything: the device is gone and its buffers with it. Ids are not used again. */
  reset(): void {
    this.#sizes.clear();
    this.#free.clear();
    this.#freeIds = new Set();
    this.#totalBytes = 0;
    this.#usedBytes = 0;
    this.#peakBytes = 0;
  }

  #evictFor(size: number): void {
    if (this.#totalBytes + size > this.#budgetBytes) this.#evict(this.#budgetBytes - size);
  }

  /** Destroys free buffers, largest first, until at most `target` bytes exist. */
  #evict(target: number): void {
    const sizes = [...this.#free.keys()].sort((a, b) => b - a);
    for (const size of sizes) {
      const list = this.#free.get(size)!;
      while (list.length > 0 && this.#totalBytes > target) {
        const id = list.pop()!;
        this.#freeIds.delete(id);
        this.#sizes.delete(id);
        this.#totalBytes -= size;
        this.#actions.destroy(id);
      }
      if (list.length === 0) this.#free.delete(size);
    }
  }
}
