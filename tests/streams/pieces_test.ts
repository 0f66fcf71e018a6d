import assert from "node:assert/strict";
import { sliceSegment } from "../../src/signal/segment.ts";
import { copyRange, joined, type Piece } from "../../src/streams/pieces.ts";
import { walk } from "./_parts.ts";

function pieceOf(channels: readonly string[], start: number, end: number): Piece {
  const segment = sliceSegment(walk("s", end, channels), start, end);
  return { segment, start, isLive: true, pending: null };
}

Deno.test("joined() puts neighbours of the same channels together, in arrays of their own", () => {
  const pieces = [
    pieceOf(["a"], 0, 3),
    pieceOf(["a"], 3, 4),
    pieceOf(["a", "b"], 4, 6),
    pieceOf(["b", "a"], 6, 7),
    pieceOf(["a"], 7, 9),
  ];
  const runs = joined(pieces);
  assert.deepEqual(runs.map(({ pieces }) => pieces.length), [2, 1, 1, 1]);
  assert.deepEqual(runs.flatMap(({ pieces }) => pieces), pieces);
  const [first] = runs;
  assert.deepEqual(first!.segment, copyRange(walk("s", 4, ["a"]), 0, 4));
  for (const { segment: { timestampsNs, values } } of runs) {
    for (const array of [timestampsNs, ...values]) {
      assert.equal(array.byteLength, array.buffer.byteLength);
    }
  }
  assert.deepEqual(joined([]), []);
});

Deno.test("copyRange() gives arrays of its own, or the segment where they are that already", () => {
  const timestampsNs = BigInt64Array.of(1n, 2n, 3n);
  const whole = {
    streamId: "a",
    channels: ["v"],
    timestampsNs,
    values: [Float64Array.of(1, 2, 3)],
  };
  assert.equal(copyRange(whole, 0, 3), whole);
  const part = copyRange(whole, 1, 3);
  assert.deepEqual([...part.timestampsNs], [2n, 3n]);
  assert.equal(part.values[0]!.buffer.byteLength, 16);
  const view = { ...whole, values: [new Float64Array([1, 2, 3, 4]).subarray(1)] };
  assert.equal(copyRange(view, 0, 3).values[0]!.buffer.byteLength, 24);
});
