import assert from "node:assert/strict";
import { HeldMemory } from "../../src/device/held_memory.ts";

Deno.test("HeldMemory takes the first gap that is large enough, up to the end of its range", () => {
  const memory = new HeldMemory(64, 256);
  assert.equal(memory.top, 64);
  assert.deepEqual([64, 64, 64].map((bytes) => memory.take(bytes)), [64, 128, 192]);
  assert.equal(memory.take(128), undefined);
  assert.equal(memory.take(64), 256);
  assert.equal(memory.take(64), undefined);
  assert.equal(memory.count, 4);
  assert.equal(memory.top, 320);
});

Deno.test("HeldMemory joins what was given back and refuses what was not taken", () => {
  const memory = new HeldMemory(0, 256);
  for (let i = 0; i < 4; i++) memory.take(64);
  memory.give(64);
  memory.give(128);
  assert.throws(() => memory.give(128));
  assert.equal(memory.take(128), 64);
  memory.give(192);
  assert.equal(memory.top, 192);
  assert.equal(memory.take(64), 192);
});
