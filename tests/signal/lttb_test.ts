import assert from "node:assert/strict";
import { lttb } from "../../src/signal/lttb.ts";

Deno.test("lttb() keeps the ends, the order and the count", () => {
  const times = Float64Array.from({ length: 1000 }, (_, i) => i);
  const values = times.map((t) => Math.sin(t / 20));
  const picked = lttb(times, values, 50);
  assert.equal(picked.length, 50);
  assert.equal(picked[0], 0);
  assert.equal(picked[49], 999);
  for (let i = 1; i < 50; i++) assert.ok(picked[i]! > picked[i - 1]!);
});

Deno.test("lttb() keeps a lone spike", () => {
  const times = Float64Array.from({ length: 500 }, (_, i) => i);
  const values = new Float64Array(500);
  values[321] = 10;
  assert.ok(lttb(times, values, 10).includes(321));
});

Deno.test("lttb() never picks a missing value and returns short series whole", () => {
  const times = [0, 1, 2, 3, 4, 5];
  const values = [1, NaN, 2, NaN, 0, 3];
  assert.deepEqual(Array.from(lttb(times, values, 10)), [0, 2, 4, 5]);
  assert.deepEqual(Array.from(lttb(times, values, 2)), [0, 5]);
  assert.deepEqual(Array.from(lttb(times, values, 1)), [0]);
  assert.deepEqual(Array.from(lttb(times, [NaN, NaN], 3)), []);
});

Deno.test("lttb() picks the largest triangle of each bucket", () => {
  // Buckets {1, 2} and {3, 4} between the ends; the triangles were computed by hand.
  const times = [0, 1, 2, 3, 4, 5];
  const values = [0, 1, 5, 5, -1, 0];
  assert.deepEqual(Array.from(lttb(times, values, 4)), [0, 2, 4, 5]);
});
