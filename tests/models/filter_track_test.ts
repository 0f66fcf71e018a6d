import assert from "node:assert/strict";
import {
  fromTrackUnits,
  toTrackUnits,
  trackStart,
  WAITING_FORECASTS_MAX,
} from "../../src/models/filter_track.ts";
import { planOf } from "./_tracks.ts";

Deno.test("waiting origins hold a bounded number of forecasts at any horizon", () => {
  for (let horizon = 1; horizon <= 96; horizon++) {
    const { origins } = trackStart(planOf({ horizon }));
    assert.ok(origins.base.length <= WAITING_FORECASTS_MAX + 2 * horizon, `${horizon}`);
  }
});

Deno.test("toTrackUnits() and fromTrackUnits() undo each other", () => {
  for (const transform of ["none", "log", "sqrt"] as const) {
    const units = { transform, floor: 0.1, location: 2, scale: 3 };
    assert.ok(Math.abs(fromTrackUnits(units, toTrackUnits(units, 7.5)) - 7.5) < 1e-12);
  }
});
