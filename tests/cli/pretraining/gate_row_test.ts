import assert from "node:assert/strict";
import {
  gateRow,
  ROW_BUCKETS,
  ROW_GLOBALS,
  ROW_LEADS,
  ROW_QUANTILES,
} from "../../../src/cli/pretraining/gate_row.ts";
import type { GateWindow } from "../../../src/cli/pretraining/gate_windows.ts";
import type { MemberName } from "../../../src/models/members.ts";
import { refit } from "../../../src/models/refit.ts";
import { naiveScaleOf } from "../../../src/models/replay.ts";
import { seasonalWalk } from "../../models/_series.ts";

const MEMBERS: MemberName[] = ["seasonal_naive", "seasonal_naive_long", "mean", "analog"];
const VALUES = seasonalWalk(224, 5);

const WINDOW: GateWindow = {
  group: "walk",
  series: "walk/5",
  season: 24,
  periodS: 3600,
  isTold: true,
  slots: Float64Array.from({ length: 200 }, (_, i) => i),
  values: VALUES.slice(0, 200),
  origin: 199,
  target: VALUES.slice(200),
};

const global = (row: { globals: Float64Array }, name: (typeof ROW_GLOBALS)[number]) =>
  row.globals[ROW_GLOBALS.indexOf(name)]!;

function stateOf() {
  return refit({
    members: MEMBERS,
    horizon: 24,
    seasonsS: [24 * 3600],
    times: WINDOW.slots.map((slot) => slot * 3600),
    values: WINDOW.values,
    seen: 200,
    records: [],
    prefixes: [0.5, 0.75],
    before: null,
  }).state;
}

Deno.test("gateRow() keeps the losses that the committee weighs its members by", () => {
  const row = gateRow(WINDOW, MEMBERS);
  const state = stateOf();
  const unit = naiveScaleOf(state);
  for (let bucket = 0; bucket < ROW_BUCKETS; bucket++) {
    state.members.forEach((name, i) => {
      const own = state.losses.errors[bucket * state.members.length + i]!;
      const expected = own / state.losses.weight[bucket]! / unit;
      const actual = row.losses[bucket * MEMBERS.length + MEMBERS.indexOf(name)]!;
      assert.ok(Math.abs(actual / expected - 1) < 1e-6, `${name} ${bucket}`);
    });
  }
});

Deno.test("gateRow() counts from the newest value in units of the seasonal naive error", () => {
  const row = gateRow(WINDOW, MEMBERS);
  const unit = Math.exp(global(row, "logUnit"));
  const last = VALUES[199]!;
  for (let k = 0; k < ROW_LEADS; k++) {
    const lead = row.leads[k]!;
    const value = (z: number) => last + unit * z;
    assert.ok(Math.abs(value(row.truth[k]!) - VALUES[199 + lead]!) < 1e-9);
    assert.ok(Math.abs(value(row.naive[k]!) - VALUES[175 + lead]!) < 1e-9);
    // Forecasts of a replay have 24 bits.
    assert.ok(Math.abs(row.forecasts[k]! - row.naive[k]!) < 1e-4);
    assert.ok(Number.isNaN(row.forecasts[ROW_LEADS + k]!), "there is no second season");
    const widths = row.pooled.subarray(k * ROW_QUANTILES.length, (k + 1) * ROW_QUANTILES.length);
    assert.ok(widths[0]! < widths[1]! && widths[1]! < 0 && widths[2]! > 0);
  }
  assert.equal(global(row, "samples"), 200);
  assert.equal(global(row, "season"), 24);
  assert.ok(Math.abs(global(row, "maseScale") - 1) < 1e-6);
});

Deno.test("gateRow() says what more of a member would have spared", () => {
  const values = Float64Array.from({ length: 224 }, (_, i) => i);
  const line = { ...WINDOW, isTold: false, season: 1, values: values.slice(0, 200) };
  const row = gateRow({ ...line, target: values.slice(200) }, MEMBERS);
  const gains = row.losses.subarray(3 * ROW_BUCKETS * MEMBERS.length);
  // Of a line that rises the last value is nearer to what comes than the mean, and both are below.
  assert.ok(gains[MEMBERS.indexOf("seasonal_naive")]! > 0);
  assert.ok(gains[MEMBERS.indexOf("mean")]! < 0);
});
