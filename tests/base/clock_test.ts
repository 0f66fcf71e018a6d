import assert from "node:assert/strict";
import { ManualClock, systemClock } from "../../src/base/clock.ts";

Deno.test("ManualClock moves only by hand", () => {
  const clock = new ManualClock(5_000_000n);
  assert.equal(clock.nowNs(), 5_000_000n);
  assert.equal(clock.monotonicMs(), 5);
  clock.advanceMs(1.5);
  assert.equal(clock.nowNs(), 6_500_000n);
  assert.equal(clock.monotonicMs(), 6.5);
});

Deno.test("systemClock tells nanoseconds since 1970", () => {
  const year2020 = 1_577_836_800_000_000_000n;
  assert.ok(systemClock.nowNs() > year2020);
  assert.ok(systemClock.monotonicMs() >= 0);
});
