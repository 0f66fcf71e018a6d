/**
 * MSTL+ETS and ETS of the npm package `@bsull/augurs` (Rust, compiled to WebAssembly), as a peer:
 * what somebody would pick instead. It is loaded where it is measured and nowhere else; nothing
 * that serves depends on it.
 */

/** The package as `deno.json` pins it. */
export const AUGURS_VERSION = "@bsull/augurs 0.10.2";

/** Which of the package's forecasters. */
export type AugursMethod = "mstl" | "ets";

/** A series without gaps, and what is asked of it. */
export interface AugursQuestion {
  /** Regular samples, oldest first; no NaN.                                       [length] */
  readonly context: Float64Array;
  /** Season length in samples; 1 = none. */
  readonly season: number;
  readonly horizon: number;
  readonly method: AugursMethod;
  /** In (0, 1), increasing and symmetric about 0.5.                             [quantile] */
  readonly quantiles: Float64Array;
}

/** A fitted forecaster of the package. */
interface Fitted {
  fit(y: Float64Array): void;
  predict(horizon: number, level: number | null): {
    readonly point: readonly number[];
    readonly intervals?: { readonly lower: readonly number[]; readonly upper: readonly number[] };
  };
  free(): void;
}

/** The package, loaded. */
export interface Augurs {
  /**
   * Fits and forecasts; row-major.                                           [lead, quantile]
   *
   * @throws {Error} the package refuses the series
   */
  forecast(question: AugursQuestion): Float64Array;
}

/** The longer season that belongs to one: a week to a day, a year to a week. */
const LONGER_SEASON: Readonly<Record<number, number>> = { 7: 365, 24: 168, 48: 336, 96: 672 };

/** Seasons that a context holds more than twice, shortest first. */
export function cyclesOf(season: number, length: number): number[] {
  const longer = LONGER_SEASON[season];
  const cycles = longer === undefined ? [season] : [season, longer];
  return cycles.filter((cycle) => cycle > 1 && length > 2 * cycle);
}

function quantilesOf(model: Fitted, horizon: number, quantiles: Float64Array): Float64Array {
  const width = quantiles.length;
  const rows = new Float64Array(horizon * width);
  for (let q = 0; q < width; q++) {
    const quantile = quantiles[q]!;
    const level = Math.abs(2 * quantile - 1);
    const { point, intervals } = model.predict(horizon, level > 1e-9 ? level : null);
    const column = quantile === 0.5
      ? point
      : (quantile < 0.5 ? intervals?.lower : intervals?.upper) ?? point;
    for (let lead = 0; lead < horizon; lead++) rows[lead * width + q] = column[lead]!;
  }
  return rows;
}

// Named by variables, so that Deno fetches the package only when the peer is really asked for.
const MSTL_MODULE = "@bsull/augurs/mstl";
const ETS_MODULE = "@bsull/augurs/ets";

/** Loads the package; null where it is not installed. */
export async function loadAugurs(): Promise<Augurs | null> {
  let mstl: typeof import("@bsull/augurs/mstl");
  let ets: typeof import("@bsull/augurs/ets");
  try {
    mstl = await import(MSTL_MODULE);
    ets = await import(ETS_MODULE);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
  await mstl.default();
  await ets.default();
  const open = ({ context, season, method }: AugursQuestion): Fitted => {
    const cycles = method === "mstl" ? cyclesOf(season, context.length) : [];
    // Its exponential smoothing knows no season, so one that is not seen twice is left out.
    return cycles.length > 0
      ? mstl.MSTL.ets(Uint32Array.from(cycles)) as Fitted
      : new ets.AutoETS(1, "ZZN") as Fitted;
  };
  return {
    forecast(question) {
      const model = open(question);
      try {
        model.fit(question.context);
        return quantilesOf(model, question.horizon, question.quantiles);
      } finally {
        model.free();
      }
    },
  };
}
