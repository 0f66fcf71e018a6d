import assert from "node:assert/strict";
import { keepMembers, memberAt, type MemberSteps, STEPS } from "../../src/models/member_steps.ts";
import { noise } from "./_series.ts";

function room(count: number): MemberSteps {
  return { members: new Uint16Array(count), lowest: NaN, step: NaN };
}

Deno.test("keepMembers() keeps forecasts within half a step of their range", () => {
  const forecasts = [1, 2, 3].map((seed) => noise(8, seed).map((value) => 1e5 + 40 * value));
  const kept = room(24);
  keepMembers(forecasts, 8, kept);
  const all = forecasts.flatMap((forecast) => [...forecast]);
  const range = Math.max(...all) - Math.min(...all);
  all.forEach((value, at) => {
    const apart = Math.abs(memberAt(kept, at) - value);
    assert.ok(apart <= 0.5001 * range / STEPS, `${at}: ${apart}`);
  });
  assert.equal(Math.min(...kept.members), 0);
  assert.equal(Math.max(...kept.members), STEPS);
});

Deno.test("keepMembers() keeps forecasts that are all the same, and none", () => {
  const kept = room(6);
  keepMembers([Float64Array.of(7, 7, 7), Float64Array.of(7, 7, 7)], 3, kept);
  for (let at = 0; at < 6; at++) assert.equal(memberAt(kept, at), 7);
  keepMembers([], 3, kept);
  assert.deepEqual([kept.lowest, kept.step], [0, 0]);
});
