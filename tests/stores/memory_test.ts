import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import { observations, points } from "./_stores.ts";

Deno.test("openMemoryStore() keeps its own copy of what it is given", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const segment = points("a", [[10, 1], [20, 2]]);
  await store.append([segment]);
  segment.values[0]![0] = 99;
  segment.timestampsNs[1] = 5n;
  assert.deepEqual(await observations(store, "a"), [{ t: 10, value: 1 }, { t: 20, value: 2 }]);
  assert.equal((await store.stats()).bytes, 0);
});

Deno.test("openMemoryStore() gives every stream a creation time of its own", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const times = new Set<bigint>();
  for (const id of ["a", "b", "c"]) times.add((await store.putStream(id, {})).record.createdNs);
  assert.equal(times.size, 3);
});
