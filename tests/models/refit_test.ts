import assert from "node:assert/strict";
import { modelNamed } from "../../src/models/mod.ts";
import { FIT_RECORDS_MAX, refit } from "../../src/models/refit.ts";
import type { FitRecord, RefitInput } from "../../src/models/refit_setting.ts";
import { refitInput } from "./_ensembles.ts";
import { THETA } from "../../src/models/structural_layout.ts";
import { channel, hours, noise, seasonalWalk } from "./_series.ts";

function inputOf(changes: Partial<RefitInput> = {}): RefitInput {
  return refitInput(["seasonal_naive", "structural"], seasonalWalk(120, 9), changes);
}

Deno.test("refit() is a pure function of its input", () => {
  assert.deepEqual(refit(inputOf()), refit(inputOf()));
});

Deno.test("refit() fits prefixes on what was known then", () => {
  const { records } = refit(inputOf({ prefixes: [0.5, 0.75] }));
  assert.deepEqual(records.map((record) => record.count), [60, 90, 120]);
  const values = seasonalWalk(120, 9);
  values.fill(0.001, 90);
  const later = refit(inputOf({ prefixes: [0.5, 0.75], values, seasonsS: [86_400] })).records;
  const same = refit(inputOf({ prefixes: [0.5, 0.75], seasonsS: [86_400] })).records;
  assert.deepEqual(later.slice(0, 2), same.slice(0, 2));
});

Deno.test("refit() keeps a bounded number of fits and counts from the stream's start", () => {
  let records: readonly FitRecord[] = [];
  for (let round = 0; round < 5; round++) {
    records = refit(inputOf({ records, seen: 1000 + round })).records;
  }
  assert.equal(records.length, FIT_RECORDS_MAX);
  assert.deepEqual(records.map((record) => record.count), [1002, 1003, 1004]);
});

Deno.test("fits of a stream that is served see its newest 1,000 values, those of a context 1,500", () => {
  const values = seasonalWalk(1400, 12);
  const other = values.slice();
  // The same numbers in another order, so that units and bounds are the same.
  other.set(values.slice(0, 399).reverse());
  const fitOf = (given: Float64Array, prefixes: number[]) => {
    const changes = { values: given, times: hours(1400), seasonsS: [86_400], prefixes };
    return refit(inputOf(changes)).records.at(-1)!.thetas;
  };
  assert.deepEqual(fitOf(other, []), fitOf(values, []));
  assert.notDeepEqual(fitOf(other, [1]), fitOf(values, [1]));
});

Deno.test("refit() drops fits of other filters", () => {
  const odd = [{ count: 50, thetas: new Float64Array(3) }];
  assert.equal(refit(inputOf({ records: odd })).records.length, 1);
});

Deno.test("fits of a stream that was young without its season do not follow it with the level", () => {
  for (const seed of [21, 22, 23, 24]) {
    let error = 0;
    const values = noise(1000, seed).map((draw, i) => {
      error = 0.7 * error + draw;
      return 30 + 8 * Math.sin(i * Math.PI / 12) + error;
    });
    const model = modelNamed("committee");
    const state = model.initialState(channel({ horizon: 24 }));
    for (let i = 0; i < 1000; i += 50) {
      model.absorb(state, hours(50, i), values.subarray(i, i + 50));
    }
    assert.ok(state.ensemble!.seasons.length > 0);
    for (const { kind, theta } of state.ensemble!.tracks) {
      // Searches from the parameters before ended at the bound of 3: level noise of 1,000 times.
      assert.ok(theta[THETA.level]! < 2.5, `${seed} ${kind} ${theta}`);
    }
  }
});
