import assert from "node:assert/strict";
import { InvalidValueError } from "../../../src/base/errors.ts";
import { segmentOfCsv } from "../../../datasets/_helpers/csv_columns.ts";

const LAYOUT = { streamId: "s", time: "t", channels: { a: "A" }, utcOffsetHours: -8 };

Deno.test("segmentOfCsv() reads columns by heading and moves local time to UTC", () => {
  const segment = segmentOfCsv("A,t\r\n1.5,2010-01-01T01:00:00\r\n,2010-01-01T02:00:00\n", LAYOUT);
  assert.equal(segment.timestampsNs[0], BigInt(Date.UTC(2010, 0, 1, 9)) * 1_000_000n);
  assert.deepEqual([...segment.values[0]!], [1.5, NaN]);
});

Deno.test("segmentOfCsv() names the field that is no number", () => {
  assert.throws(() => segmentOfCsv("A,t\nwarm,2010-01-01", LAYOUT), (error: unknown) => {
    return error instanceof InvalidValueError && error.field === "a[0]" && error.value === "warm";
  });
});

Deno.test("segmentOfCsv() names a heading that is missing", () => {
  assert.throws(() => segmentOfCsv("B,t\n1,2010-01-01", LAYOUT), (error: unknown) => {
    return error instanceof InvalidValueError && error.value === "A";
  });
});
