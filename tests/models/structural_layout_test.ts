import assert from "node:assert/strict";
import { FILTER_KINDS } from "../../src/models/members.ts";
import {
  observationRowInto,
  STRUCTURAL_STATES_MAX,
  structuralLayout,
} from "../../src/models/structural_layout.ts";
import { STEADY } from "./_kinds.ts";

const DAY = { length: 24, slots: 24 };
const WEEK = { length: 168, slots: 168 };

Deno.test("structuralLayout() orders level, slope, OU terms and seasons", () => {
  const layout = structuralLayout(FILTER_KINDS.log_far, [{ length: 4, slots: 4 }]);
  // Level, slope, two OU terms, one full harmonic, and the cosine alone at half the rate.
  assert.equal(layout.size, 2 + 2 + 3);
  const row = new Float64Array(layout.size);
  observationRowInto(layout, 1, row);
  [1, 0, 1, 1, 0, 1, -1].forEach((value, i) => assert.ok(Math.abs(row[i]! - value) < 1e-15));
});

Deno.test("structuralLayout() gives the week its own harmonics and sidebands of the day's", () => {
  const layout = structuralLayout(FILTER_KINDS.trend, [DAY, WEEK]);
  assert.ok(layout.size <= STRUCTURAL_STATES_MAX);
  const weekly = [...layout.omegas].filter((_, i) =>
    layout.seasonIndex[i] === 1 && layout.sines[i] === 1
  ).map((omega) => Math.round(omega * 168 / (2 * Math.PI)));
  assert.deepEqual(weekly, [1, 2, 3, 4, 5, 6, 8, 13, 15, 9, 12, 16, 20, 22, 27, 29]);
  // None of them coincides with a harmonic of the day.
  assert.ok(weekly.every((j) => j % 7 !== 0));
});

Deno.test("structuralLayout() gives a season that is not weekly three harmonics", () => {
  const year = { length: 365.25, slots: 365 };
  const layout = structuralLayout(STEADY, [{ length: 7, slots: 7 }, year]);
  assert.equal(layout.seasonIndex.filter((index) => index === 1).length, 6);
  assert.equal(layout.seasonIndex.filter((index) => index === 0).length, 6);
});
