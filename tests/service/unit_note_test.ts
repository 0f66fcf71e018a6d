import assert from "node:assert/strict";
import { unitNote } from "../../src/service/unit_note.ts";

const samples = (...timesNs: bigint[]) => ({
  streamId: "s",
  channels: ["value"],
  timestampsNs: BigInt64Array.from(timesNs),
  values: [new Float64Array(timesNs.length)],
});

Deno.test("unitNote() tells of seconds that were read as milliseconds, and of nothing else", () => {
  const odd = samples(1_795_392_000_000_000n, 1_795_392_060_000_000n);
  assert.equal(
    unitNote(odd, "ms"),
    "Times are 1970-01-21T18:43:12Z to 1970-01-21T18:43:12.06Z as integers of ms; with " +
      "precision=s they are 2026-11-23T00:00:00Z to 2026-11-23T00:01:00Z",
  );
  assert.match(
    unitNote(samples(1_795_392_000_000_000n), "ms")!,
    /^Times are 1970-01-21T18:43:12Z as/,
  );
  assert.equal(unitNote(odd, "s"), null);
  assert.equal(unitNote(samples(0n, 60_000_000_000n), "ms"), null);
  // Of which one end only looks odd: a series from 1970 to today.
  assert.equal(unitNote(samples(1_795_392_000_000_000n, 1_795_392_000_000_000_000n), "ms"), null);
});
