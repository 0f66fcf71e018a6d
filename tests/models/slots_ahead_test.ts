import assert from "node:assert/strict";
import { openEnsemble } from "../../src/models/ensemble_run.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { slotsAhead } from "../../src/models/slots_ahead.ts";
import { noise } from "./_series.ts";

const MODEL = modelNamed("structural");

/** A stream of `count` values a second apart, and the 20 values that come next. */
function streamOf(count: number, values: (i: number) => number) {
  const state = MODEL.initialState({
    ...{ epochNs: 0n, horizon: 24, lower: null, upper: null, seed: 1 },
    seasonsS: [],
  });
  const times = Float64Array.from({ length: count + 20 }, (_, i) => i);
  const all = times.map(values);
  MODEL.absorb(state, times.subarray(0, count), all.subarray(0, count));
  const run = openEnsemble(state.ensemble!);
  const ahead = (timesS = times.slice(count), next = all.slice(count)) =>
    slotsAhead(state, run, timesS, next, 0);
  return { state, times: times.slice(count), values: all.slice(count), ahead };
}

Deno.test("slotsAhead() goes as far as the next live forecast of a settled stream", () => {
  const random = noise(2_520, 1);
  const { state, ahead } = streamOf(2_500, (i) => random[i]!);
  const due = state.ensemble!.originSlot + 6 - 2_499;
  assert.ok(due >= 1 && due <= 6);
  assert.equal(ahead(), due);
  state.nextRefit = state.seen + 1;
  assert.equal(ahead(), 1);
});

Deno.test("slotsAhead() ends before a sample that has no value, or is not in the next slot", () => {
  const random = noise(2_530, 1);
  for (let count = 2_500; count < 2_506; count++) {
    const { ahead, times, values } = streamOf(count, (i) => random[i]!);
    const most = ahead();
    assert.ok(most >= 1);
    for (const value of [NaN, Infinity]) {
      assert.equal(ahead(times, values.with(0, value)), 0);
      assert.equal(ahead(times, values.with(most - 1, value)), most - 1);
    }
    for (const late of [0.4, 1, 100]) {
      assert.equal(ahead(times.map((time) => time + late), values), 0);
      const gap = times.map((time, i) => i < most - 1 ? time : time + late);
      assert.equal(ahead(gap, values), most - 1);
    }
    assert.equal(ahead(times.map(() => times[0]!), values), 1);
    assert.equal(ahead(times.subarray(0, 0), values.subarray(0, 0)), 0);
  }
});

Deno.test("slotsAhead() leaves young and constant streams to be looked at one by one", () => {
  const random = noise(2_020, 1);
  assert.equal(streamOf(1_900, (i) => random[i]!).ahead(), 0);
  assert.equal(streamOf(2_500, () => 5).ahead(), 0);
});
