import assert from "node:assert/strict";
import { FILTER_KINDS } from "../../src/models/members.ts";
import { plainWork } from "../../src/models/packed_cov.ts";
import {
  observe,
  predictTo,
  type StructuralModel,
  structuralModel,
  structuralStart,
  type StructuralState,
} from "../../src/models/structural.ts";
import { forecastMeanAt, forecastMeansInto } from "../../src/models/structural_forecast.ts";
import {
  observationRowInto,
  seasonPhases,
  structuralLayout,
} from "../../src/models/structural_layout.ts";
import { usualTheta } from "./_structural.ts";

/** 12 samples in, the last on slot 12; an odd and an even number of harmonics, one at Nyquist. */
function stateOf(slots: readonly number[]): { model: StructuralModel; state: StructuralState } {
  const theta = usualTheta();
  const seasons = slots.map((length) => ({ length, slots: length }));
  const model = structuralModel(structuralLayout(FILTER_KINDS.log_far, seasons), theta);
  const state = structuralStart(model, 0, 1);
  const work = plainWork(model.layout.size);
  for (let t = 1; t <= 12; t++) {
    predictTo(model, state, t + 0.1 * (t % 3));
    observationRowInto(model.layout, state.u, work.row);
    observe(state, work, Math.sin(t), { mean: 0, value: 0, variance: 0 });
  }
  return { model, state };
}

for (const seasons of [[], [2], [5], [6], [8], [4, 28]]) {
  Deno.test(`forecasts over seasons of [${seasons}] slots agree with stepping the filter`, () => {
    const { model, state } = stateOf(seasons);
    const phases = seasonPhases(model.layout);
    const out = new Float64Array(200).fill(NaN);
    forecastMeansInto(model, state, 12, out, phases);
    const row = new Float64Array(model.layout.size);
    const ahead = structuredClone(state);
    for (let l = 0; l < out.length; l++) {
      predictTo(model, ahead, 13 + l);
      observationRowInto(model.layout, 13 + l, row);
      const stepped = row.reduce((sum, c, i) => sum + c * ahead.mean[i]!, 0);
      // The recurrence of a harmonic gathers rounding with the square of the lead.
      assert.ok(Math.abs(out[l]! - stepped) < 1e-10, `lead ${l + 1}`);
      const once = forecastMeanAt(model, state, 13 + l);
      assert.ok(Math.abs(once - stepped) < 1e-12);
      assert.equal(forecastMeanAt(model, state, 13 + l, phases), once);
    }
  });
}
