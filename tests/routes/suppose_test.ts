import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { parseSupposed, parseTimes } from "../../routes/_suppose.ts";

Deno.test("parseSupposed() reads values of one channel, or of several by name", () => {
  const one = parseSupposed({ timestamps: [1, "1970-01-01T00:00:01Z"], values: [2, null] });
  assert.deepEqual(one.channels, ["value"]);
  assert.deepEqual(one.timestampsNs, BigInt64Array.of(1_000_000n, 1_000_000_000n));
  assert.deepEqual(one.values, [Float64Array.of(2, NaN)]);
  const two = parseSupposed({ timestamps: [5], channels: { x: [1], y: [2] } });
  assert.deepEqual(two.channels, ["x", "y"]);
  assert.deepEqual(two.values, [Float64Array.of(1), Float64Array.of(2)]);
});

const BAD: readonly [Parameters<typeof parseSupposed>[0], string][] = [
  [{ timestamps: [1] }, "suppose"],
  [{ timestamps: [1], values: [1], channels: { x: [1] } }, "suppose"],
  [{ timestamps: [1], channels: {} }, "suppose.channels"],
  [{ timestamps: [1, 2], values: [1] }, "suppose.values"],
  [{ timestamps: [1], channels: { x: [1, 2] } }, "suppose.channels.x"],
  [{ timestamps: ["soon"], values: [1] }, "suppose.timestamps[0]"],
  [{ timestamps: [2, 2], values: [1, 1] }, "suppose.timestamps[1]"],
];

for (const [given, field] of BAD) {
  Deno.test(`parseSupposed(${JSON.stringify(given)}) names ${field}`, () => {
    assert.throws(
      () => parseSupposed(given),
      (error) => error instanceof InvalidValueError && error.field === field,
    );
  });
}

Deno.test("parseTimes() wants each time after the one before", () => {
  assert.deepEqual(parseTimes([1, 2], "times"), BigInt64Array.of(1_000_000n, 2_000_000n));
  assert.throws(() => parseTimes([2, 1], "times"), /times\[1\]/);
});
