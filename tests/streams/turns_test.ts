import assert from "node:assert/strict";
import { Turns } from "../../src/streams/turns.ts";

Deno.test("Turns lets so many run at a time, in the order in which they came", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, index) =>
    turns.take(() => {
      begun.push(index);
      return promise;
    })
  );
  assert.deepEqual(begun, [0, 1]);
  ends[1]!.resolve();
  await all[1];
  assert.deepEqual(begun, [0, 1, 2]);
  // A turn that fails is given on, too.
  ends[0]!.reject(new Error("broken"));
  await assert.rejects(all[0]!, /broken/);
  assert.deepEqual(begun, [0, 1, 2, 3]);
  for (const { resolve } of ends.slice(2)) resolve();
  await Promise.all(all.slice(1));
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
  assert.equal(await turns.take(() => Promise.resolve("free again")), "free again");
});
