import assert from "node:assert/strict";
import { placeOf, printedOf, staleFiles } from "../../bench/performance.ts";

Deno.test("docs/performance.md and its images are what bench/results stores", async () => {
  // `deno task performance -- --write` makes them so.
  assert.deepEqual(await staleFiles(false), []);
});

Deno.test("printedOf() wants the command of a file that is recorded", () => {
  assert.equal(printedOf(), undefined);
  assert.deepEqual(printedOf("a.json", "deno run b.ts"), {
    file: "a.json",
    command: "deno run b.ts",
  });
  assert.throws(() => printedOf("a.json"), { message: /--from and --command go together/ });
  assert.throws(() => printedOf(undefined, "deno run b.ts"), RangeError);
});

Deno.test("placeOf() takes where figures were taken from what a bench printed", () => {
  const place = { commit: "abc", machine: "M", adapter: "A" };
  assert.deepEqual(placeOf({ ...place, command: "bench/b.ts" }), place);
  assert.deepEqual(placeOf({}), {});
});
