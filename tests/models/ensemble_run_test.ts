import assert from "node:assert/strict";
import { judgedShare } from "../../src/models/ensemble_run.ts";
import type { MemberName } from "../../src/models/members.ts";
import { fittedRun } from "./_ensembles.ts";
import { seasonalWalk } from "./_series.ts";

function takesSlots(members: MemberName[]): boolean {
  return fittedRun(members, seasonalWalk(240, 5)).takesSlots;
}

Deno.test("openEnsemble() takes slots together only where nothing but filters learns", () => {
  assert.equal(takesSlots(["structural", "seasonal_naive"]), true);
  assert.equal(takesSlots(["structural", "ar_differences"]), false);
  assert.equal(takesSlots(["readout_far"]), false);
  assert.equal(takesSlots(["mean"]), false);
});

Deno.test("judgedShare() gives a bucket one origin's worth a stride, by the root of its leads", () => {
  assert.equal(judgedShare(1, 1), 1);
  // A near bucket is told less than one origin a stride, a far one more.
  assert.equal(judgedShare(4, 48), 1 / 2);
  assert.equal(judgedShare(36, 48), 12 / 36 / 6);
});
