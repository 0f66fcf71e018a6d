import assert from "node:assert/strict";
import { packTree } from "../../src/base/tree.ts";
import { LOG_FACTOR_AT_ONCE, widthFactor } from "../../src/models/adaptive_coverage.ts";
import { forecasterModel } from "../../src/models/forecaster.ts";
import { FIRST_FIT_SAMPLES } from "../../src/models/refit_schedule.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { channel, HOUR_S, hours, noise, QUANTILES, seasonalWalk } from "./_series.ts";

const model = forecasterModel("test/1", ["seasonal_naive", "structural"]);

Deno.test("stateOfContext() forecasts like a stream that fitted at its end", () => {
  const values = seasonalWalk(240, 5);
  const state = model.stateOfContext(channel(), hours(240), values);
  assert.equal(state.seen, 240);
  assert.deepEqual(state.records.map((record) => record.count), [120, 180, 240]);
  const rows = model.forecast(state, hours(12, 240), QUANTILES);
  const truth = seasonalWalk(252, 5).subarray(240);
  truth.forEach((value, t) => assert.ok(Math.abs(rows[t * 7 + 3]! - value) < 4, `lead ${t + 1}`));
  model.absorb(state, hours(12, 240), truth);
  assert.equal(state.count, 252);
});

Deno.test("stateOfContext() starts the live factors of a committee lower than those of a stream", () => {
  const values = seasonalWalk(120, 6);
  const factors = ({ adaptive }: ReturnType<typeof model.stateOfContext>) => [
    widthFactor(adaptive, 0, 0.9),
    widthFactor(adaptive, 0, 0.975),
  ];
  const committee = model.stateOfContext(channel(), hours(120), values);
  assert.deepEqual(factors(committee), LOG_FACTOR_AT_ONCE.map(Math.exp));
  const usual = factors(model.initialState(channel()));
  const alone = forecasterModel("test/1", ["seasonal_naive"]);
  assert.deepEqual(factors(alone.stateOfContext(channel(), hours(120), values)), usual);
  // Before the first fit there is no committee.
  assert.deepEqual(factors(model.stateOfContext(channel(), hours(5), values.slice(0, 5))), usual);
});

/** Counts of values after which a stream was fitted. */
function fitsOf(values: Float64Array, changes: Parameters<typeof channel>[0] = {}): number[] {
  const state = model.initialState(channel(changes));
  const fits: number[] = [];
  values.forEach((value, i) => {
    const before = state.nextRefit;
    model.absorb(state, hours(1, i), Float64Array.of(value));
    if (state.nextRefit !== before) fits.push(i + 1);
  });
  return fits;
}

Deno.test("absorb() fits at 8 values and then each time their count has doubled", () => {
  // Declared to have no season, so that none is looked for.
  const fits = fitsOf(noise(300, 4), { seasonsS: [HOUR_S] });
  assert.deepEqual(fits, [8, 16, 32, 64, 128, 256]);
  assert.equal(FIRST_FIT_SAMPLES, 8);
});

Deno.test("absorb() fits a young stream when it first shows a season, and doubles on", () => {
  const values = noise(300, 5).map((error, i) => 10 * Math.sin(2 * Math.PI * i / 48) + error);
  const fits = fitsOf(values);
  const shown = fits.findIndex((count) => count > 64 && count < 128);
  assert.deepEqual(fits.slice(0, shown), [8, 16, 32, 64]);
  assert.deepEqual(fits.slice(shown), [fits[shown], 2 * fits[shown]!]);
});

Deno.test("absorb() serves the day of an hourly stream after a day and a half", () => {
  const [times, wave] = [hours(48), hours(48).map((_, i) => 10 * Math.sin(2 * Math.PI * i / 24))];
  let [missed, missedLast] = [0, 0];
  for (let seed = 1; seed <= 5; seed++) {
    const state = model.initialState(channel());
    const values = noise(36, seed).map((error, i) => wave[i]! + error);
    model.absorb(state, times.subarray(0, 36), values);
    assert.deepEqual(state.ensemble!.seasons.map(({ slots }) => slots), [24]);
    const medians = model.forecast(state, times.subarray(36), Float64Array.of(0.5));
    medians.forEach((median, l) => {
      missed += Math.abs(median - wave[36 + l]!);
      missedLast += Math.abs(values[35]! - wave[36 + l]!);
    });
  }
  assert.ok(missed < 0.4 * missedLast, `${missed} of ${missedLast}`);
});

Deno.test("absorb() takes in a declared season's companion when enough of it was seen", () => {
  const fits = fitsOf(seasonalWalk(400, 6), { seasonsS: [24 * HOUR_S] });
  assert.deepEqual(fits.slice(0, 6), [8, 16, 32, 64, 128, 256]);
  // 1.9 weeks are 320 hours.
  assert.ok(fits.length === 7 && fits[6]! >= 320 && fits[6]! <= 384, `${fits}`);
});

Deno.test("irregular samples that lie on the grid are regular ones with gaps", () => {
  const values = seasonalWalk(200, 6);
  const kept = [...values.keys()].filter((i) => i % 9 !== 4);
  const sparse = model.initialState(channel());
  model.absorb(
    sparse,
    Float64Array.from(kept, (i) => i * HOUR_S),
    Float64Array.from(kept, (i) => values[i]!),
  );
  const masked = model.initialState(channel());
  model.absorb(masked, hours(200), values.map((value, i) => i % 9 === 4 ? NaN : value));
  assert.deepEqual(packTree({ ...sparse, count: 0 }), packTree({ ...masked, count: 0 }));
});

Deno.test("one-step predictions are as calibrated as they claim", () => {
  let level = 0;
  const values = noise(1500, 3).map((step) => level += step);
  const nothing = () => new Float64Array(1500);
  const step = { expected: nothing(), scale: nothing() };
  model.absorb(model.initialState(channel()), hours(1500), values, step);
  let square = 0;
  for (let i = 500; i < 1500; i++) {
    square += ((values[i]! - step.expected[i]!) / step.scale[i]!) ** 2 / 1000;
  }
  // A walk's steps are normal; 1,000 of them give their variance to 4.5 %, and the fit is not exact.
  assert.ok(square > 0.75 && square < 1.35, `${square}`);
});

Deno.test("summary() tells period, seasons, coverage and weights", () => {
  const state = model.initialState(channel());
  const empty = model.summary(state);
  assert.deepEqual([empty.periodS, empty.seasonsS, empty.weights], [null, [], {}]);
  assert.ok(empty.coverage.every(({ value, count }) => Number.isNaN(value) && count === 0));
  model.absorb(state, hours(300), seasonalWalk(300, 4));
  const summary = model.summary(state);
  assert.equal(summary.periodS, HOUR_S);
  assert.deepEqual(summary.seasonsS, [24 * HOUR_S]);
  assert.deepEqual(Object.keys(summary.weights), ["seasonal_naive", "structural"]);
  assert.deepEqual(summary.coverage.map(({ level }) => level), [0.8, 0.95]);
  const grams = model.initialState(channel());
  model.absorb(grams, hours(300), seasonalWalk(300, 4).map((value) => 1_000 * value));
  const [own, same] = [summary, model.summary(grams)].map(({ coverage }) => coverage[0]!);
  assert.ok(own!.width > 0 && same!.width > 100 * own!.width);
  // What is fitted is the same but for rounding.
  assert.ok(Math.abs(same!.relativeWidth / own!.relativeWidth - 1) < 1e-3);
  const still = model.initialState(channel());
  model.absorb(still, hours(300), new Float64Array(300).fill(7));
  assert.ok(Number.isNaN(model.summary(still).coverage[0]!.relativeWidth));
});

Deno.test("initialState() and forecast() refuse wrong settings by name", () => {
  assert.throws(() => model.initialState(channel({ horizon: 0 })), /horizon is "0"/);
  assert.throws(() => model.initialState(channel({ lower: 2, upper: 1 })), /upper is "1"/);
  assert.throws(() => model.initialState(channel({ seasonsS: [-1] })), /seasonsS is "-1"/);
  const state = model.initialState(channel());
  model.absorb(state, hours(3), Float64Array.of(1, 2, 3));
  const ask = (...quantiles: number[]) => () =>
    model.forecast(state, hours(1, 3), Float64Array.from(quantiles));
  assert.throws(ask(0.5, 1), /quantiles is "1"/);
  assert.throws(ask(0.5, 0.4), /quantiles is "0.4"/);
});

Deno.test("draws() hang together as a walk's errors before a fit, and repeat for a seed", () => {
  const state = model.initialState(channel());
  model.absorb(state, hours(3), Float64Array.of(1, 2, 3));
  const cold = model.draws(state, hours(6, 3), 2000, 1);
  assert.equal(cold.length, 12_000);
  let [near, far] = [0, 0];
  for (let i = 0; i < cold.length; i += 6) {
    near += cold[i + 4]! * cold[i + 5]! / 2000;
    far += cold[i]! * cold[i + 5]! / 2000;
  }
  assert.ok(near > 0.55 && near < 0.8 && far < near - 0.2, `${near} ${far}`);
  model.absorb(state, hours(200, 3), seasonalWalk(200, 4));
  const warm = model.draws(state, hours(6, 203), 50, 1);
  assert.ok(warm.every(Number.isFinite));
  assert.deepEqual(model.draws(state, hours(6, 203), 50, 1), warm);
  assert.notDeepEqual(model.draws(state, hours(6, 203), 50, 2), warm);
});

/** Streams of some kinds, one number a hour: noise, walks, seasons, growth, each of its own size. */
function manyStreams(): Float64Array[] {
  return Array.from({ length: 48 }, (_, k) => {
    const draws = noise(72, 100 + k);
    const size = 10 ** (k % 3);
    let level = 0;
    return draws.map((draw, i) => {
      level += k % 4 === 1 ? draw : 0;
      const season = k % 4 === 2 ? 3 * Math.sin(2 * Math.PI * i / 12) : 0;
      const growth = k % 4 === 3 ? 0.3 * i : 0;
      return size * (20 + level + season + growth + (k % 4 === 1 ? 0 : draw));
    });
  });
}

Deno.test("intervals cover what they say from the first few samples on", () => {
  const leads = 12;
  const committee = modelNamed("committee");
  const inside: Record<number, number> = {};
  for (const values of manyStreams()) {
    const state = committee.initialState(channel({ horizon: leads }));
    let from = 0;
    for (const until of [3, 5, 8, 14, 24, 40, 60]) {
      const times = hours(until - from, from);
      committee.absorb(state, times, values.slice(from, until));
      const rows = committee.forecast(
        state,
        hours(leads, until),
        Float64Array.of(0.1, 0.9),
      );
      for (let l = 0; l < leads; l++) {
        const value = values[until + l]!;
        const isInside = value >= rows[2 * l]! && value <= rows[2 * l + 1]!;
        inside[until] = (inside[until] ?? 0) + (isInside ? 1 : 0);
      }
      from = until;
    }
  }
  const shares = Object.entries(inside).map(([n, count]) => [n, count / (48 * leads)] as const);
  // Errors of 48 streams, of which those of one hang together: a standard error of 0.04 or so.
  for (const [n, share] of shares) {
    assert.ok(share > 0.68 && share < 0.92, `${share} after ${n} samples: ${shares}`);
  }
});
