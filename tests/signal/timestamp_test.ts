import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidValueError } from "../../src/base/errors.ts";
import {
  coarserUnit,
  formatTimestamp,
  isTimestampInRange,
  parseTimestamp,
  partsToNs,
  readTimestamp,
  readTimestampText,
  TIMESTAMP_NS_MAX,
  TIMESTAMP_NS_MIN,
  TIMESTAMP_PRECISIONS,
  type TimestampParts,
  timestampWanted,
  writeTimestamp,
} from "../../src/signal/timestamp.ts";

Deno.test("parseTimestamp() reads ISO 8601 with offsets, fractions and bare dates", () => {
  const cases: readonly (readonly [string, bigint])[] = [
    ["1970-01-01", 0n],
    ["1970-01-01T00:00", 0n],
    ["2024-01-01 00:00:00", 1_704_067_200_000_000_000n],
    ["2024-01-01T00:00:00Z", 1_704_067_200_000_000_000n],
    ["2024-01-01t02:30:00+02:30", 1_704_067_200_000_000_000n],
    ["2023-12-31T19:00:00-0500", 1_704_067_200_000_000_000n],
    ["2023-12-31T23:00:00-01", 1_704_067_200_000_000_000n],
    ["2024-01-01T00:00:00.000000001Z", 1_704_067_200_000_000_001n],
    ["1969-12-31T23:59:59.5Z", -500_000_000n],
    ["2000-02-29T00:00:00Z", 951_782_400_000_000_000n],
    [" 1970-01-01 ", 0n],
    ["1970-02", 2_678_400_000_000_000n],
    ["1969-12", -2_678_400_000_000_000n],
    ["1970-W01", -259_200_000_000_000n],
    ["1970-W01-4", 0n],
    ["2026-W53-7", 1_798_934_400_000_000_000n],
    ["2027-W01-1", 1_799_020_800_000_000_000n],
  ];
  for (const [text, expected] of cases) assert.equal(parseTimestamp(text), expected, text);
});

Deno.test("parseTimestamp() reads integers of each precision exactly", () => {
  assert.equal(parseTimestamp("1704067200123456789", "ns"), 1_704_067_200_123_456_789n);
  assert.equal(parseTimestamp(1_704_067_200_123_456_789n, "ns"), 1_704_067_200_123_456_789n);
  assert.equal(parseTimestamp(1_704_067_200_123_456, "us"), 1_704_067_200_123_456_000n);
  assert.equal(parseTimestamp(-1, "ms"), -1_000_000n);
  assert.equal(parseTimestamp("+7", "s"), 7_000_000_000n);
  assert.equal(parseTimestamp("1704067200.5", "s"), 1_704_067_200_500_000_000n);
  assert.equal(parseTimestamp("-0", "ns"), 0n);
  assert.equal(parseTimestamp("0000000000000000012", "ms"), 12_000_000n);
});

Deno.test("parseTimestamp() refuses what is no timestamp, naming field and value", () => {
  const bad = [
    "",
    "soon",
    "2024-13-01",
    "2024-13",
    "2024-00",
    "2024/01",
    "2024-1-1",
    "2024-W00",
    "2025-W53",
    "2024-W01-0",
    "2024-W01-8",
    "2024-W01T1",
    "2024-W1",
    "2024-01T",
    "2023-02-29",
    "1900-02-29",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:60:00Z",
    "2024-01-01T00:00:60Z",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00.0000000001Z",
    "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00Zx",
    "2024-01-01X00:00:00Z",
    "2024/01/01",
    "1677-12-31T23:59:59Z",
    "2262-01-01",
    "12345678901234567890",
    "1e3",
    "1.",
    "--1",
  ];
  for (const text of bad) {
    assert.throws(
      () => parseTimestamp(text, "ms", "rows[3].timestamp"),
      (error: unknown) =>
        error instanceof InvalidValueError && error.field === "rows[3].timestamp" &&
        error.message.includes(`"${text}"`),
      text,
    );
  }
  assert.throws(() => parseTimestamp(1.5), InvalidValueError);
  assert.throws(() => parseTimestamp(2 ** 60, "ns"), InvalidValueError);
  assert.throws(() => parseTimestamp("1.5", "ns"), InvalidValueError);
});

const anyTimestamp = fc.bigInt({ min: TIMESTAMP_NS_MIN, max: TIMESTAMP_NS_MAX - 1n });

Deno.test("timestampWanted() tells the unit in which an integer was likely meant", () => {
  const plain = "ISO 8601 or an integer of ms between the years 1678 and 2261";
  assert.equal(timestampWanted("yesterday", "ms"), plain);
  assert.equal(timestampWanted("99999999999999999999", "ms"), plain);
  const meant = (text: string, precision: "s" | "ms") =>
    timestampWanted(text, precision).split("; ")[1];
  assert.equal(meant("1767225600000", "s"), "with the precision ms it is 2026-01-01T00:00:00Z");
  assert.equal(meant("1767225600000000", "s"), "with the precision us it is 2026-01-01T00:00:00Z");
  assert.equal(meant(" 1767225600000000001", "ms")?.slice(0, 24), "with the precision ns it");
  assert.throws(() => parseTimestamp(1767225600000, "s"), /precision ms it is 2026-01-01/);
});

Deno.test("coarserUnit() finds the unit of counts of today that were read too fine", () => {
  const today = Date.UTC(2026, 10, 23) / 1000;
  const units = [["s", 1], ["ms", 1e3], ["us", 1e6], ["ns", 1e9]] as const;
  for (const [at, [read]] of units.entries()) {
    for (const [meantAt, [meant, perS]] of units.entries()) {
      if (at < meantAt) continue;
      const readNs = parseTimestamp(BigInt(today) * BigInt(perS), read);
      const wanted = at === meantAt
        ? null
        : { unit: meant, meantNs: BigInt(today) * 1_000_000_000n };
      assert.deepEqual(coarserUnit(readNs, read), wanted, `${meant} read as ${read}`);
    }
  }
  // Counts from zero, negative ones and times of today are what they say.
  for (const ns of [0n, 1_000_000n, -(10n ** 15n), 1_795_392_000_000_000_000n]) {
    for (const [unit] of units) assert.equal(coarserUnit(ns, unit), null, `${ns} ${unit}`);
  }
  assert.equal(coarserUnit(999_999_999_000_000n, "ms"), null, "seconds of before 2001-09-09");
  assert.equal(coarserUnit(1_000_000_000_000_000n, "ms")!.unit, "s");
});

Deno.test("formatTimestamp() and parseTimestamp() are inverses over the whole range", () => {
  fc.assert(
    fc.property(anyTimestamp, (timestampNs) => {
      assert.equal(parseTimestamp(formatTimestamp(timestampNs)), timestampNs);
      assert.equal(parseTimestamp(timestampNs, "ns"), timestampNs);
    }),
    { numRuns: 500, seed: 1 },
  );
  assert.equal(formatTimestamp(0n), "1970-01-01T00:00:00Z");
  assert.equal(formatTimestamp(-1n), "1969-12-31T23:59:59.999999999Z");
  assert.equal(formatTimestamp(1_500_000_000n), "1970-01-01T00:00:01.5Z");
});

Deno.test("writeTimestamp() writes the same integer as bigint arithmetic", () => {
  const stored = new BigInt64Array(3);
  const words = new Int32Array(stored.buffer);
  fc.assert(
    fc.property(anyTimestamp, fc.nat(2), (timestampNs, index) => {
      const parts: TimestampParts = { seconds: 0, nanos: 0 };
      assert.ok(readTimestampText(timestampNs.toString(), "ns", parts));
      writeTimestamp(words, index, parts.seconds, parts.nanos);
      assert.equal(stored[index], timestampNs);
      assert.equal(partsToNs(parts), timestampNs);
    }),
    { numRuns: 500, seed: 2 },
  );
});

Deno.test("readTimestamp() reads within its bounds only", () => {
  const bytes = new TextEncoder().encode("x2024-01-01T00:00:00Zx");
  const parts: TimestampParts = { seconds: 0, nanos: 0 };
  assert.ok(readTimestamp(bytes, 1, 21, "ms", parts));
  assert.deepEqual(parts, { seconds: 1_704_067_200, nanos: 0 });
  assert.ok(!readTimestamp(bytes, 0, 21, "ms", parts));
  assert.ok(!readTimestamp(bytes, 1, 22, "ms", parts));
  assert.ok(isTimestampInRange({ seconds: 0, nanos: 0 }));
  assert.deepEqual(TIMESTAMP_PRECISIONS, ["ns", "us", "ms", "s"]);
});
