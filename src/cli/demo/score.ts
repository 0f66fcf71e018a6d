/** Errors of forecasts beside those of naive ones, from samples that no forecast has seen. */

/** The forecast of one origin, and what came. All arrays have the length of the horizon. */
export interface HeldOut {
  readonly median: ArrayLike<number>;
  readonly low80: ArrayLike<number>;
  readonly high80: ArrayLike<number>;
  readonly low95: ArrayLike<number>;
  readonly high95: ArrayLike<number>;
}

/** Means over all origins and leads. */
export interface BacktestScore {
  readonly origins: number;
  readonly horizon: number;
  /** Mean absolute error over the scale of each origin. */
  readonly mase: number;
  readonly seasonalNaiveMase: number;
  readonly lastValueMase: number;
  /** Share of the samples inside the 80 % interval. */
  readonly coverage80: number;
  readonly coverage95: number;
}

/**
 * Mean absolute one-season difference before `end`: the scale of MASE (Hyndman and Koehler 2006,
 * "Another look at measures of forecast accuracy", section 3).
 *
 * @param values        samples                                                        [length]
 * @param end           samples before it are known
 * @param seasonLength  in samples
 */
export function naiveScale(values: Float64Array, end: number, seasonLength: number): number {
  let sum = 0;
  for (let i = seasonLength; i < end; i++) sum += Math.abs(values[i]! - values[i - seasonLength]!);
  return sum / (end - seasonLength);
}

/** Collects the errors of rolling origins over one column. */
export class Backtest {
  readonly #values: Float64Array;
  readonly #seasonLength: number;
  readonly #horizon: number;
  #origins = 0;
  #own = 0;
  #seasonal = 0;
  #last = 0;
  #inside80 = 0;
  #inside95 = 0;

  constructor(values: Float64Array, seasonLength: number, horizon: number) {
    this.#values = values;
    this.#seasonLength = seasonLength;
    this.#horizon = horizon;
  }

  /** Adds a forecast made when the samples before `end` were known. */
  add(end: number, forecast: HeldOut): void {
    const values = this.#values;
    const season = this.#seasonLength;
    const scale = naiveScale(values, end, season) * this.#horizon;
    this.#origins++;
    for (let lead = 0; lead < this.#horizon; lead++) {
      const actual = values[end + lead]!;
      this.#own += Math.abs(actual - forecast.median[lead]!) / scale;
      this.#seasonal += Math.abs(actual - values[end - season + lead % season]!) / scale;
      this.#last += Math.abs(actual - values[end - 1]!) / scale;
      if (actual >= forecast.low80[lead]! && actual <= forecast.high80[lead]!) this.#inside80++;
      if (actual >= forecast.low95[lead]! && actual <= forecast.high95[lead]!) this.#inside95++;
    }
  }

  score(): BacktestScore {
    const origins = this.#origins;
    const count = origins * this.#horizon;
    return {
      origins,
      horizon: this.#horizon,
      mase: this.#own / origins,
      seasonalNaiveMase: this.#seasonal / origins,
      lastValueMase: this.#last / origins,
      coverage80: this.#inside80 / count,
      coverage95: this.#inside95 / count,
    };
  }
}
