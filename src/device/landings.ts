/**
 * Memory that large reads land in, used again and again: fresh memory of megabytes costs the GPU's
 * thread as long as the copy into it, since the system hands it out page by page.
 */

/** Reads from this size on land here. */
export const LANDING_BYTES_MIN = 256 * 1024;
/** Larger reads get memory of their own. */
export const LANDING_BYTES_MAX = 16 * 1024 * 1024;
/** Buffers kept. */
export const LANDINGS_MAX = 4;

/** Buffers for reads. */
export class Landings {
  readonly #free: ArrayBuffer[] = [];

  /** A buffer of at least so many bytes; undefined for what is read without one. */
  take(bytes: number): ArrayBuffer | undefined {
    if (bytes < LANDING_BYTES_MIN || bytes > LANDING_BYTES_MAX) return undefined;
    const at = this.#free.findIndex(({ byteLength }) =>
      byteLength >= bytes && byteLength <= 2 * bytes
    );
    return at < 0 ? new ArrayBuffer(bytes) : this.#free.splice(at, 1)[0];
  }

  /** Takes a buffer back; the oldest goes where there are too many. */
  give(buffer: ArrayBuffer): void {
    this.#free.push(buffer);
    if (this.#free.length > LANDINGS_MAX) this.#free.shift();
  }
}
