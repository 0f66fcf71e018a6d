/**
 * Copying from a GPU to the host without the runtime's 10 ms sleep.
 *
 * Deno 2.9.6 maps a buffer inside the `mapAsync` call and then sleeps before it resolves the
 * promise, so a read that awaits it takes 11 ms. When the call returns the data is there:
 * `getMappedRange` at once gives it in 0.1 ms. Three conditions, all kept here: the buffer has been
 * mapped and awaited once before ("primed"; otherwise Deno aborts the process), the runtime is a
 * version on which that was tested, and a probe at start-up read back what it wrote. Otherwise
 * reads await.
 */
import { invariant } from "../base/invariant.ts";

/** Runtime versions on which reading without awaiting was tested. */
export const FAST_READBACK_RUNTIMES: readonly string[] = ["2.9.6"];
/** The smallest staging buffer. */
const STAGING_BYTES_MIN = 64 * 1024;
/**
 * The largest: more is read in pieces of it. A larger one would be held for good, or be made,
 * mapped and awaited for each read.
 */
export const STAGING_BYTES_MAX = 16 * 1024 * 1024;

const WORD_BYTES = 4;

/** Bytes of a copy, which moves whole words and at least one. */
export function wholeWords(bytes: number): number {
  return Math.max(WORD_BYTES, Math.ceil(bytes / WORD_BYTES) * WORD_BYTES);
}

/** Staging buffers of one GPU device, by size, primed when made. */
export class Readback {
  readonly #device: GPUDevice;
  readonly #kept = new Map<number, GPUBuffer>();
  readonly #pending = new Set<Promise<unknown>>();
  #fast: boolean;

  private constructor(device: GPUDevice, fast: boolean) {
    this.#device = device;
    this.#fast = fast;
  }

  /** Opens and, where the fast way is allowed, proves it by a round trip. */
  static async open(device: GPUDevice, allowFast: boolean): Promise<Readback> {
    const readback = new Readback(device, allowFast);
    if (allowFast) await readback.#probe();
    return readback;
  }

  /** Whether reads skip the runtime's sleep. */
  get fast(): boolean {
    return this.#fast;
  }

  /** Copies a few bytes of a buffer to the host, after all work submitted so far. */
  async read(source: GPUBuffer, bytes: number, offset = 0): Promise<ArrayBuffer> {
    const staging = await this.stagingFor(bytes);
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, offset, staging, 0, wholeWords(bytes));
    this.#device.queue.submit([encoder.finish()]);
    return await this.bring(staging, bytes);
  }

  /**
   * Brings to the host what submitted work copied into a buffer of {@linkcode stagingFor}.
   *
   * @param into  takes it from its byte `at` on; memory of its own where absent
   */
  async bring(
    staging: GPUBuffer,
    bytes: number,
    into?: ArrayBuffer,
    at = 0,
  ): Promise<ArrayBuffer> {
    const range = await this.#map(staging, wholeWords(bytes));
    const data = into ?? range.slice(0, bytes);
    if (into !== undefined) new Uint8Array(into).set(new Uint8Array(range, 0, bytes), at);
    staging.unmap();
    return data;
  }

  /** Waits until no mapping is under way: the device must not be destroyed before. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  async #map(staging: GPUBuffer, length: number): Promise<ArrayBuffer> {
    const mapped = staging.mapAsync(GPUMapMode.READ, 0, length);
    if (this.#fast) {
      this.#track(mapped);
      try {
        return staging.getMappedRange(0, length);
      } catch (error) {
        // "Buffer is not mapped": this runtime maps later than the tested one; await from now on.
        if (!(error instanceof DOMException)) throw error;
        this.#fast = false;
      }
    }
    await mapped;
    return staging.getMappedRange(0, length);
  }

  #track(promise: Promise<unknown>): void {
    const settled = promise.catch(() => {}).finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
  }

  /**
   * A buffer that takes a copy of so many bytes, until the next one is asked for.
   *
   * @param bytes  at most {@linkcode STAGING_BYTES_MAX}
   */
  async stagingFor(bytes: number): Promise<GPUBuffer> {
    invariant(bytes <= STAGING_BYTES_MAX, "more is read in pieces");
    let size = STAGING_BYTES_MIN;
    while (size < bytes) size *= 2;
    const kept = this.#kept.get(size);
    if (kept) return kept;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = this.#device.createBuffer({ size, usage });
    await staging.mapAsync(GPUMapMode.READ);
    staging.unmap();
    this.#kept.set(size, staging);
    return staging;
  }

  async #probe(): Promise<void> {
    const pattern = new Uint32Array([0x12345678, 0x9abcdef0, 0, 0xffffffff]);
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const source = this.#device.createBuffer({ size: pattern.byteLength, usage });
    for (const turn of [1, 2]) {
      pattern[2] = turn;
      this.#device.queue.writeBuffer(source, 0, pattern);
      const back = new Uint32Array(await this.read(source, pattern.byteLength));
      if (!pattern.every((word, i) => word === back[i])) this.#fast = false;
    }
    source.destroy();
  }
}
