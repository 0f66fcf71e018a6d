/**
 * The kernel that runs a structural filter over many samples, for fits: the module of `simd.ts`
 * over a small memory of its own. Equations and twin: `src/models/structural_pass.ts`.
 */
import { invariant } from "../base/invariant.ts";
import { simdModule } from "./simd.ts";

/** What a pass works on: in the kernel's memory, or anywhere for the twin. */
export interface PassArrays {
  /** Rows of the season states, a multiple of 4 wide.                       [length, width] */
  readonly seasons: Float64Array;
  /** [length] */
  readonly values: Float64Array;
  /** Of the innovations, written.                                                  [length] */
  readonly variances: Float64Array;
  /** Four low states, then those of the seasons.                                [4 + width] */
  readonly mean: Float64Array;
  /** Transition of the low states, and the running scale. */
  readonly model: Float64Array;
  /** By blocks of four rows, each up to and with the block on the diagonal. */
  readonly cov: Float32Array;
  /** P·row at the sample before; likewise `row` and `next`, which are scratch.  [4 + width] */
  readonly column: Float32Array;
  readonly row: Float32Array;
  readonly next: Float32Array;
  /** Transition and noise of the low states, in vectors. */
  readonly low: Float32Array;
  /** Noise of the season states.                                                    [width] */
  readonly noise: Float32Array;
}

/** Samples that the kernel's memory has room for. */
export const PASS_SAMPLES_MAX = 2_048;

/** Season states likewise. */
export const PASS_WIDTH_MAX = 56;

/** Numbers of `model`. */
export const PASS_MODEL_NUMBERS = 8;

/** Numbers of `low`. */
export const PASS_LOW_NUMBERS = 32;

const PAGE_BYTES = 65_536;
const ALIGN_BYTES = 64;

/** Numbers of a covariance in blocks of four rows. */
export function passCovLength(width: number): number {
  const blocks = 1 + width / 4;
  return 8 * blocks * (blocks + 1);
}

/** Lays the arrays of a pass out. @param take  an array of zeros of a type and a length */
export function layOutPass(
  take: {
    f64(length: number): Float64Array;
    f32(length: number): Float32Array;
  },
  length: number,
  width: number,
): PassArrays {
  return {
    seasons: take.f64(length * width),
    values: take.f64(length),
    variances: take.f64(length),
    mean: take.f64(4 + width),
    model: take.f64(PASS_MODEL_NUMBERS),
    cov: take.f32(passCovLength(width)),
    column: take.f32(4 + width),
    row: take.f32(4 + width),
    next: take.f32(4 + width),
    low: take.f32(PASS_LOW_NUMBERS),
    noise: take.f32(width),
  };
}

/** Bytes of the arrays of the largest pass. */
function mostBytes(): number {
  let bytes = ALIGN_BYTES;
  const count = (size: number) => (length: number) => {
    bytes += Math.ceil(size * length / ALIGN_BYTES) * ALIGN_BYTES;
    return undefined as never;
  };
  layOutPass({ f64: count(8), f32: count(4) }, PASS_SAMPLES_MAX, PASS_WIDTH_MAX);
  return bytes;
}

/** The kernel of this thread, which works on one set of arrays at a time. */
export class PassUnit {
  readonly #memory: WebAssembly.Memory;
  readonly #pass: (...args: number[]) => number;
  /** The arrays asked for last, and where they begin. */
  #lent: PassArrays | undefined;
  #addresses: number[] = [];

  constructor(module: WebAssembly.Module) {
    const pages = Math.ceil(mostBytes() / PAGE_BYTES);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const instance = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#pass = instance.exports["structural_pass"] as (...args: number[]) => number;
  }

  /**
   * Arrays of any content, in place of those asked for before; undefined where there is no room.
   *
   * @param width  of the season states, a multiple of 4
   */
  arrays(length: number, width: number): PassArrays | undefined {
    if (length > PASS_SAMPLES_MAX || width > PASS_WIDTH_MAX) return undefined;
    const { buffer } = this.#memory;
    // Address 0 of the module means "not given".
    let at = ALIGN_BYTES;
    const place = (bytes: number) => {
      const from = at;
      at += Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
      return from;
    };
    const f64 = (count: number) => new Float64Array(buffer, place(8 * count), count);
    const f32 = (count: number) => new Float32Array(buffer, place(4 * count), count);
    const lent = layOutPass({ f64, f32 }, length, width);
    const { seasons, values, variances, cov, mean, column, row, next, model, low, noise } = lent;
    this.#addresses = [seasons, values, variances, cov, mean, column, row, next, model, low, noise]
      .map(({ byteOffset }) => byteOffset);
    this.#lent = lent;
    return lent;
  }

  /** Whether arrays lie in this memory. */
  has({ cov }: PassArrays): boolean {
    return cov.buffer === this.#memory.buffer;
  }

  /** Runs the samples `from` to `to`; returns how far it came. */
  run(arrays: PassArrays, from: number, to: number): number {
    invariant(arrays === this.#lent, "a pass runs on the arrays that were asked for last");
    return this.#pass(...this.#addresses, arrays.noise.length, from, to);
  }
}

let unit: PassUnit | null | undefined;

/** The kernel of this thread; undefined where the processor or the file is not there for it. */
export function passUnit(): PassUnit | undefined {
  if (unit === undefined) {
    try {
      unit = new PassUnit(simdModule());
    } catch {
      // A processor without SIMD, or a file that is gone: the twin does the work.
      unit = null;
    }
  }
  return unit ?? undefined;
}
