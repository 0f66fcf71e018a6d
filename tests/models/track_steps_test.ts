import assert from "node:assert/strict";
import { enterTrack, leaveTrack, openTrack, trackStart } from "../../src/models/filter_track.ts";
import {
  trackBaseInto,
  trackObserve,
  trackReadoutAdd,
  trackSlotClosed,
} from "../../src/models/track_steps.ts";
import { FILTER_KINDS } from "../../src/models/members.ts";
import { plainWork, Residents } from "../../src/models/packed_cov.ts";
import { emptyGrid, pushSlot } from "../../src/models/slot_grid.ts";
import {
  observe,
  predictTo,
  structuralModel,
  structuralStart,
} from "../../src/models/structural.ts";
import { observationRowInto } from "../../src/models/structural_layout.ts";
import { noise, seasonalWalk } from "./_series.ts";
import { planOf } from "./_tracks.ts";

Deno.test("a light readout learns what a badly set filter leaves over", () => {
  // With no level noise the filter is far too slow for a walk, and its innovations show it.
  const theta = planOf().theta.slice();
  theta.set([-6, -2.5, 0.9, -4, -4]);
  const plan = planOf({ theta });
  const track = trackStart(plan);
  const run = openTrack(track, plan.kind, [], plan.horizon, plan.length);
  const grid = emptyGrid(0);
  const base = new Float64Array(6);
  const corrected = new Float64Array(6);
  let level = 0;
  let baseError = 0;
  let correctedError = 0;
  const steps = noise(1200, 3);
  for (let t = 0; t < 1200; t++) {
    level += steps[t]!;
    trackObserve(run, t, level);
    pushSlot(grid, level, true);
    trackSlotClosed(run, grid, { location: 0, scale: 1 });
    trackBaseInto(run, t, base);
    corrected.set(base);
    trackReadoutAdd(run, false, corrected);
    if (t < 600) continue;
    // A walk's best forecast is where it stands.
    baseError += Math.abs(base[2]! - level);
    correctedError += Math.abs(corrected[2]! - level);
  }
  assert.ok(correctedError < 0.5 * baseError, `${correctedError} against ${baseError}`);
});

Deno.test("a track without readouts carries no features and no origins", () => {
  const plan = planOf({ light: false });
  const track = trackStart(plan);
  assert.equal(track.features.length, 0);
  assert.equal(track.origins.base.length, 0);
  const run = openTrack(track, plan.kind, [], plan.horizon, plan.length);
  trackObserve(run, 0, 1);
  const grid = emptyGrid(0);
  pushSlot(grid, 1, true);
  trackSlotClosed(run, grid, { location: 0, scale: 1 });
  assert.equal(track.slotsSeen, 1);
});

Deno.test("a covariance kept in f32 moves forecasts by a ten-thousandth of an innovation", () => {
  const seasons = [24, 168].map((slots) => ({ length: slots, slots }));
  const values = seasonalWalk(5000, 4).map((value) => value / 10);
  const plan = planOf({ kind: FILTER_KINDS.trend, seasons, light: false });
  const run = openTrack(trackStart(plan), plan.kind, seasons, plan.horizon, plan.length);
  const { layout, model, phases } = run;
  const exact = structuralStart(structuralModel(layout, plan.theta), plan.startU, 0);
  const work = plainWork(layout.size);
  const innovation = { mean: NaN, value: NaN, variance: NaN };
  let apart = 0;
  let size = 0;
  values.forEach((value, t) => {
    const residents = new Residents();
    enterTrack(run, residents);
    trackObserve(run, t, value);
    residents.leaveAll();
    leaveTrack(run);
    predictTo(model, exact, t);
    observationRowInto(layout, t, work.row, phases);
    observe(exact, work, value, innovation);
    apart += Math.abs(run.innovation.value - innovation.value);
    size += Math.abs(innovation.value);
  });
  assert.ok(run.track.filter.cov instanceof Float32Array);
  assert.ok(apart > 0 && apart < 1e-4 * size, `${apart / size}`);
});
