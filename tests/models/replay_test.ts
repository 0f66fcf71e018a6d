import assert from "node:assert/strict";
import type { MemberName } from "../../src/models/members.ts";
import { type RefitInput, settingOf } from "../../src/models/refit_setting.ts";
import { memberAt } from "../../src/models/member_steps.ts";
import { judged, naiveScaleOf, replay, thinPending } from "../../src/models/replay.ts";
import { liveStride, PENDING_MAX } from "../../src/models/ensemble_run.ts";
import { THETA } from "../../src/models/structural_layout.ts";
import { refitInput } from "./_ensembles.ts";
import { seasonalWalk } from "./_series.ts";

const MEMBERS: MemberName[] = ["seasonal_naive", "readout_trend", "ar_differences"];
const LENGTH = 240;

function inputOf(values: Float64Array): RefitInput {
  return refitInput(MEMBERS, values, { seasonsS: [24 * 3600], prefixes: [0.5] });
}

function thetasAt(level: number): Float64Array {
  const thetas = new Float64Array(THETA.size);
  thetas.set([level, -2.5, 0.9, -0.5, -0.5, -4, -4]);
  return thetas;
}

Deno.test("replay() forecasts from origins that never saw what they are judged by", () => {
  const values = seasonalWalk(LENGTH, 5);
  const changed = values.slice();
  changed[LENGTH - 1] = 1e3;
  const records = [{ count: LENGTH, thetas: thetasAt(-1) }];
  // The same setting for both, so that only the samples of the replay differ.
  const setting = settingOf(inputOf(values));
  const other = { ...setting, input: { ...setting.input, values: changed } };
  const first = replay(setting, records).past;
  const second = replay(other, records).past;
  assert.equal(first.length, second.length);
  assert.ok(first.length > 60);
  first.forEach((forecast, i) => {
    assert.ok(forecast.slot < LENGTH - 1);
    assert.deepEqual(forecast.point, second[i]!.point);
  });
});

Deno.test("replay() of a stream that is served forecasts from about half as many origins", () => {
  const input = inputOf(seasonalWalk(LENGTH, 5));
  const records = [{ count: LENGTH, thetas: thetasAt(-1) }];
  const [once, served] = [[0.5], []].map((prefixes) =>
    replay(settingOf({ ...input, prefixes }), records).past.map(({ slot }) => slot)
  );
  assert.ok(served!.length < 0.65 * once!.length, `${served!.length} of ${once!.length}`);
  assert.equal(served!.at(-1), once!.at(-1));
  assert.ok(served![0]! <= LENGTH / 2 + 4);
});

Deno.test("replay() switches to the parameters known at each origin", () => {
  const setting = settingOf(inputOf(seasonalWalk(LENGTH, 6)));
  const early = { count: 120, thetas: thetasAt(-4) };
  const late = { count: 180, thetas: thetasAt(0) };
  const both = replay(setting, [early, late]).past;
  const onlyEarly = replay(setting, [early]).past;
  const onlyLate = replay(setting, [late]).past;
  const readoutAt = (past: typeof both, slot: number) =>
    Float64Array.from(
      { length: 12 },
      (_, l) => memberAt(past.find((forecast) => forecast.slot === slot)!, 12 + l),
    );
  assert.deepEqual(readoutAt(both, 150), readoutAt(onlyEarly, 150));
  assert.notDeepEqual(readoutAt(both, 207), readoutAt(onlyEarly, 207));
  // The filter is the late one's; the readout on top has learned from both.
  const apart = readoutAt(both, 207).map((value, l) =>
    Math.abs(value - readoutAt(onlyLate, 207)[l]!)
  );
  const earlyApart = readoutAt(both, 207).map((value, l) =>
    Math.abs(value - readoutAt(onlyEarly, 207)[l]!)
  );
  assert.ok(Math.max(...apart) < Math.max(...earlyApart));
});

Deno.test("judged() takes errors from slots that were seen, and only those", () => {
  const setting = settingOf(inputOf(seasonalWalk(LENGTH, 7)));
  const { run, past } = replay(setting, [{ count: LENGTH, thetas: thetasAt(-1) }]);
  const last = judged(run, past).at(-1)!;
  const known = LENGTH - 1 - last.slot;
  last.errors.forEach((error, l) => assert.equal(Number.isNaN(error), l >= known));
  const { grid } = run.state;
  const target = grid.values[last.slot + 1 - grid.first]!;
  assert.equal(last.errors[0], target - last.point[0]!);
  assert.ok(naiveScaleOf(run.state) > 0);
});

Deno.test("thinPending() leaves a bounded number of forecasts, a live stride apart", () => {
  const setting = settingOf(inputOf(seasonalWalk(LENGTH, 8)));
  const { state } = replay(setting, [{ count: LENGTH, thetas: thetasAt(-1) }]).run;
  assert.ok(state.pending.length > PENDING_MAX);
  thinPending(state);
  assert.ok(state.pending.length > 0 && state.pending.length <= PENDING_MAX);
  state.pending.slice(1).forEach((pending, i) =>
    assert.ok(pending.slot - state.pending[i]!.slot >= liveStride(12))
  );
});
