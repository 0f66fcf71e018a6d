import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { type GivenRange, givenRanges } from "../../src/service/given_ranges.ts";
import { MISSING_VALUES_MAX } from "../../src/stores/channel_range.ts";

Deno.test("givenRanges() keeps what is said of each channel, and nothing else", () => {
  const given = { a: { lower: 0, upper: undefined }, b: {}, c: { upper: 2, missing: [-999] } };
  assert.deepEqual(givenRanges(given, ["c", "b", "a", "d"]), {
    a: { lower: 0 },
    b: {},
    c: { upper: 2, missing: [-999] },
  });
});

Deno.test("givenRanges() names the channel or the member that cannot be", () => {
  const ask = (given: Record<string, GivenRange>) => () => givenRanges(given, ["a", "b"]);
  const at = (field: string) => (error: unknown) =>
    error instanceof InvalidValueError && error.field === field;
  assert.throws(ask({ z: {} }), at("ranges"));
  assert.throws(ask({ z: {} }), /a channel that has samples: a, b/);
  assert.throws(ask({ a: {}, b: { lower: 2, upper: 1 } }), at("ranges.b.upper"));
  assert.throws(ask({ a: { lower: -Infinity } }), at("ranges.a.lower"));
  const missing = Array.from({ length: MISSING_VALUES_MAX + 1 }, (_, i) => i);
  assert.throws(ask({ a: { missing } }), LimitError);
});
