import assert from "node:assert/strict";
import { LruMap } from "../../../src/stores/_helpers/lru.ts";

Deno.test("LruMap forgets what was not used for longest once it weighs too much", () => {
  const map = new LruMap<string, number>(10);
  map.set("a", 1, 4);
  map.set("b", 2, 4);
  assert.equal(map.get("a"), 1);
  map.set("c", 3, 4);
  assert.deepEqual([map.get("a"), map.get("b"), map.get("c")], [1, undefined, 3]);
  map.set("a", 5, 6);
  assert.deepEqual([map.size, map.weight, map.get("a")], [2, 10, 5]);
  map.set("huge", 9, 11);
  assert.deepEqual([map.size, map.weight], [0, 0], "what is too heavy alone is not kept");
  map.set("a", 1);
  map.delete("a");
  map.clear();
  assert.equal(map.weight, 0);
});
