import assert from "node:assert/strict";
import fc from "fast-check";
import { valueTicks } from "../../../../routes/dashboard/client/value_axis.ts";

Deno.test("valueTicks() stand at round values inside the axis", () => {
  assert.deepEqual(valueTicks(2_829.3, 3_227.2, 6), [2_900, 3_000, 3_100, 3_200]);
  assert.deepEqual(valueTicks(-0.25, 0.31, 6), [-0.2, -0.1, 0, 0.1, 0.2, 0.3]);
  assert.deepEqual(valueTicks(1, 1, 6), []);
});

Deno.test("valueTicks() are two to seven for any axis wide enough for doubles", () => {
  const value = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(fc.property(value, fc.double({ min: 1, max: 1e9, noNaN: true }), (min, width) => {
    const ticks = valueTicks(min, min + width, 6);
    assert.ok(ticks.length >= 2 && ticks.length <= 7, `${ticks}`);
    assert.ok(ticks.every((tick, i) => i === 0 || tick > ticks[i - 1]!));
  }));
});
