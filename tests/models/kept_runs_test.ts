import assert from "node:assert/strict";
import { KeptRuns } from "../../src/models/kept_runs.ts";

Deno.test("KeptRuns opens a state once while it is among the last opened", () => {
  let opened = 0;
  const runs = new KeptRuns(3, (state: { id: number }) => ({ id: state.id, serial: ++opened }));
  const states = [0, 1, 2, 3].map((id) => ({ id }));
  const first = runs.of(states[0]!);
  assert.equal(first.id, 0);
  for (const state of states.slice(0, 3)) assert.equal(runs.of(state).id, state.id);
  assert.equal(runs.of(states[0]!), first);
  assert.equal(opened, 3);
  // The fourth takes the place of the first, which is opened anew when it is asked for.
  runs.of(states[3]!);
  assert.deepEqual(states.map((state) => runs.has(state)), [false, true, true, true]);
  assert.equal(runs.of(states[0]!).serial, 5);
  assert.deepEqual(states.map((state) => runs.has(state)), [true, false, true, true]);
});
