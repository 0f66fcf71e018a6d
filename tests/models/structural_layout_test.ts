import assert from "node:assert/strict";
import { FILTER_KINDS } from "../../src/models/members.ts";
import {
  CIRCLE_SLOTS_MAX,
  CIRCLES_MAX,
  observationRowInto,
  STRUCTURAL_STATES_MAX,
  type StructuralLayout,
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

/** Cosines and sines of an observation row as they are defined. */
function turned(layout: StructuralLayout, u: number): number[] {
  return Array.from(layout.omegas, (omega, i) => {
    const angle = omega * u;
    return layout.sines[i] === 1 ? Math.sin(angle) : Math.cos(angle);
  });
}

function seasonsOfRow(layout: StructuralLayout, u: number): number[] {
  const row = new Float64Array(layout.size);
  observationRowInto(layout, u, row);
  return [...row.subarray(layout.seasonStart)];
}

Deno.test("observationRowInto() takes whole slots from the circle of a season", () => {
  const layout = structuralLayout(FILTER_KINDS.far, [DAY, WEEK]);
  assert.equal(layout.circles?.length, 2);
  for (const u of [0, 1, 23, 24, 167, 168, 169, 5_003, -1, -25, -168]) {
    seasonsOfRow(layout, u).forEach((value, i) =>
      assert.ok(Math.abs(value - turned(layout, u)[i]!) < 1e-11, `${u}: ${i}`)
    );
  }
  // However long a stream runs, a slot is the slot of a week before.
  for (const u of [168 * 10 ** 9 + 5, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(seasonsOfRow(layout, u), seasonsOfRow(layout, u % 168));
  }
  assert.deepEqual(seasonsOfRow(layout, 7.25), turned(layout, 7.25));
});

Deno.test("observationRowInto() turns seasons that have no circle", () => {
  const year = { length: 365.25, slots: 365 };
  const long = { length: CIRCLE_SLOTS_MAX + 1, slots: CIRCLE_SLOTS_MAX + 1 };
  for (const season of [year, long]) {
    const layout = structuralLayout(FILTER_KINDS.far, [season]);
    assert.equal(layout.circles, null);
    assert.deepEqual(seasonsOfRow(layout, 700), turned(layout, 700));
  }
});

Deno.test("structuralLayout() gives the same rows whatever circles are kept", () => {
  const rows = () => seasonsOfRow(structuralLayout(FILTER_KINDS.far, [DAY]), 31);
  const before = rows();
  for (let slots = 30; slots < 31 + CIRCLES_MAX; slots++) {
    structuralLayout(FILTER_KINDS.far, [{ length: slots, slots }]);
  }
  assert.deepEqual(rows(), before);
});
