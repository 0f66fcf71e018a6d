import assert from "node:assert/strict";
import { staleFigures } from "../../bench/readme.ts";

Deno.test("README.md's figures are what bench/results stores", async () => {
  // `deno task readme -- --write` makes them so.
  assert.deepEqual(await staleFigures(false), []);
});
