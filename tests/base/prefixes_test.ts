import assert from "node:assert/strict";
import { partOf, prefixed } from "../../src/base/prefixes.ts";

Deno.test("partOf() takes the entries of a prefix, without it", () => {
  assert.deepEqual(partOf({ "a/x": 1, "b/x": 2, "xa/": 3 }, "a/"), { x: 1 });
  assert.deepEqual(partOf({ "a/x": 1 }, "c/"), {});
});

Deno.test("prefixed() is undone by partOf()", () => {
  assert.deepEqual(prefixed("a/", { x: 1 }), { "a/x": 1 });
  assert.deepEqual(partOf(prefixed("a/", { x: 1, y: 2 }), "a/"), { x: 1, y: 2 });
});
