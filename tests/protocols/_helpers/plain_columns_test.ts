import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { ProtocolError } from "../../../src/base/errors.ts";
import { nextUint32, seedRandom } from "../../../src/base/random.ts";
import {
  PLAIN_SAMPLES_MAX,
  readPlainColumns,
} from "../../../src/protocols/_helpers/plain_columns.ts";
import { json } from "../../../src/protocols/json.ts";
import { decodeBody } from "../../../src/protocols/protocol.ts";
import type { TimestampPrecision } from "../../../src/signal/timestamp.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** What the general reader makes of a body: a blank in front is nothing that the plain one takes. */
function generally(text: string, precision: TimestampPrecision): unknown {
  const shifted = bytesOf(` ${text}`);
  equal(readPlainColumns(shifted, "a", precision), null);
  return outcomeOf(shifted, precision, 1);
}

function outcomeOf(bytes: Uint8Array, precision: TimestampPrecision, shift: number): unknown {
  try {
    return decodeBody(json, bytes, { streamId: "a", precision });
  } catch (error) {
    ok(error instanceof Error, String(error));
    // The general reader counts the blank in offsets, some of which are part of the text.
    const { name } = error;
    return error instanceof ProtocolError
      ? { name, offset: error.offset - shift, field: error.field }
      : { name, message: error.message };
  }
}

function checkAlike(text: string, precision: TimestampPrecision = "ms"): void {
  deepStrictEqual(outcomeOf(bytesOf(text), precision, 0), generally(text, precision), text);
}

const columns = (timestamps: string, values: string) =>
  `{"timestamps":[${timestamps}],"values":[${values}]}`;

Deno.test("readPlainColumns() reads what JSON.stringify() writes as the general reader does", () => {
  const numbers = [0, -0, 0.1, -2.5, 20.123, 1e-7, 123456789012345, 0.30000000000000004, -1 / 3];
  const timestamps = numbers.map((_, i) => 1_767_225_600_000 + 999 * i);
  const text = JSON.stringify({ timestamps, values: [...numbers.slice(1), null] });
  checkAlike(text);
  const plain = JSON.stringify({ timestamps: timestamps.slice(0, 3), values: [1, null, 2.25] });
  const segment = readPlainColumns(bytesOf(plain), "a", "ms")!;
  deepStrictEqual([...segment.values[0]!], [1, NaN, 2.25]);
  equal(segment.timestampsNs[1], 1_767_225_600_999_000_000n);
  deepStrictEqual(segment.channels, ["value"]);
});

Deno.test("readPlainColumns() takes any precision, and leaves what is out of range", () => {
  for (const precision of ["s", "ms", "us", "ns"] as const) {
    for (
      const time of ["0", "1", "999", "1000", "1767225600", "1767225600123", "1767225600123456"]
    ) {
      checkAlike(columns(time, "1"), precision);
      ok(
        readPlainColumns(bytesOf(columns(time, "1")), "a", precision) !== null ||
          (precision === "s" && time.length > 10) || (precision === "ms" && time.length > 13),
        `${time} ${precision}`,
      );
    }
  }
  for (const time of ["9214646399", "9214646400", "9007199254740991", "9007199254740993"]) {
    checkAlike(columns(time, "1"), "s");
    checkAlike(columns(time, "1"), "us");
  }
});

Deno.test("readPlainColumns() leaves all that is unusual or at fault to the general reader", () => {
  const unusual = [
    columns("", ""),
    columns("1", ""),
    columns("1,2", "1"),
    columns("1", "1,2"),
    columns("01", "1"),
    columns("-1", "1"),
    columns("1.5", "1"),
    columns("1", "01"),
    columns("1", "-"),
    columns("1", "."),
    columns("1", "1."),
    columns("1", ".5"),
    columns("1", "1..2"),
    columns("1", "+1"),
    columns("1", "1e3"),
    columns("1", "nul"),
    columns("1", "nulls"),
    columns("1", "NaN"),
    columns("1", '"1"'),
    columns("1", "true"),
    columns("1 ", "1"),
    columns("1", "9".repeat(400)),
    columns('"2026-01-01T00:00:00Z"', "1"),
    columns("1767225600000123456789", "1"),
    columns("1", "1") + " ",
    columns("1", "1") + "}",
    columns("1", "1").slice(0, -1),
    columns("1", "1").slice(0, -2),
    '{"timestamps":[1,2',
    '{"timestamps":[1],"values":[1',
    '{"timestamps":[1],"values":[1],"values":[2]}',
    '{"timestamps":[1],"channels":{"a":[1]}}',
    '{"values":[1],"timestamps":[1]}',
    "",
    "{}",
  ];
  for (const text of unusual) {
    equal(readPlainColumns(bytesOf(text), "a", "ms"), null, text);
    checkAlike(text);
  }
  // Blanks after commas and colons are what other languages' writers put there.
  const spaced = '{"timestamps": [1000, 2000], "values": [1.5, null]}';
  ok(readPlainColumns(bytesOf(spaced), "a", "ms") !== null);
  checkAlike(spaced);
});

Deno.test("readPlainColumns() agrees with the general reader on bodies with a byte changed", () => {
  const random = seedRandom(7);
  const body = columns("1767225600000,1767225601000,1767225602000", "20.125,-0.5,null,17");
  const whole = body.replace(",17", "");
  const letters = '0123456789-+.eE,:[]{}" nul\n\\';
  for (let round = 0; round < 3_000; round++) {
    const at = nextUint32(random) % whole.length;
    const letter = letters[nextUint32(random) % letters.length]!;
    const kept = nextUint32(random) % 2;
    checkAlike(whole.slice(0, at) + letter + whole.slice(at + kept));
  }
});

Deno.test("readPlainColumns() leaves more than PLAIN_SAMPLES_MAX samples to the general reader", () => {
  const body = (count: number) =>
    columns(
      Array.from({ length: count }, (_, i) => 1_000 + i).join(),
      Array.from({ length: count }, (_, i) => i / 4).join(),
    );
  const most = readPlainColumns(bytesOf(body(PLAIN_SAMPLES_MAX)), "a", "ms");
  equal(most!.timestampsNs.length, PLAIN_SAMPLES_MAX);
  equal(readPlainColumns(bytesOf(body(PLAIN_SAMPLES_MAX + 1)), "a", "ms"), null);
  checkAlike(body(PLAIN_SAMPLES_MAX + 1));
});
