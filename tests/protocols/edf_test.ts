import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import { edf } from "../../src/protocols/edf.ts";
import { decodeBody } from "../../src/protocols/protocol.ts";
import { BODY_VALUES_MAX } from "../../src/signal/segment.ts";

/** A recording of one data record, each signal with so many samples of 0. */
function recording(counts: readonly number[]): Uint8Array {
  const field = (text: string | number, width: number) => String(text).padEnd(width);
  const each = (width: number, text: (k: number) => string | number) =>
    counts.map((_, k) => field(text(k), width)).join("");
  const header = field(0, 8) + field("", 160) + "01.01.2600.00.00" +
    field(256 * (counts.length + 1), 8) + field("", 44) + field(1, 8) + field(1, 8) +
    field(counts.length, 4) + each(16, (k) => `s${k}`) + each(80, () => "") + each(8, () => "") +
    each(8, () => -1) + each(8, () => 1) + each(8, () => -1) + each(8, () => 1) +
    each(80, () => "") + each(8, (k) => counts[k]!) + each(32, () => "");
  const samples = counts.reduce((sum, count) => sum + count, 0);
  return new Uint8Array([...new TextEncoder().encode(header), ...new Uint8Array(2 * samples)]);
}

Deno.test("edf refuses signals whose rates would make more values than a body may hold", () => {
  const decode = (counts: readonly number[]) =>
    decodeBody(edf, recording(counts), { streamId: "s" });
  const even = decode(Array.from({ length: 300 }, () => 300));
  assert.deepEqual(even.segments.map(({ channels }) => channels.length), [300]);
  // As many samples, of 300 rates: each a row in which 299 signals have none.
  const counts = Array.from({ length: 300 }, (_, k) => k + 1);
  assert.throws(
    () => decode(counts),
    (error) =>
      error instanceof LimitError && error.limitName === "BODY_VALUES_MAX" &&
      error.actual === 300 * 301 / 2 * 300 && error.actual > BODY_VALUES_MAX,
  );
});
