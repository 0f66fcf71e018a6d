import assert from "node:assert/strict";
import { adaptiveStart } from "../../src/models/adaptive_coverage.ts";
import { ensembleObserve, ensembleObserveSlots, expectation } from "../../src/models/ensemble.ts";
import { type EnsembleRun, newestSlot } from "../../src/models/ensemble_run.ts";
import { forecastFromNewest, issueWhenDue } from "../../src/models/ensemble_forecast.ts";
import type { MemberName } from "../../src/models/members.ts";
import { GRID_SLOTS_MAX, isKnownAt } from "../../src/models/slot_grid.ts";
import { fittedRun } from "./_ensembles.ts";
import { noise, seasonalWalk } from "./_series.ts";

const LENGTH = 240;

function runOf(members: MemberName[], values = seasonalWalk(LENGTH, 5)): EnsembleRun {
  return fittedRun(members, values);
}

Deno.test("ensembleObserve() fills slots without samples and marks them unknown", () => {
  const run = runOf(["structural"]);
  const { grid } = run.state;
  const expected = expectation(run, LENGTH).mean;
  assert.equal(ensembleObserve(run, LENGTH + 3, 50, null), true);
  assert.equal(newestSlot(run.state), LENGTH + 3);
  const filled = [4, 3, 2, 1].map((before) => isKnownAt(grid, grid.length - before));
  assert.deepEqual(filled, [false, false, false, true]);
  const z = grid.values[grid.length - 4]!;
  assert.equal(z, Math.fround((expected - run.state.location) / run.state.scale));
});

Deno.test("ensembleObserve() survives a gap longer than the grid", () => {
  const run = runOf(["structural", "ar_differences", "analog"]);
  ensembleObserve(run, LENGTH + 1e6, 50, null);
  const { grid } = run.state;
  assert.ok(grid.length <= GRID_SLOTS_MAX + 2);
  assert.equal(newestSlot(run.state), LENGTH + 1e6);
  assert.ok(forecastFromNewest(run).point.every(Number.isFinite));
});

Deno.test("ensembleObserveSlots() leaves and tells the bits of ensembleObserve()", () => {
  const random = noise(LENGTH, 3);
  const walk = random.map((_, i) => 50 + random.slice(0, i).reduce((sum, step) => sum + step, 0));
  for (const values of [seasonalWalk(LENGTH, 5), walk]) {
    for (
      const members of [["structural", "structural_log"], ["structural_log"]] as MemberName[][]
    ) {
      const [whole, single] = [runOf(members, values), runOf(members, values)];
      const [adaptive, singly] = [adaptiveStart(), adaptiveStart()];
      assert.equal(whole.takesSlots, true);
      let risen = 0;
      for (let slot = LENGTH, count = 1; slot < LENGTH + 200; slot += count, count = 1 + slot % 7) {
        const next = Float64Array.from(
          { length: count },
          // Now and then one that every open forecast misses by far.
          (_, i) => values[(slot + i) % LENGTH]! + ((slot + i) % 50 === 0 ? 30 : 0),
        );
        const told = { expected: new Float64Array(count), scale: new Float64Array(count) };
        ensembleObserveSlots(whole, next, adaptive, told);
        next.forEach((value, i) => {
          const { mean, deviation } = expectation(single, slot + i);
          assert.deepEqual([told.expected[i], told.scale[i]], [mean, deviation]);
          ensembleObserve(single, slot + i, value, singly);
        });
        issueWhenDue(whole, adaptive);
        issueWhenDue(single, singly);
        assert.deepEqual(whole.state, single.state);
        assert.deepEqual(adaptive, singly);
        risen = Math.max(risen, ...adaptive.farRise);
      }
      assert.ok(risen > 0 && adaptive.inside[1]! > 100);
    }
  }
});

Deno.test("ensembleObserve() lets a second sample of a slot move the filters only", () => {
  const run = runOf(["structural"]);
  ensembleObserve(run, LENGTH, 50, null);
  const before = run.state.grid.length;
  const mean = run.tracks[0]!.track.filter.mean.slice();
  assert.equal(ensembleObserve(run, LENGTH + 0.2, 58, null), false);
  assert.equal(run.state.grid.length, before);
  assert.notDeepEqual(run.tracks[0]!.track.filter.mean, mean);
});

Deno.test("an off-centre sample enters the grid as it would stand at the slot's centre", () => {
  const values = Float64Array.from({ length: LENGTH }, (_, i) => 10 * Math.sin(Math.PI * i / 12));
  const run = runOf(["structural"], values);
  const at = LENGTH + 0.4;
  ensembleObserve(run, at, 10 * Math.sin(Math.PI * at / 12), null);
  const { grid, location, scale } = run.state;
  const centred = location + scale * grid.values[grid.length - 1]!;
  // The season is learned to a percent of its amplitude; off centre the value is 1.0 higher.
  assert.ok(Math.abs(centred - 10 * Math.sin(Math.PI * LENGTH / 12)) < 0.1, `${centred}`);
});

Deno.test("members are judged by what they forecast, when it comes true", () => {
  const run = runOf(["seasonal_naive", "mean"]);
  const { state } = run;
  const before = state.losses.errors.slice();
  const pending = state.pending.filter((one) => LENGTH - one.slot <= 12);
  assert.ok(pending.length > 0);
  ensembleObserve(run, LENGTH, 500, adaptiveStart());
  // Both members were far off: each of the buckets in which forecasts came due has lost.
  for (const one of pending) {
    const bucket = run.bucket[LENGTH - one.slot - 1]!;
    for (let i = 0; i < 2; i++) {
      assert.ok(state.losses.errors[bucket * 2 + i]! > before[bucket * 2 + i]!);
    }
  }
});

Deno.test("expectation() is the reference's one-step forecast, with a scale", () => {
  for (const members of [["structural"], ["seasonal_naive"], ["mean"]] as MemberName[][]) {
    const run = runOf(members);
    const { mean, deviation } = expectation(run, LENGTH);
    const point = forecastFromNewest(run).point[0]!;
    // The pending forecast keeps 24 bits.
    assert.ok(Math.abs(mean - (run.state.location + run.state.scale * point)) < 1e-5);
    assert.ok(deviation > 0 && deviation < 30);
  }
});
