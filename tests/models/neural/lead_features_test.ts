import assert from "node:assert/strict";
import {
  featureStart,
  takeAnchors,
  takeLead,
  takeSample,
} from "../../../src/models/neural/features.ts";
import {
  ANCHORS,
  LEAD_FEATURES,
  leadRows,
  TOKEN_FEATURES,
} from "../../../src/models/neural/shapes.ts";
import { drawn, near } from "./_check.ts";
import { referenceLead } from "./_reference.ts";

const LEADS = [0.4, 1, 5, 12.5, 24, 48, 100];

for (const uneven of [false, true]) {
  Deno.test(`takeLead() gives the formulas on whole arrays, ${uneven ? "un" : ""}even times`, () => {
    for (const [seed, seasons] of ([[0, 0], [12, 0], [24, 168], [7.3, 40]] as const).entries()) {
      const series = drawn(seed, 220, seasons, uneven);
      const state = featureStart(seasons);
      const token = new Float32Array(TOKEN_FEATURES);
      const rows = leadRows(1);
      series.times.forEach((time, i) => {
        takeSample(state, time, series.values[i]!, token, 0);
        if (i % 19 !== 0 && i > 5) return;
        for (const lead of LEADS) {
          takeLead(state, lead, rows, 0);
          const expected = referenceLead(series, i + 1, lead);
          const what = `${seasons} sample ${i} lead ${lead}`;
          near(rows.features, expected.features, 2e-6, what);
          near(rows.anchors, expected.anchors, 2e-6, what);
          assert.deepEqual([...rows.valid], expected.valid);
          near(rows.scale, [expected.scale], 2e-6, what);
          near(rows.unit, [expected.unit], 2e-6, what);
        }
      });
    }
  });
}

Deno.test("takeLead() of a pure season finds every seasonal anchor at the truth", () => {
  const wave = (slot: number) => [3, 1, 4, 1, 5, 9][((slot % 6) + 6) % 6]!;
  const state = featureStart([6, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  for (let i = 0; i < 60; i++) takeSample(state, i, wave(i), token, 0);
  const rows = leadRows(20);
  for (let k = 1; k <= 20; k++) takeLead(state, k, rows, k - 1);
  for (let k = 1; k <= 20; k++) {
    for (const anchor of [4, 5, 6, 7, 8, 12]) {
      const at = (k - 1) * ANCHORS + anchor;
      const forecast = state.last + rows.unit[k - 1]! * rows.anchors[at]!;
      assert.ok(Math.abs(forecast - wave(59 + k)) < 1e-5, `lead ${k}, anchor ${anchor}`);
      assert.equal(rows.valid[at], 1);
    }
    for (const anchor of [9, 10, 11]) assert.equal(rows.valid[(k - 1) * ANCHORS + anchor], 0);
  }
});

Deno.test("takeLead() of a line carries it on by its drift", () => {
  const state = featureStart([0, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  for (let i = 0; i < 50; i++) takeSample(state, 2 * i, 7 - 3 * i, token, 0);
  const rows = leadRows(1);
  takeLead(state, 10, rows, 0);
  assert.ok(Math.abs(rows.anchors[3]! * rows.unit[0]! + 15) < 1e-5);
});

Deno.test("takeLead() tells a long lead as the most, and its phase as it is", () => {
  const [season, most, lead] = [40, 24, 70];
  const state = featureStart([season, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  const drawnOf = drawn(3, 170, [season, 0], false);
  drawnOf.times.forEach((time, i) => takeSample(state, time, drawnOf.values[i]!, token, 0));
  const [told, free, near] = [leadRows(1), leadRows(1), leadRows(1)];
  takeLead(state, lead, told, 0, most);
  takeLead(state, lead, free, 0);
  takeLead(state, most, near, 0);
  const size = 2 * ANCHORS;
  for (const at of [size, size + 1]) assert.equal(told.features[at], near.features[at]);
  for (const at of [size + 2, size + 4, size + 5]) {
    assert.equal(told.features[at], free.features[at]);
  }
  for (const anchor of [4, 5, 6, 7, 8, 12]) {
    assert.equal(told.anchors[anchor], free.anchors[anchor]);
    assert.notEqual(told.anchors[anchor], near.anchors[anchor]);
  }
  const drift = (rows: typeof told) => rows.anchors[3]! * rows.unit[0]!;
  assert.ok(Math.abs(drift(told) - drift(near)) < 1e-5 * Math.abs(drift(near)));
});

Deno.test("takeLead() writes its row and no other", () => {
  const state = featureStart([12, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  for (let i = 0; i < 50; i++) takeSample(state, i, Math.sin(i), token, 0);
  const rows = leadRows(3);
  rows.features.fill(7);
  rows.valid.fill(7);
  takeLead(state, 4, rows, 1);
  rows.features.forEach((value, i) => {
    assert.equal(value !== 7, i >= LEAD_FEATURES && i < 2 * LEAD_FEATURES);
  });
  rows.valid.forEach((value, i) => {
    assert.equal(value !== 7, i >= ANCHORS && i < 2 * ANCHORS);
  });
});

Deno.test("takeAnchors() writes what takeLead() does, but for the features", () => {
  const state = featureStart([12, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  for (let i = 0; i < 50; i++) takeSample(state, i, Math.sin(i) + 0.1 * i, token, 0);
  const [whole, anchors] = [leadRows(30), leadRows(30)];
  anchors.features.fill(7);
  for (let row = 0; row < 30; row++) {
    takeLead(state, row + 1, whole, row);
    takeAnchors(state, row + 1, anchors, row);
  }
  assert.ok(anchors.features.every((value) => value === 7));
  assert.deepEqual({ ...anchors, features: whole.features }, whole);
  assert.throws(() => takeAnchors(state, 0, anchors, 0), /lead is/);
});

Deno.test("takeLead() refuses a lead that does not lie ahead, and a state without samples", () => {
  const state = featureStart([0, 0]);
  const rows = leadRows(1);
  assert.throws(() => takeLead(state, 1, rows, 0), /state is "without samples"/);
  takeSample(state, 0, 1, new Float32Array(TOKEN_FEATURES), 0);
  for (const lead of [0, -1, NaN, Infinity]) {
    assert.throws(() => takeLead(state, lead, rows, 0), /lead is/);
  }
});
