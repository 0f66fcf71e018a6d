import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { onlySegment, readRange } from "../../src/service/range.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openFixture } from "../routes/_fixture.ts";

Deno.test("readRange() reads the named channels between two times, both included", async () => {
  const { store, send } = openFixture();
  await send("POST", "/v1/streams/s/observations", {
    timestamps: [1000, 2000, 3000, 4000],
    channels: { a: [1, 2, 3, 4], b: [5, 6, 7, 8] },
  });
  const range = { id: "s", fromNs: 2_000_000_000n, toNs: 3_000_000_000n };
  const seen: number[] = [];
  const segment = await readRange(store, range, ["b"], (values) => seen.push(values));
  assert.deepEqual(segment.values.map((column) => [...column]), [[6, 7]]);
  assert.deepEqual(seen, [2]);
  assert.equal((await readRange(store, { id: "s" }, ["a"], () => {})).timestampsNs.length, 4);
  const empty = { id: "s", fromNs: 9_000_000_000n };
  await assert.rejects(readRange(store, empty, ["a"], () => {}), {
    name: "InvalidValueError",
    message: 'from is "1970-01-01T00:00:09Z", expected a range with samples, which lie in ' +
      "1970-01-01T00:00:01Z to 1970-01-01T00:00:04Z",
  });
  await assert.rejects(readRange(store, { id: "none" }, ["a"], () => {}), InvalidValueError);
  await send("PUT", "/v1/streams/s", { channels: { b: { missing: [6] } } });
  const known = await readRange(store, range, ["a", "b"], () => {});
  assert.deepEqual(known.values.map((column) => [...column]), [[2, 3], [NaN, 7]]);
});

Deno.test("onlySegment() merges the rows of one series, and refuses two", () => {
  const piece = (streamId: string, time: bigint): Segment => ({
    streamId,
    channels: ["a"],
    timestampsNs: BigInt64Array.of(time),
    values: [Float64Array.of(Number(time))],
  });
  assert.deepEqual([...onlySegment([piece("s", 2n), piece("s", 1n)]).timestampsNs], [1n, 2n]);
  const other = { ...piece("s", 2n), values: [Float64Array.of(-77)] };
  assert.throws(() => onlySegment([piece("s", 2n), other]), /one value of ".+" at a time/);
  assert.throws(() => onlySegment([]), InvalidValueError);
  assert.throws(() => onlySegment([piece("s", 1n), piece("t", 2n)]), InvalidValueError);
});
