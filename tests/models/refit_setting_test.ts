import assert from "node:assert/strict";
import { nextUniform, seedRandom } from "../../src/base/random.ts";
import type { MemberName } from "../../src/models/members.ts";
import { deviationOf, meanOf, type RefitInput, settingOf } from "../../src/models/refit_setting.ts";
import { refitInput } from "./_ensembles.ts";
import { HOUR_S, hours, seasonalWalk } from "./_series.ts";

const MEMBERS: MemberName[] = [
  "seasonal_naive",
  "seasonal_naive_long",
  "readout_trend",
  "readout_far_signed",
  "readout_log_far",
  "analog",
];

function inputOf(values: Float64Array, times = hours(values.length)): RefitInput {
  return refitInput(MEMBERS, values, { times });
}

Deno.test("settingOf() finds season, units and the members that the series supports", () => {
  const values = seasonalWalk(240, 3);
  const setting = settingOf(inputOf(values));
  assert.deepEqual(setting.seasons.map((season) => season.slots), [24]);
  assert.deepEqual(setting.members, [
    "seasonal_naive",
    "readout_trend",
    "readout_log_far",
    "analog",
  ]);
  assert.deepEqual(setting.units.map((unit) => unit.transform), ["none", "log"]);
  const half = values.map((value) => (value - setting.location) / setting.scale).slice(0, 120);
  assert.ok(Math.abs(meanOf(half)) < 1e-12);
  assert.ok(Math.abs(deviationOf(half) - 1) < 1e-12);
});

Deno.test("settingOf() leaves out what needs positive values or more past", () => {
  const values = seasonalWalk(18, 3).map((value) => value - 60);
  // What stands in for members on the log is there in their place, and only then.
  assert.deepEqual(settingOf(inputOf(values)).members, [
    "seasonal_naive",
    "readout_trend",
    "readout_far_signed",
  ]);
  const only = { ...inputOf(values), members: ["analog"] as MemberName[] };
  assert.deepEqual(settingOf(only).members, ["seasonal_naive"]);
});

Deno.test("settingOf() tells a sensor that samples late from a clock that stamps late", () => {
  const random = seedRandom(3);
  const jitter = Float64Array.from({ length: 300 }, () => 0.6 * (nextUniform(random) - 0.5));
  const times = jitter.map((shift, i) => (i + shift) * HOUR_S);
  const wave = (u: number) => 10 * Math.sin(2 * Math.PI * u / 6);
  const sampledLate = jitter.map((shift, i) => wave(i + shift));
  const stampedLate = jitter.map((_, i) => wave(i));
  const declared = (values: Float64Array) =>
    settingOf({ ...inputOf(values, times), seasonsS: [6 * HOUR_S] }).clock.stampsJitter;
  assert.equal(declared(sampledLate), false);
  assert.equal(declared(stampedLate), true);
});

Deno.test("settingOf() has a usable scale for constant and half-constant series", () => {
  const constant = settingOf(inputOf(new Float64Array(40).fill(5)));
  assert.ok(constant.scale > 0 && constant.scale < 1e-3);
  const late = new Float64Array(40).map((_, i) => i < 25 ? 5 : 5 + i);
  assert.ok(settingOf(inputOf(late)).scale > 1);
});
