import assert from "node:assert/strict";
import {
  featureStart,
  leadOrigin,
  takeLead,
  takeSample,
} from "../../../src/models/neural/features.ts";
import { leadRows, TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";

Deno.test("leadOrigin() serves all leads of a state as each lead's own would", () => {
  const token = new Float32Array(TOKEN_FEATURES);
  for (const [seasons, count] of [[[12, 84], 200], [[12, 84], 7], [[0, 0], 60], [[7.5, 0], 1]]) {
    const state = featureStart(seasons as [number, number]);
    for (let i = 0; i < (count as number); i++) {
      takeSample(state, 1.1 * i, Math.sin(i) + 0.1 * i, token, 0);
    }
    const leads = [1, 2, 2.5, 0.25, 40, 96, 130, 95.5, 3];
    const [apart, together] = [leadRows(leads.length), leadRows(leads.length)];
    const origin = leadOrigin(state);
    leads.forEach((lead, row) => {
      takeLead(state, lead, apart, row, 96);
      takeLead(state, lead, together, row, 96, origin);
    });
    assert.deepEqual(together, apart);
    assert.ok([apart.features, apart.anchors].every((rows) => rows.every(Number.isFinite)));
  }
});

Deno.test("leadOrigin() refuses a state without samples", () => {
  assert.throws(() => leadOrigin(featureStart([12, 0])), /state is "without samples"/);
});
