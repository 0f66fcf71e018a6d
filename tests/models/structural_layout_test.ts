import assert from "node:assert/strict";
import { FILTER_KINDS } from "../../src/models/members.ts";
import {
  observationRowInto,
  phasesAt,
  seasonPhases,
  STRUCTURAL_STATES_MAX,
  structuralLayout,
  TURN_SLOTS_MAX,
  TURNS_MAX,
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

Deno.test("phasesAt() turns each harmonic by its frequency, from tables where seasons are whole", () => {
  const seasonsOf = (...lengths: number[]) => lengths.map((length) => ({ length, slots: length }));
  const all = [
    seasonsOf(24, 168),
    seasonsOf(7, 10),
    seasonsOf(24.5),
    seasonsOf(12, 100.25),
    seasonsOf(TURN_SLOTS_MAX + 1),
    // More than are kept, the first ones forgotten when they come again.
    ...Array.from({ length: TURNS_MAX + 3 }, (_, i) => seasonsOf(5 + i)),
  ];
  for (const seasons of [...all, ...all]) {
    const layout = structuralLayout(FILTER_KINDS.far, seasons);
    const phases = seasonPhases(layout);
    for (const u of [0, -1, 5, 23.25, -30, 1e6 + 13]) {
      phasesAt(layout, phases, u).forEach((value, i) => {
        const angle = layout.omegas[i]! * u;
        const expected = layout.sines[i] === 1 ? Math.sin(angle) : Math.cos(angle);
        assert.ok(Math.abs(value - expected) < 1e-8, `${seasons[0]!.length}, ${u}, ${i}`);
      });
    }
  }
});
