import assert from "node:assert/strict";
import { carriedSetting, carryOver } from "../../src/models/carry.ts";
import type { MemberName } from "../../src/models/members.ts";
import { refit } from "../../src/models/refit.ts";
import { type RefitInput, settingOf } from "../../src/models/refit_setting.ts";
import { THETA } from "../../src/models/structural_layout.ts";
import { refitInput } from "./_ensembles.ts";
import { hours, seasonalWalk } from "./_series.ts";

const LENGTH = 420;
const MEMBERS: MemberName[] = ["seasonal_naive", "readout_trend", "ar_differences"];

function inputOf(values: Float64Array, changes: Partial<RefitInput> = {}): RefitInput {
  return refitInput(MEMBERS, values, { seasonsS: [24 * 3600], ...changes });
}

const values = seasonalWalk(LENGTH, 5);
const first = refit(inputOf(values.subarray(0, LENGTH - 60)));

/** Whether the newest samples can go on with what was learned from the first ones. */
function carries(changes: Partial<RefitInput>): boolean {
  return carriedSetting(settingOf(inputOf(values, changes)), first.state) !== null;
}

Deno.test("carriedSetting() goes on in the ensemble's own clock and units", () => {
  const setting = carriedSetting(settingOf(inputOf(values)), first.state)!;
  assert.deepEqual(setting.clock, first.state.clock);
  assert.equal(setting.scale, first.state.scale);
  assert.deepEqual(setting.units[0], first.state.tracks[0]!.units);
  assert.equal(setting.us[LENGTH - 1], LENGTH - 1);
});

Deno.test("carriedSetting() is null where the series has become another one", () => {
  assert.ok(carries({}));
  assert.ok(!carries({ seasonsS: [48 * 3600] }));
  assert.ok(!carries({ members: ["seasonal_naive", "readout_trend"] }));
  assert.ok(!carries({ times: hours(LENGTH).map((time) => time * 1.01) }));
  assert.ok(!carries({ times: hours(LENGTH).map((time) => time + 1800) }));
  assert.ok(!carries({ values: values.map((value) => 10 * value) }));
  assert.ok(!carries({ values: values.map((value) => value + 1e4) }));
});

Deno.test("carriedSetting() is null where a series begins to rest, or no longer does", () => {
  // A quarter of the values is at rest and more.
  const resting = values.map((value, i) => i % 3 === 0 ? 0 : Math.abs(value) + 1);
  assert.ok(!carries({ values: resting }));
  const before = refit(inputOf(resting.subarray(0, LENGTH - 60))).state;
  assert.notEqual(before.climate, undefined);
  assert.notEqual(carriedSetting(settingOf(inputOf(resting)), before), null);
  const awake = resting.map((value, i) => i < LENGTH / 2 ? value : value + 1);
  assert.equal(carriedSetting(settingOf(inputOf(awake)), before), null);
});

Deno.test("carriedSetting() is null after a refit on few samples", () => {
  const short = refit(inputOf(values.subarray(0, 200))).state;
  assert.equal(carriedSetting(settingOf(inputOf(values)), short), null);
});

Deno.test("carryOver() changes the filters and leaves what was learned", () => {
  const setting = carriedSetting(settingOf(inputOf(values)), first.state)!;
  const theta = Float64Array.from([-2, -3, 0.9, -1, -0.5, -5, -5]);
  const state = carryOver(setting, first.state, theta);
  const track = state.tracks[0]!;
  assert.deepEqual(track.theta, theta);
  assert.equal(track.filter.u, LENGTH - 1);
  assert.equal(theta.length, THETA.size);
  assert.equal(track.full, first.state.tracks[0]!.full);
  assert.equal(state.losses, first.state.losses);
  assert.equal(state.calibration, first.state.calibration);
  assert.equal(state.length, LENGTH);
  assert.ok(state.lossHalf > first.state.lossHalf);
});

Deno.test("carryOver() learns the autoregression anew where a longer series has more lags", () => {
  // Without a season, more than 900 samples have lags of up to 256 slots.
  const members: MemberName[] = ["mean", "ar_differences"];
  let level = 0;
  const walk = seasonalWalk(1000, 7).map((value) => level = 0.9 * level + value);
  const upTo = (length: number, before: RefitInput["before"]) =>
    refit(inputOf(walk.subarray(0, length), { members, seasonsS: [1], before })).state;
  const short = upTo(800, null);
  // The samples between the two, which the ensemble takes one by one in serving.
  const grown = { ...short, grid: upTo(1000, null).grid };
  const state = upTo(1000, grown);
  assert.equal(state.mean, short.mean);
  assert.ok(state.ar!.lags.length > short.ar!.lags.length);
  assert.deepEqual(state.ar!.weights.length, state.ar!.lags.length + 1);
  assert.ok(state.ar!.weights.every((weight) => Number.isFinite(weight) && weight !== 0));
});

Deno.test("refit() carries an ensemble that has settled, and replays another", () => {
  const again = refit(inputOf(values, { before: first.state, records: first.records }));
  assert.equal(again.state.losses, first.state.losses);
  assert.equal(again.records.length, 2);
  const anew = refit(inputOf(values, { before: first.state, seasonsS: [48 * 3600] }));
  assert.notEqual(anew.state.losses, first.state.losses);
});
