import assert from "node:assert/strict";
import fc from "fast-check";
import { type ChunkSpan, StoredRows } from "../../../src/stores/_helpers/stored_rows.ts";
import type { Segment } from "../../../src/signal/segment.ts";
import { table } from "../_stores.ts";

const CHANNELS = ["x", "y"];

type Row = readonly [number, number | null, number | null];

function spanOf({ timestampsNs }: Segment, start: number): ChunkSpan {
  return { start: BigInt(start), first_ns: timestampsNs[0]!, last_ns: timestampsNs.at(-1)! };
}

/** A walk over chunks that are named by their index, and the loads that it makes. */
function walkOver(inOrder: readonly Segment[], late: readonly Segment[]) {
  const loads: string[] = [];
  const walk = new StoredRows({
    channels: CHANNELS,
    nextInOrder: (time) => inOrder.map(spanOf).find((span) => span.last_ns >= time),
    lateFrom: (time) =>
      late.map(spanOf).filter((span) => span.last_ns >= time)
        .sort((a, b) => Number(a.first_ns - b.first_ns)),
    loadInOrder: (index) => (loads.push(`in order ${index}`), inOrder[index]!),
    loadLate: (index) => (loads.push(`late ${index}`), late[index]!),
  });
  return { walk, loads };
}

const chunk = (rows: readonly Row[]) => table("a", CHANNELS, rows);

Deno.test("StoredRows finds what a look-up row by row finds, and loads a chunk once", () => {
  const time = fc.nat(40);
  const times = fc.uniqueArray(time, { minLength: 1, maxLength: 12 })
    .map((list) => list.sort((a, b) => a - b));
  const cuts = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(times, cuts, fc.array(times, { maxLength: 4 }), times, (log, size, late, asked) => {
      const inOrder: Segment[] = [];
      for (let at = 0; at < log.length; at += size) {
        inOrder.push(chunk(log.slice(at, at + size).map((t): Row => [t, t, null])));
      }
      const lateChunks = late.map((list) => chunk(list.map((t): Row => [t, null, 2 * t])));
      const { walk, loads } = walkOver(inOrder, lateChunks);
      for (const t of asked) {
        const isInOrder = log.includes(t);
        const isLate = late.some((list) => list.includes(t));
        const found = walk.find(BigInt(t));
        const expected = [isInOrder ? t : NaN, isLate ? 2 * t : NaN];
        assert.deepEqual(found === null ? null : [...found], isInOrder || isLate ? expected : null);
      }
      assert.equal(new Set(loads).size, loads.length);
    }),
    { numRuns: 300 },
  );
});

Deno.test("StoredRows loads nothing that was not asked for", () => {
  const { walk, loads } = walkOver(
    [chunk([[1, 1, 1]]), chunk([[2, 2, 2]]), chunk([[9, 9, 9]])],
    [chunk([[1, 1, 1]]), chunk([[30, 3, 3]])],
  );
  assert.deepEqual([...walk.find(9n)!], [9, 9]);
  assert.equal(walk.find(20n), null);
  assert.deepEqual(loads, ["in order 2"]);
});
