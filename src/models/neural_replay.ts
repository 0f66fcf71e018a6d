/**
 * Networks in a refit's replay: all samples are taken at once, and the forecasts of all origins are
 * made before the replay that asks for them. The state at the end is that of samples one by one.
 */
import {
  emptyOutlook,
  knownLead,
  neuralObserveAll,
  type NeuralOutlook,
  type NeuralTrack,
  openNeural,
  outlookInto,
  takeLeads,
} from "./neural_track.ts";
import type { Season } from "./season.ts";
import type { NeuralRunner } from "./neural/runner.ts";

/** Forecasts from the origins of a replay. */
export type NeuralPast = {
  /** Samples taken before the origin that is asked for. */
  count: number;
  /** By network and count of samples; before any correction. */
  readonly outlooks: readonly ReadonlyMap<number, NeuralOutlook>[];
};

/**
 * Takes all samples into a fresh track and forecasts from the origins.
 *
 * @param track    at its start; advanced to the end
 * @param origins  counts of samples, at least 1
 * @returns        by origin, before any correction
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
): Map<number, NeuralOutlook> {
  const run = openNeural(track, runner, seasons, horizon);
  const past = new Map<number, NeuralOutlook>();
  const leads = new Float64Array(horizon);
  neuralObserveAll(run, us, values, origins, (count) => {
    // Leads are whole slots after the origin's slot, where the ensemble's are.
    const slot = Math.round(track.lastU);
    for (let l = 0; l < horizon; l++) {
      leads[l] = knownLead(slot + 1 + l - track.lastU, run.season);
    }
    takeLeads(track.features, leads, run.rows, true);
    const decoded = runner.decodeRoughly(track.hidden, run.rows, horizon);
    const outlook = emptyOutlook(horizon);
    outlookInto(track.features.last, run.rows, decoded, horizon, outlook);
    past.set(count, outlook);
  });
  return past;
}
