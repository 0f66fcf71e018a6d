import assert from "node:assert/strict";
import { staleFiles } from "../../bench/performance.ts";

Deno.test("docs/performance.md and its images are what bench/results stores", async () => {
  // `deno task performance -- --write` makes them so.
  assert.deepEqual(await staleFiles(false), []);
});
