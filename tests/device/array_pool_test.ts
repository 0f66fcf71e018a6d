import assert from "node:assert/strict";
import { type FloatArray, floatArray } from "../../src/tensor/tensor.ts";
import { ArrayPool, POOLED_BYTES_MIN } from "../../src/device/array_pool.ts";

const LENGTH = POOLED_BYTES_MIN / 4;

Deno.test("ArrayPool gives an array of the same type and length again", () => {
  const pool = new ArrayPool();
  const array = pool.take("f32", LENGTH);
  assert.equal(array.length, LENGTH);
  pool.give("f32", array);
  assert.equal(pool.bytes, POOLED_BYTES_MIN);
  assert.notEqual(pool.take("f32", LENGTH + 1), array);
  assert.notEqual(pool.take("f64", LENGTH), array);
  assert.equal(pool.take("f32", LENGTH), array);
  assert.equal(pool.bytes, 0);
  assert.notEqual(pool.take("f32", LENGTH), array);
});

Deno.test("ArrayPool leaves short arrays to the collector", () => {
  const pool = new ArrayPool();
  const short = pool.take("f32", LENGTH - 1);
  pool.give("f32", short);
  assert.equal(pool.bytes, 0);
  assert.notEqual(pool.take("f32", LENGTH - 1), short);
});

Deno.test("ArrayPool drops what was longest unused beyond its limit", () => {
  const dropped: number[] = [];
  const drop = (array: FloatArray) => void dropped.push(array.length);
  const pool = new ArrayPool({ make: floatArray, drop }, 4 * POOLED_BYTES_MIN);
  const arrays = [0, 1, 2].map((i) => pool.take("f32", LENGTH + i));
  for (const array of arrays) pool.give("f32", array);
  // The first length is used once more, so that the second one is the oldest.
  pool.give("f32", pool.take("f32", LENGTH));
  const long = pool.take("f32", 2 * LENGTH - 8);
  pool.give("f32", long);
  assert.ok(pool.bytes <= 4 * POOLED_BYTES_MIN);
  assert.equal(pool.take("f32", LENGTH), arrays[0]);
  assert.notEqual(pool.take("f32", LENGTH + 1), arrays[1]);
  assert.equal(pool.take("f32", 2 * LENGTH - 8), long);
  pool.give("f32", pool.take("f32", 5 * LENGTH));
  assert.equal(pool.take("f32", LENGTH + 2), arrays[2]);
  assert.deepEqual(dropped, [LENGTH + 1, 5 * LENGTH]);
});
