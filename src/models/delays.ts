/**
 * At which delays a covariate counts: what a load does to a temperature, or rain to a river, comes
 * hours later.
 *
 * A covariate always counts with its newest values. The delay beyond them is where the
 * cross-correlation of its innovations with what the newest values leave of the channel's is
 * largest (Box and Jenkins 1970, chapter 11), if it is larger than chance makes it.
 */
import { usualSize } from "./components.ts";

/** A covariate counts with its own value and those of this many samples before. */
export const NEAR_LAGS = 2;

/** Longest delay that is sought, in samples. */
export const DELAY_MAX = 48;

/** Samples that lie before the newest one at which a covariate counts, at most. */
export const LAG_MAX = DELAY_MAX + 1;

/** Standard errors of a correlation beyond which a delay is believed: some 46 are looked at. */
const DELAY_ERRORS = 4.5;

/** Innovations are clipped at this many usual sizes: two outliers are no delay. */
const CLIP_SIZES = 4;

const NEAR: readonly number[] = Array.from({ length: NEAR_LAGS + 1 }, (_, lag) => lag);

/** Lags in samples at which a covariate counts: the newest, and those about its delay; 0 = none. */
export function lagsOf(delay: number): readonly number[] {
  if (delay === 0) return NEAR;
  return [...NEAR, ...[delay - 1, delay, delay + 1].filter((lag) => lag > NEAR_LAGS)];
}

/** Clipped in usual sizes; 0 where there is none. */
function clipped(values: Float64Array): Float64Array {
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  if (sizes.length === 0) return new Float64Array(values.length);
  const limit = CLIP_SIZES * usualSize(sizes);
  return values.map((value) => Math.min(limit, Math.max(-limit, value)));
}

/**
 * The delay at which a covariate says something of a channel that its newest values do not.
 *
 * @param rest       innovations of the channel less what is known already; 0 = none      [sample]
 * @param covariate  innovations of the covariate; 0 = none                               [sample]
 * @returns  in samples, 3 to {@linkcode DELAY_MAX}; 0 where no correlation stands out
 */
export function delayOf(rest: Float64Array, covariate: Float64Array): number {
  const [y, x] = [clipped(rest), clipped(covariate)];
  let [best, delay] = [DELAY_ERRORS, 0];
  for (let lag = NEAR_LAGS + 1; lag <= DELAY_MAX; lag++) {
    let [product, squares] = [0, 0];
    for (let t = lag; t < y.length; t++) {
      const both = y[t]! * x[t - lag]!;
      product += both;
      squares += both * both;
    }
    // The sum's own standard error, whatever the sizes' distribution is.
    const errors = squares > 0 ? Math.abs(product) / Math.sqrt(squares) : 0;
    if (errors > best) [best, delay] = [errors, lag];
  }
  return delay;
}
