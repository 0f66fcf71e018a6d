import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import {
  type ChannelRange,
  MISSING_VALUES_MAX,
  validateRange,
  withoutMissing,
} from "../../src/stores/channel_range.ts";

const segment = {
  streamId: "s",
  channels: ["a", "b"],
  timestampsNs: BigInt64Array.of(1n, 2n, 3n),
  values: [Float64Array.of(-999, 2, 65_535), Float64Array.of(-999, NaN, 1)],
};

Deno.test("withoutMissing() takes away what stands for a missing value, by channel", () => {
  const known = withoutMissing(segment, { a: { missing: [-999, 65_535] }, c: { missing: [1] } });
  assert.deepEqual(known.values[0], Float64Array.of(NaN, 2, NaN));
  assert.equal(known.values[1], segment.values[1]);
  assert.equal(segment.values[0]![0], -999);
});

Deno.test("withoutMissing() gives a segment back that has none of them", () => {
  const ranges: Record<string, ChannelRange>[] = [
    {},
    { a: { lower: 0 } },
    { a: { missing: [] }, b: { missing: [-998.9999999] } },
  ];
  for (const range of ranges) assert.equal(withoutMissing(segment, range), segment);
});

Deno.test("validateRange() names the number at fault, and how many may stand for a missing one", () => {
  const most = Array.from({ length: MISSING_VALUES_MAX }, (_, i) => i);
  validateRange("v", { lower: 0, upper: 1, missing: most });
  const cases: [ChannelRange, typeof InvalidValueError | typeof LimitError, string][] = [
    [{ missing: [1, NaN] }, InvalidValueError, "v.missing[1]"],
    [{ missing: [...most, 99] }, LimitError, "v.missing"],
    [{ lower: 2, upper: 2 }, InvalidValueError, "v.upper"],
    [{ upper: Infinity }, InvalidValueError, "v.upper"],
  ];
  for (const [range, kind, field] of cases) {
    assert.throws(
      () => validateRange("v", range),
      (error: Error) => error instanceof kind && "field" in error && error.field === field,
    );
  }
});
