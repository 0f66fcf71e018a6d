import assert from "node:assert/strict";
import { adaptiveStart } from "../../src/models/adaptive_coverage.ts";
import { ensembleObserve } from "../../src/models/ensemble.ts";
import { newestSlot } from "../../src/models/ensemble_run.ts";
import { issueWhenDue } from "../../src/models/ensemble_forecast.ts";
import { settle } from "../../src/models/judging.ts";
import { memberAt } from "../../src/models/member_steps.ts";
import { fittedRun } from "./_ensembles.ts";
import { noise } from "./_series.ts";

const LENGTH = 300;
/** Leads of the ensembles in `_ensembles.ts`. */
const HORIZON = 12;

/** An ensemble whose live forecasts wait for their targets. */
function awaiting() {
  const values = noise(LENGTH + HORIZON, 6);
  const run = fittedRun(["structural", "mean"], values.slice(0, LENGTH));
  const adaptive = adaptiveStart();
  for (let slot = LENGTH; slot < LENGTH + HORIZON; slot++) {
    if (ensembleObserve(run, slot, values[slot]!, adaptive)) issueWhenDue(run, adaptive);
  }
  return { run, adaptive };
}

Deno.test("settle() judges slots together as one after the other, and lets go of what is over", () => {
  const [whole, single] = [awaiting(), awaiting()];
  const first = newestSlot(whole.run.state) + 1;
  const values = noise(HORIZON, 2);
  assert.ok(whole.run.state.pending.length > 2);
  const { seen } = structuredClone(whole.adaptive);
  whole.run.slotValues.set(values);
  settle(whole.run, { first, count: HORIZON, elapsed: 1 }, whole.adaptive);
  values.forEach((value, i) => {
    single.run.slotValues[0] = value;
    settle(single.run, { first: first + i, count: 1, elapsed: 1 }, single.adaptive);
  });
  assert.deepEqual(whole.run.state, single.run.state);
  assert.deepEqual(whole.adaptive, single.adaptive);
  // Every forecast has seen its last target.
  assert.equal(whole.run.state.pending.length, 0);
  assert.ok(whole.adaptive.seen[0]! > seen[0]! + HORIZON);
});

Deno.test("settle() adds what members missed to the losses of the bucket of the lead", () => {
  const { run } = awaiting();
  const { state } = run;
  const pending = state.pending.at(-1)!;
  state.pending = [pending];
  state.losses.errors.fill(0);
  state.losses.weight.fill(0);
  const lead = newestSlot(state) - pending.slot;
  run.slotValues[0] = 3;
  settle(run, { first: newestSlot(state) + 1, count: 1, elapsed: 1 }, null);
  const bucket = run.bucket[lead]!;
  const weight = run.lossWeights[lead]!;
  assert.equal(state.losses.weight[bucket], weight);
  state.members.forEach((_, m) => {
    const error = Math.abs(memberAt(pending, m * HORIZON + lead) - 3);
    assert.equal(state.losses.errors[bucket * state.members.length + m], weight * error);
  });
});
