import assert from "node:assert/strict";
import { median, timingOf } from "../../bench/timing.ts";

Deno.test("median() is the middle value, of an even count the upper", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 3);
});

Deno.test("timingOf() leaves a tenth out on either side of the spread", () => {
  const times = [...Array.from({ length: 18 }, () => 2), 1, 100];
  assert.deepEqual(timingOf(times), { ms: 2, leastMs: 1, spread: 0, repeats: 20 });
  assert.equal(timingOf([1, 2, 4]).spread, 1.5);
});
