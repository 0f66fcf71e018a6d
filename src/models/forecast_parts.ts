import { invariant } from "../base/invariant.ts";
import { leadScalesInto, recencyFactor, standardQuantiles } from "./calibration.ts";
import { type EnsembleRun, newestSlot } from "./ensemble.ts";
import { conditionForecast, forecastFromNewest } from "./ensemble_forecast.ts";
import { fanOffset } from "./neural_fan.ts";

/** What a forecast from the newest slot is put together from; normalised. */
export type ForecastParts = {
  /** [member, lead] */
  readonly members: Float32Array;
  /** Weights of the members.                                               [bucket][member] */
  readonly weights: readonly Float64Array[];
  /** Distances of the quantiles of the pooled errors from the point.       [lead, quantile] */
  readonly pooled: Float64Array;
  /** The same of each network's own fan; null for another member.  [member][lead, quantile] */
  readonly fans: readonly (Float64Array | null)[];
  /** Disagreement of the members beside the usual.                                   [lead] */
  readonly spread: Float32Array;
  readonly recency: number;
};

/**
 * The parts of a forecast at the whole leads of the horizon: before any live correction its
 * quantiles are Σ w·member + (1 − Σ w of networks)·pooled + Σ w·fan.
 *
 * @throws {Error} nothing is calibrated yet
 */
export function forecastParts(run: EnsembleRun, quantiles: Float64Array): ForecastParts {
  const { state, memberNeural } = run;
  const { horizon, calibration } = state;
  invariant(calibration !== null, "a refit calibrates");
  const now = forecastFromNewest(run);
  const { members, spread } = now;
  conditionForecast(state, now);
  const shape = standardQuantiles(calibration, quantiles, run.sortedErrors);
  const scales = new Float64Array(horizon);
  leadScalesInto(calibration, scales);
  const recency = recencyFactor(calibration, newestSlot(state));
  const distances = (at: (lead: number, quantile: number) => number) =>
    Float64Array.from(
      { length: horizon * quantiles.length },
      (_, i) => recency * at(Math.floor(i / quantiles.length), i % quantiles.length),
    );
  return {
    members,
    spread,
    recency,
    weights: run.weights.map((weights) => weights.slice()),
    pooled: distances((l, q) => shape[q]! * scales[l]! * now.condition[l]!),
    fans: memberNeural.map((neural) => {
      if (neural === null) return null;
      const { track, outlook } = neural;
      const factor = track.scale / state.scale;
      return distances((l, q) =>
        factor * fanOffset(track, outlook.quantiles, l, run.bucket[l]!, quantiles[q]!)
      );
    }),
  };
}
