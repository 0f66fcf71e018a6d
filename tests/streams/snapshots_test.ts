import assert from "node:assert/strict";
import {
  isCommitDue,
  SNAPSHOT_AGE_ANY_MS_MAX,
  SNAPSHOT_AGE_MS_MAX,
  SNAPSHOT_IDLE_MS,
  SNAPSHOT_SAMPLES,
  SNAPSHOT_SAMPLES_MIN,
} from "../../src/streams/snapshots.ts";

Deno.test("isCommitDue() asks for samples, silence or age", () => {
  const some = { samples: SNAPSHOT_SAMPLES_MIN, firstMs: 0, lastMs: 0 };
  assert.equal(isCommitDue(null, 1e9), false);
  assert.equal(isCommitDue(some, SNAPSHOT_IDLE_MS - 1), false);
  assert.equal(isCommitDue(some, SNAPSHOT_IDLE_MS), true);
  assert.equal(isCommitDue({ ...some, samples: SNAPSHOT_SAMPLES }, 0), true);
  const steady = { samples: 60, firstMs: 0, lastMs: SNAPSHOT_AGE_MS_MAX - 1 };
  assert.equal(isCommitDue(steady, SNAPSHOT_AGE_MS_MAX - 1), false);
  assert.equal(isCommitDue(steady, SNAPSHOT_AGE_MS_MAX), true);
});

Deno.test("isCommitDue() lets few samples wait, but not for ever", () => {
  const few = { samples: SNAPSHOT_SAMPLES_MIN - 1, firstMs: 0, lastMs: 0 };
  assert.equal(isCommitDue(few, SNAPSHOT_AGE_MS_MAX), false);
  assert.equal(isCommitDue(few, SNAPSHOT_AGE_ANY_MS_MAX - 1), false);
  assert.equal(isCommitDue(few, SNAPSHOT_AGE_ANY_MS_MAX), true);
});
