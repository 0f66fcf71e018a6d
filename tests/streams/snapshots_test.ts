import assert from "node:assert/strict";
import {
  isCommitDue,
  samplesBeforeCommit,
  SNAPSHOT_AGE_ANY_MS_MAX,
  SNAPSHOT_AGE_MS_MAX,
  SNAPSHOT_IDLE_MS,
  SNAPSHOT_SAMPLES,
  SNAPSHOT_SAMPLES_MAX,
  SNAPSHOT_SAMPLES_MIN,
  SNAPSHOT_STEP_MS,
} from "../../src/streams/snapshots.ts";

Deno.test("isCommitDue() asks for samples, silence or age", () => {
  const some = { samples: SNAPSHOT_SAMPLES_MIN, firstMs: 0, lastMs: 0 };
  assert.equal(isCommitDue(null, 1e9), false);
  assert.equal(isCommitDue(some, SNAPSHOT_IDLE_MS - 1), false);
  assert.equal(isCommitDue(some, SNAPSHOT_IDLE_MS), true);
  const many = { ...some, samples: SNAPSHOT_SAMPLES };
  assert.equal(isCommitDue(many, SNAPSHOT_STEP_MS - 1), false);
  assert.equal(isCommitDue(many, SNAPSHOT_STEP_MS), true);
  assert.equal(isCommitDue({ ...some, samples: SNAPSHOT_SAMPLES_MAX }, 0), true);
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

Deno.test("samplesBeforeCommit() asks for more of a stream that was committed just before", () => {
  const since = { samples: 1, firstMs: 5, lastMs: 5 };
  assert.equal(samplesBeforeCommit(null, 1e9), SNAPSHOT_SAMPLES_MAX);
  assert.equal(samplesBeforeCommit(since, 4 + SNAPSHOT_STEP_MS), SNAPSHOT_SAMPLES_MAX);
  assert.equal(samplesBeforeCommit(since, 5 + SNAPSHOT_STEP_MS), SNAPSHOT_SAMPLES);
});
