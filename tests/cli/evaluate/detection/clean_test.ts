import assert from "node:assert/strict";
import { CLEAN_KINDS, cleanStream } from "../../../../src/cli/evaluate/detection/clean.ts";

Deno.test("cleanStream() gives finite streams that a seed decides, of every kind", () => {
  assert.equal(new Set(CLEAN_KINDS.map(({ name }) => name)).size, CLEAN_KINDS.length);
  for (const kind of CLEAN_KINDS) {
    const stream = cleanStream(kind, 500, 3);
    assert.ok(stream.length === 500 && stream.every(Number.isFinite), kind.name);
    assert.deepEqual(stream, cleanStream(kind, 500, 3));
    assert.notDeepEqual(stream, cleanStream(kind, 500, 4));
    assert.ok(new Set(stream).size > 5, kind.name);
  }
});
