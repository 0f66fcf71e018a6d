/**
 * Kernels on packed symmetric matrices in f64, for filters that step sample by sample: the module
 * of `simd.ts` over a small memory of its own.
 *
 * A state belongs to the garbage collector. While a filter absorbs a segment its covariance lies in
 * an area of this memory, borrowed for that long, so that a sample costs no copy. Each sum adds its
 * terms in the order of the twins (`src/models/packed_cov.ts`): the results are the same bits, so a
 * state does not depend on which of the two ran.
 */
import { invariant } from "../base/invariant.ts";
import { simdModule } from "./simd.ts";

/** What a Kalman filter or a recursive least-squares step spends its time on. */
export interface PackedKernels {
  /** out = P·row for a packed symmetric P. */
  covTimesRow(cov: Float64Array, row: Float64Array, out: Float64Array, size: number): void;
  /** P ← (P − factor·column·columnᵀ)·grow. */
  subtractOuter(
    cov: Float64Array,
    column: Float64Array,
    factor: number,
    grow: number,
    size: number,
  ): void;
  /** P ← P − factor·column·columnᵀ, rounded to f32; every sum in f64. */
  subtractOuterRounded(
    cov: Float64Array,
    column: Float64Array,
    factor: number,
    size: number,
  ): void;
}

/** Arrays in one area of the kernels' memory; each of any content. */
export interface PackedArea {
  /** `count` packed matrices.                                  [count, size·(size + 1) / 2] */
  readonly cov: Float64Array;
  /** [size] */
  readonly row: Float64Array;
  /** [size] */
  readonly column: Float64Array;
  /** The matrices as their state keeps them in f32, where it was asked for; else empty. */
  readonly narrow: Float32Array;
}

/** Areas that can be borrowed at once: the filters of a model at work, and one that is fitted. */
export const PACKED_AREAS_MAX = 16;

/** Bytes of an area; what does not fit is left to the twins. */
export const PACKED_AREA_BYTES = 65_536;

/** Below this size a call costs more than it saves, copies of the state included. */
export const PACKED_SIZE_MIN = 12;

const ALIGN_BYTES = 64;

type Kernel = (...args: number[]) => void;

/** The kernels of this thread. */
export class PackedUnit implements PackedKernels {
  readonly #memory = new WebAssembly.Memory({
    initial: PACKED_AREAS_MAX * PACKED_AREA_BYTES / 65_536,
    maximum: PACKED_AREAS_MAX * PACKED_AREA_BYTES / 65_536,
    shared: true,
  });
  readonly #kernels: Readonly<Record<string, Kernel>>;
  /** Areas by index, each with the views last asked for by shape: a view costs 100 ns to make. */
  readonly #views: Map<number, PackedArea>[] = [];
  #borrowed = 0;

  constructor(module: WebAssembly.Module) {
    const instance = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#kernels = instance.exports as unknown as Record<string, Kernel>;
    for (let i = 0; i < PACKED_AREAS_MAX; i++) this.#views.push(new Map());
  }

  /** Areas that are out. */
  get borrowed(): number {
    return this.#borrowed;
  }

  /**
   * Borrows an area for `count` matrices of a size and two vectors; undefined where that is too
   * small to pay or too large to fit, or all areas are out.
   *
   * @param isNarrow  whether there is room for the matrices in f32, too
   */
  borrow(size: number, count: number, isNarrow = false): PackedArea | undefined {
    const covLength = count * size * (size + 1) / 2;
    const narrowLength = isNarrow ? covLength : 0;
    const bytes = 8 * (covLength + 2 * size) + 4 * narrowLength + 4 * ALIGN_BYTES;
    if (size < PACKED_SIZE_MIN || bytes > PACKED_AREA_BYTES) return undefined;
    if (this.#borrowed === PACKED_AREAS_MAX) return undefined;
    const index = this.#borrowed++;
    const views = this.#views[index]!;
    const key = (2 * count + (isNarrow ? 1 : 0)) * PACKED_AREA_BYTES + size;
    let area = views.get(key);
    if (area === undefined) {
      area = this.#areaOf(index, covLength, size, narrowLength);
      views.set(key, area);
    }
    return area;
  }

  /** Gives the area back that was borrowed last. */
  giveBack(): void {
    invariant(this.#borrowed > 0, "an area is given back that nobody borrowed");
    this.#borrowed--;
  }

  #areaOf(index: number, covLength: number, size: number, narrowLength: number): PackedArea {
    // Address 0 of the module means "not given".
    let at = index * PACKED_AREA_BYTES + ALIGN_BYTES;
    const take = (length: number) => {
      const array = new Float64Array(this.#memory.buffer, at, length);
      at += Math.ceil(8 * length / ALIGN_BYTES) * ALIGN_BYTES;
      return array;
    };
    const [cov, row, column] = [take(covLength), take(size), take(size)];
    return { cov, row, column, narrow: new Float32Array(this.#memory.buffer, at, narrowLength) };
  }

  /** The matrices of an area from `values`, which are in f32. */
  takeNarrow({ cov, narrow }: PackedArea, values: Float32Array): void {
    narrow.set(values);
    this.#kernels.widen!(narrow.byteOffset, cov.byteOffset, narrow.length);
  }

  /** The matrices of an area into `values`, rounded to f32. */
  giveNarrow({ cov, narrow }: PackedArea, values: Float32Array): void {
    this.#kernels.narrow!(cov.byteOffset, narrow.byteOffset, narrow.length);
    values.set(narrow);
  }

  covTimesRow(cov: Float64Array, row: Float64Array, out: Float64Array, size: number): void {
    this.#kernels.cov_times_row!(cov.byteOffset, row.byteOffset, out.byteOffset, size);
  }

  subtractOuter(
    cov: Float64Array,
    column: Float64Array,
    factor: number,
    grow: number,
    size: number,
  ): void {
    this.#kernels.subtract_outer!(cov.byteOffset, column.byteOffset, factor, grow, size);
  }

  subtractOuterRounded(
    cov: Float64Array,
    column: Float64Array,
    factor: number,
    size: number,
  ): void {
    this.#kernels.subtract_outer_rounded!(cov.byteOffset, column.byteOffset, factor, size);
  }
}

let unit: PackedUnit | null | undefined;

/** The kernels of this thread; undefined where the processor or the file is not there for them. */
export function packedUnit(): PackedUnit | undefined {
  if (unit === undefined) {
    try {
      unit = new PackedUnit(simdModule());
    } catch {
      // A processor without SIMD, or a file that is gone: the twins do the work.
      unit = null;
    }
  }
  return unit ?? undefined;
}
