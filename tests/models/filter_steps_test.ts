import assert from "node:assert/strict";
import { filterObserve, filterObserveSlots } from "../../src/models/filter_steps.ts";
import {
  enterTrack,
  leaveTrack,
  openTrack,
  type TrackPlan,
  type TrackRun,
  trackStart,
} from "../../src/models/filter_track.ts";
import { FILTER_KINDS } from "../../src/models/members.ts";
import { Residents } from "../../src/models/packed_cov.ts";
import type { Season } from "../../src/models/season.ts";
import { innovationScale } from "../../src/models/structural.ts";
import { THETA } from "../../src/models/structural_layout.ts";
import { noise } from "./_series.ts";

function planOf(seasons: readonly Season[] = []): TrackPlan {
  const theta = new Float64Array(THETA.size);
  theta.set([-1, -2.5, 0.9, -0.5, -0.5, -4, -4]);
  return {
    kind: FILTER_KINDS.far,
    ...{ seasons, horizon: 6, length: 400, theta, startU: -1, startLevel: 0 },
    units: { transform: "none", floor: 0, location: 0, scale: 1 },
    ...{ light: false, full: false, innovationDeviation: 1, deviations: new Float64Array(0) },
  };
}

function opened(plan: TrackPlan): TrackRun {
  return openTrack(trackStart(plan), plan.kind, plan.seasons, plan.horizon, plan.length);
}

Deno.test("filterObserve() gives the same bits whether a covariance stands still or moves", () => {
  const plan = planOf();
  const kept = trackStart(plan);
  const anew = trackStart(plan);
  const run = openTrack(kept, plan.kind, [], plan.horizon, plan.length);
  const steps = noise(400, 9);
  const guests = new Residents();
  let stood = 0;
  let u = 0;
  for (let t = 0; t < 400; t++) {
    // A gap, and samples between slots, set the covariance in motion again.
    u += t === 200 ? 3 : t === 300 ? 0.5 : 1;
    const fresh = openTrack(anew, plan.kind, [], plan.horizon, plan.length);
    for (const one of [run, fresh]) {
      enterTrack(one, guests);
      filterObserve(one, u, steps[t]!);
      guests.leaveAll();
      leaveTrack(one);
    }
    if (run.still.dt === 1) stood++;
    if (t === 200 || t === 300) assert.ok(Number.isNaN(run.still.dt));
    assert.deepEqual(kept, anew);
  }
  assert.ok(stood > 150, `${stood} samples`);
});

Deno.test("filterObserveSlots() is filterObserve() slot by slot, and tells what was expected", () => {
  for (const seasons of [[], [{ length: 24, slots: 24 }]]) {
    const [whole, single] = [opened(planOf(seasons)), opened(planOf(seasons))];
    const values = noise(300, 5);
    const told = { means: new Float64Array(50), deviations: new Float64Array(50) };
    for (let first = 0; first < values.length; first += 50) {
      filterObserveSlots(whole, first, values.subarray(first), 50, told);
      for (let i = 0; i < 50; i++) {
        const { track } = single;
        assert.equal(told.deviations[i], innovationScale(track.filter) * track.deviation);
        filterObserve(single, first + i, values[first + i]!);
        assert.equal(told.means[i], single.innovation.mean);
        assert.equal(single.innovation.value, values[first + i]! - told.means[i]!);
      }
      assert.deepEqual(whole.track, single.track);
    }
    assert.equal(Number.isNaN(whole.still.dt), seasons.length > 0);
  }
});
