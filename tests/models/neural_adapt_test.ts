import assert from "node:assert/strict";
import {
  ADAPT_INPUTS,
  ADAPT_LEADS_MAX,
  adaptCorrection,
  adaptGroups,
  adaptInputsInto,
  adaptLeads,
  adaptLearn,
  adaptStart,
} from "../../src/models/neural_adapt.ts";
import { ANCHORS, leadRows } from "../../src/models/neural/shapes.ts";
import { noise } from "./_series.ts";

/** Errors that follow one of the candidates by `follow`, and noise. */
function learned(follow: number, count: number, size = 0.3) {
  const state = adaptStart(12);
  const inputs = noise(count * ADAPT_INPUTS, 4);
  const errors = noise(count, 5);
  for (let k = 0; k < count; k++) {
    const at = k * ADAPT_INPUTS;
    adaptLearn(state, 1, inputs, at, follow * inputs[at + 3]! + size * errors[k]!, 1);
  }
  return state;
}

const PROBE = Float64Array.from({ length: ADAPT_INPUTS }, (_, i) => i === 3 ? 1 : 0);

Deno.test("adaptLearn() learns which candidate a stream follows, in the group of the lead alone", () => {
  const state = learned(0.6, 3000);
  // The prior counts as 330 targets less what 3,000 let it forget: a twelfth is held back.
  assert.ok(Math.abs(adaptCorrection(state, 1, PROBE, 0) - 0.92 * 0.6) < 0.05);
  assert.equal(adaptCorrection(state, 0, PROBE, 0), 0);
  assert.equal(adaptCorrection(adaptStart(12), 1, PROBE, 0), 0);
});

Deno.test("a correction that does not help counts for little, and one from few targets too", () => {
  assert.ok(Math.abs(adaptCorrection(learned(0, 3000), 1, PROBE, 0)) < 0.01);
  const state = learned(0.6, 500);
  const earned = adaptCorrection(state, 1, PROBE, 0);
  state.size[1] = 0.975 * state.plain[1]!;
  assert.ok(Math.abs(adaptCorrection(state, 1, PROBE, 0) / earned - 0.5) < 1e-9);
  state.size[1] = state.plain[1]!;
  assert.equal(adaptCorrection(state, 1, PROBE, 0), 0);
  assert.ok(Math.abs(adaptCorrection(learned(0.6, 20), 1, PROBE, 0)) < 0.05);
});

Deno.test("adaptLearn() clips outliers and leaves out what is no number", () => {
  const state = learned(0.6, 500);
  const before = adaptCorrection(state, 1, PROBE, 0);
  adaptLearn(state, 1, PROBE, 0, 1e9, 1);
  assert.ok(Math.abs(adaptCorrection(state, 1, PROBE, 0) - before) < 0.05);
  const kept = structuredClone(state);
  adaptLearn(state, 1, PROBE, 0, NaN, 1);
  assert.deepEqual(state, kept);
});

Deno.test("adaptInputsInto() tells how far the candidates lie from the median, where they exist", () => {
  const rows = leadRows(2);
  rows.anchors.fill(2, ANCHORS);
  rows.valid.fill(1, ANCHORS);
  rows.valid[ANCHORS + 4] = 0;
  rows.anchors[ANCHORS + 5] = 50;
  const out = new Float64Array(2 * ADAPT_INPUTS);
  adaptInputsInto(rows, 1, 0.5, out, ADAPT_INPUTS);
  assert.deepEqual([...out.subarray(ADAPT_INPUTS)], [0.5, 1.5, 1.5, 0, 3, 1.5]);
});

Deno.test("adaptLeads() spreads over the horizon, and every lead has a group", () => {
  for (const horizon of [1, 5, 12, 13, 48, 96]) {
    const leads = adaptLeads(horizon);
    assert.ok(leads.length >= 1 && leads.length <= ADAPT_LEADS_MAX);
    assert.ok(leads.every((lead) => lead >= 0 && lead < horizon));
    assert.equal(adaptGroups(horizon).length, horizon);
  }
});
