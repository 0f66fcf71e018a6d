/** The laws of every model that serves, run over the hub. */
import assert from "node:assert/strict";
import { packTree } from "../../src/base/tree.ts";
import { MODELS } from "../../src/models/mod.ts";
import { modelLaws } from "./_laws.ts";
import { channel, HOUR_S, hours, seasonalWalk } from "./_series.ts";

for (const [name, model] of Object.entries(MODELS)) modelLaws(name, model);

Deno.test("the committee's state stays within its bound over 5,000 samples", () => {
  const model = MODELS["committee"]!;
  // The largest layout: two seasons, positive values, the longest learned horizon.
  const state = model.initialState(channel({ horizon: 96 }));
  const values = seasonalWalk(5000, 21).map((value, i) =>
    Math.abs(value) + 60 + 5 * Math.sin(2 * Math.PI * i / 168)
  );
  let largest = 0;
  for (let from = 0; from < 5000; from += 500) {
    const end = from + 500;
    model.absorb(state, hours(end).subarray(from), values.subarray(from, end));
    largest = Math.max(largest, packTree(state).length);
  }
  assert.deepEqual(model.summary(state).seasonsS, [24 * HOUR_S, 168 * HOUR_S]);
  assert.ok(largest <= model.stateBytesMax, `${largest} bytes`);
  assert.ok(largest > model.stateBytesMax / 2, `the bound is loose: ${largest} bytes`);
  const [coverage80, coverage95] = model.summary(state).coverage;
  assert.ok(Math.abs(coverage80!.value - 0.8) < 0.06, `${coverage80!.value}`);
  assert.ok(Math.abs(coverage95!.value - 0.95) < 0.03, `${coverage95!.value}`);
});
