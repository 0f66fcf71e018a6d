/** What the newest values count for in the fan of a series that rests, from a replay. */
import { conditionsInto, leadScalesInto, standardQuantiles } from "./calibration.ts";
import { type Climate, climateQuantiles, leadOf, newestSorted } from "./climate.ts";
import type { EnsembleRun } from "./ensemble_run.ts";
import { fanOffset } from "./neural_fan.ts";
import type { PastForecast } from "./past_forecast.ts";

/** Values that an origin of a replay must know to be judged. */
const KNOWN_MIN = 4;

const POWER = 40;
const PSEUDO_HORIZONS = 2;
/** Log odds against the newest values before anything is known. */
const DOUBT = 3;

/** Quantiles by which the two are judged: more above, where what comes seldom lies. */
const JUDGED = Float64Array.of(0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975);

/** Quantile loss of values at the judged quantiles, those below the least taken for it. */
function lossOf(value: number, quantileAt: (q: number) => number, least: number): number {
  let sum = 0;
  for (let q = 0; q < JUDGED.length; q++) {
    const distance = value - Math.max(least, quantileAt(q));
    sum += distance > 0 ? JUDGED[q]! * distance : (JUDGED[q]! - 1) * distance;
  }
  return sum;
}

/** Losses of both fans.                                                               [bucket] */
type Losses = { readonly fan: Float64Array; readonly newest: Float64Array };

/** Adds what one forecast of a replay lost. */
function addLosses(
  run: EnsembleRun,
  { slot, point, spread, size, errors }: PastForecast,
  fans: readonly Float64Array[],
  { shape, scales }: { readonly shape: Float64Array; readonly scales: Float64Array },
  losses: Losses,
): void {
  const { state, buckets, memberNeural, weights } = run;
  const conditions = new Float32Array(state.horizon);
  conditionsInto(state.calibration!, slot, spread, size, conditions);
  buckets.forEach(([from, to], bucket) => {
    const sorted = newestSorted(state.grid, slot, leadOf(from, to), state.low);
    if (sorted.length < KNOWN_MIN) return;
    const newest = climateQuantiles(sorted, JUDGED);
    const networks = memberNeural.flatMap((neural, i) =>
      neural === null ? [] : [{
        track: neural.track,
        quantiles: fans[run.neural.indexOf(neural)]!,
        weight: weights[bucket]![i]!,
      }]
    );
    const rest = 1 - networks.reduce((sum, { weight }) => sum + weight, 0);
    for (let l = from; l < to; l++) {
      if (Number.isNaN(errors[l]!)) continue;
      const value = point[l]! + errors[l]!;
      const width = rest * scales[l]! * conditions[l]!;
      const fanAt = (q: number) =>
        networks.reduce(
          (sum, { track, quantiles, weight }) =>
            sum + weight * fanOffset(track, quantiles, l, bucket, JUDGED[q]!) * track.scale /
              state.scale,
          point[l]! + shape[q]! * width,
        );
      losses.fan[bucket]! += lossOf(value, fanAt, state.low);
      losses.newest[bucket]! += lossOf(value, (q) => newest[q]!, state.low);
    }
  });
}

/**
 * What the newest values count for, from the forecasts of a replay.
 *
 * @param run   at the end of the replay, calibrated, its weights as they are now
 * @param fans  the networks' quantiles of each forecast                     [forecast][network]
 */
export function fitClimate(
  run: EnsembleRun,
  past: readonly PastForecast[],
  fans: readonly (readonly Float64Array[])[],
): Climate {
  const { state, buckets } = run;
  const calibration = state.calibration!;
  const scales = new Float64Array(state.horizon);
  leadScalesInto(calibration, scales);
  const own = { shape: standardQuantiles(calibration, JUDGED), scales };
  const losses = {
    fan: new Float64Array(buckets.length),
    newest: new Float64Array(buckets.length),
  };
  past.forEach((forecast, i) => addLosses(run, forecast, fans[i]!, own, losses));
  const horizons = calibration.spanSlots / state.horizon;
  const power = POWER * horizons / (horizons + PSEUDO_HORIZONS);
  const doubt = Math.exp(DOUBT / (1 + horizons));
  return {
    weights: losses.newest.map((newest, bucket) => {
      const fan = losses.fan[bucket]!;
      // A fan that never lost anything is not mended.
      return fan > 0 ? 1 / (1 + doubt * (newest / fan) ** power) : 0;
    }),
  };
}
