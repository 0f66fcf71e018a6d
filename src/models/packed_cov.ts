import { type PackedArea, type PackedKernels, packedUnit } from "../device/mod.ts";

/** The kernels in plain loops: what those of {@linkcode packedUnit} are held to, bit for bit. */
export const PLAIN_PACKED: PackedKernels = { covTimesRow, subtractOuter, subtractOuterRounded };

function covTimesRow(
  cov: Float64Array,
  row: Float64Array,
  out: Float64Array,
  size: number,
): void {
  let at = 0;
  for (let i = 0; i < size; i++) {
    const ci = row[i]!;
    let sum = 0;
    for (let j = 0; j < i; j++) {
      const p = cov[at++]!;
      sum += p * row[j]!;
      out[j] = out[j]! + p * ci;
    }
    out[i] = sum + cov[at++]! * ci;
  }
}

function subtractOuter(
  cov: Float64Array,
  column: Float64Array,
  factor: number,
  grow: number,
  size: number,
): void {
  let at = 0;
  for (let i = 0; i < size; i++) {
    const scaled = column[i]! * factor;
    for (let j = 0; j <= i; j++, at++) cov[at] = (cov[at]! - scaled * column[j]!) * grow;
  }
}

function subtractOuterRounded(
  cov: Float64Array,
  column: Float64Array,
  factor: number,
  size: number,
): void {
  let at = 0;
  for (let i = 0; i < size; i++) {
    const scaled = column[i]! * factor;
    for (let j = 0; j <= i; j++, at++) cov[at] = Math.fround(cov[at]! - scaled * column[j]!);
  }
}

/** The vectors of a filter, and the kernels that can reach them and its covariance. */
export type PackedWork = {
  readonly kernels: PackedKernels;
  /** [size] */
  readonly row: Float64Array;
  /** [size] */
  readonly column: Float64Array;
};

/** Vectors of one's own, for the plain loops. */
export function plainWork(size: number): PackedWork {
  const vector = () => new Float64Array(size);
  return { kernels: PLAIN_PACKED, row: vector(), column: vector() };
}

/**
 * Anything with a packed covariance, one or several after the other; one that is kept in f32 is in
 * f64 while it is at work.
 */
export type HasCov = { cov: Float64Array | Float32Array };

/**
 * States whose covariances are in the kernels' memory for as long as a run of samples takes. The
 * last that came leaves first.
 */
export class Residents {
  readonly #guests: {
    readonly state: HasCov;
    readonly home: HasCov["cov"];
    /** Null where the plain loops work on it. */
    readonly area: PackedArea | null;
  }[] = [];

  /**
   * Moves the covariance of `state` into the kernels' memory until `leaveAll`.
   *
   * @param count  matrices in it
   * @returns      what to work with; undefined where the state stays as it is
   */
  enter(state: HasCov, size: number, count: number): PackedWork | undefined {
    const unit = packedUnit();
    const home = state.cov;
    const isNarrow = home instanceof Float32Array;
    const area = unit?.borrow(size, count, isNarrow);
    if (unit === undefined || area === undefined) return undefined;
    // To set() an array of another type costs more than a copy and a kernel.
    if (isNarrow) unit.takeNarrow(area, home);
    else area.cov.set(home);
    this.#guests.push({ state, home, area });
    state.cov = area.cov;
    return { kernels: unit, row: area.row, column: area.column };
  }

  /** Moves the covariance of `state` into `room`, in f64, until `leaveAll`, for the plain loops. */
  widen(state: HasCov, room: Float64Array): void {
    this.#guests.push({ state, home: state.cov, area: null });
    room.set(state.cov);
    state.cov = room;
  }

  /** Moves all covariances back into the arrays they came from. */
  leaveAll(): void {
    for (let guest = this.#guests.pop(); guest !== undefined; guest = this.#guests.pop()) {
      const { state, home, area } = guest;
      if (area !== null && home instanceof Float32Array) packedUnit()!.giveNarrow(area, home);
      else home.set(state.cov);
      state.cov = home;
      if (area !== null) packedUnit()!.giveBack();
    }
  }
}
