/** Tracks for tests. */
import { trackFeatureCount, type TrackPlan } from "../../src/models/filter_track.ts";
import { THETA } from "../../src/models/structural_layout.ts";
import { STEADY } from "./_kinds.ts";

const PLAIN = { transform: "none", floor: 0, location: 0, scale: 1 } as const;

/** How a track of horizon 6 with a light readout is made, but for `changes`. */
export function planOf(changes: Partial<TrackPlan> = {}): TrackPlan {
  const theta = new Float64Array(THETA.size);
  theta.set([-1, -2.5, 0.9, -0.5, -0.5, -4, -4]);
  const plan: TrackPlan = {
    kind: STEADY,
    seasons: [],
    horizon: 6,
    length: 400,
    theta,
    units: PLAIN,
    startU: -1,
    startLevel: 0,
    light: true,
    full: false,
    innovationDeviation: 1,
    deviations: new Float64Array(0),
    ...changes,
  };
  return { ...plan, deviations: new Float64Array(trackFeatureCount(plan)).fill(1) };
}
