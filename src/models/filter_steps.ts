/**
 * Steps of a track's filter: a measurement update after the other.
 *
 * Without seasons all samples a step apart are alike to a filter's covariance. In f32, as it is
 * kept, it comes to stand still within some 30 of them; then all others so far apart leave it as it
 * is, too, and their gain is known. The bits are those of a whole update.
 */
import type { TrackRun } from "./filter_track.ts";
import {
  advanceMean,
  innovationScale,
  observe,
  observeInMean,
  predictTo,
  setTransition,
  type StructuralState,
} from "./structural.ts";
import { observationRowInto } from "./structural_layout.ts";

/** Measurement update at slot time `u` with a value in the track's units. */
export function filterObserve(run: TrackRun, u: number, value: number): void {
  const { track, innovation } = run;
  if (u - track.filter.u === run.still.dt) observeStill(run, u, value);
  else observeMoving(run, u, value);
  track.deviation = Math.sqrt(innovation.variance);
}

function observeMoving(run: TrackRun, u: number, value: number): void {
  const { model, layout, work, innovation, still } = run;
  // In f64, as enterTrack() left it.
  const filter = run.track.filter as StructuralState;
  const dt = u - filter.u;
  const { before } = still;
  for (let i = 0; i < before.length; i++) before[i] = filter.cov[i]!;
  predictTo(model, filter, u);
  observationRowInto(layout, filter.u, work.row, run.phases);
  observe(filter, work, value, innovation, true);
  still.dt = NaN;
  if (before.length === 0 || !(dt > 0)) return;
  for (let i = 0; i < before.length; i++) if (filter.cov[i] !== before[i]) return;
  still.dt = dt;
  still.variance = innovation.variance;
  still.column.set(work.column);
}

function observeStill(run: TrackRun, u: number, value: number): void {
  const { model, layout, work, innovation, still } = run;
  const filter = run.track.filter as StructuralState;
  setTransition(model, still.dt);
  advanceMean(model, filter.mean);
  filter.u = u;
  observationRowInto(layout, u, work.row, run.phases);
  innovation.variance = still.variance;
  observeInMean(filter, work.row, still.column, value, innovation);
}

/** What a filter expected of samples, in its units: one number of each a sample. */
export type StepExpectations = { readonly means: Float64Array; readonly deviations: Float64Array };

/**
 * Measurement updates of consecutive whole slots.
 *
 * @param first   the first of them
 * @param values  in the track's units                                                    [slot]
 * @param count   how many there are
 * @param told    receives what was expected before each, for who asks
 */
export function filterObserveSlots(
  run: TrackRun,
  first: number,
  values: Float64Array,
  count: number,
  told: StepExpectations | null,
): void {
  const { track, innovation } = run;
  for (let i = 0; i < count; i++) {
    if (told !== null) told.deviations[i] = innovationScale(track.filter) * track.deviation;
    filterObserve(run, first + i, values[i]!);
    if (told !== null) told.means[i] = innovation.mean;
  }
}
