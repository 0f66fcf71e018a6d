/**
 * Networks in a refit's replay: all samples are taken at once, and the forecasts of all origins are
 * made before the replay that asks for them. The state at the end is that of samples one by one.
 */
import { LEVELS } from "./neural/shapes.ts";
import {
  knownLead,
  neuralObserveAll,
  type NeuralRun,
  type NeuralTrack,
  openNeural,
  quantilesInto,
} from "./neural_track.ts";
import { takeLead } from "./neural/features.ts";
import { leadRows } from "./neural/shapes.ts";
import type { Season } from "./season.ts";
import type { NeuralRunner } from "./neural/runner.ts";

/** Forecasts from the origins of a replay. */
export type NeuralPast = {
  /** Samples taken before the origin that is asked for. */
  count: number;
  /** By network and count of samples, in units of its scale.          [lead, LEVELS] */
  readonly quantiles: readonly ReadonlyMap<number, Float64Array>[];
};

/**
 * Takes all samples into a fresh track and forecasts from the origins.
 *
 * @param track    at its start; advanced to the end
 * @param origins  counts of samples, at least 1
 * @returns        quantiles by origin, in units of the track's scale       [lead, LEVELS]
 */
export function neuralReplay(
  track: NeuralTrack,
  runner: NeuralRunner,
  { seasons, horizon, us, values, origins }: {
    readonly seasons: readonly Season[];
    readonly horizon: number;
    readonly us: Float64Array;
    readonly values: Float64Array;
    readonly origins: ReadonlySet<number>;
  },
): Map<number, Float64Array> {
  const run: NeuralRun = openNeural(track, runner, seasons, horizon);
  const kept: { count: number; last: number; rows: ReturnType<typeof leadRows> }[] = [];
  const hidden = neuralObserveAll(run, us, values, (count) => {
    if (!origins.has(count)) return;
    const rows = leadRows(horizon);
    // Leads are whole slots after the origin's slot, where the ensemble's are.
    const slot = Math.round(track.lastU);
    for (let l = 0; l < horizon; l++) {
      takeLead(track.features, knownLead(slot + 1 + l - track.lastU, run.season), rows, l);
    }
    kept.push({ count, last: track.features.last, rows });
  });
  const past = new Map<number, Float64Array>();
  const width = runner.hiddenLength;
  for (const { count, last, rows } of kept) {
    const decoded = runner.decode(
      hidden.subarray((count - 1) * width, count * width),
      rows,
      horizon,
    );
    const quantiles = new Float64Array(horizon * LEVELS.length);
    quantilesInto(last, rows, decoded, horizon, quantiles);
    past.set(count, quantiles);
  }
  return past;
}
