import assert from "node:assert/strict";
import fc from "fast-check";
import { LimitError } from "../../src/base/errors.ts";
import { BUFFER_BYTES_MIN, BufferPool, sizeClassOf } from "../../src/device/pool.ts";

function recorded(budgetBytes: number) {
  const alive = new Map<number, number>();
  const pool = new BufferPool({
    create: (id, bytes) => void alive.set(id, bytes),
    destroy: (id) => void alive.delete(id),
  }, budgetBytes);
  return { pool, alive };
}

Deno.test("sizeClassOf() wastes at most an eighth, and no size is below the least", () => {
  assert.equal(sizeClassOf(0), BUFFER_BYTES_MIN);
  assert.equal(sizeClassOf(4096), 4096);
  assert.equal(sizeClassOf(4097), 4096 + 512);
  fc.assert(fc.property(fc.integer({ min: 2048, max: 2 ** 31 }), (bytes) => {
    const size = sizeClassOf(bytes);
    assert.ok(size >= bytes && size <= bytes * 1.125 + 1 && size % 4 === 0);
  }));
});

Deno.test("BufferPool.take() reuses a buffer of the class that was given back", () => {
  const { pool, alive } = recorded(1 << 20);
  const id = pool.take(4000);
  pool.give(id);
  assert.equal(pool.take(3900), id);
  assert.equal(alive.size, 1);
});

Deno.test("BufferPool.take() refuses what passes the budget, and recovers", () => {
  const { pool } = recorded(10_000);
  const id = pool.take(8000);
  assert.throws(
    () => pool.take(4000),
    (error) =>
      error instanceof LimitError && error.limitName === "POOL_BYTES_MAX" && error.limit === 10_000,
  );
  pool.give(id);
  pool.take(4000);
  assert.ok(pool.bytes.total <= 10_000);
});

Deno.test("BufferPool.take() destroys free buffers before it passes the budget", () => {
  const { pool, alive } = recorded(10_240);
  pool.give(pool.take(8192));
  pool.take(4096);
  assert.equal(alive.size, 1);
  assert.deepEqual(pool.bytes, { used: 4096, total: 4096, peak: 8192 });
});

Deno.test("BufferPool remembers the most in use until it is told to begin anew", () => {
  const { pool } = recorded(1 << 20);
  const ids = [pool.take(1024), pool.take(2048)];
  ids.forEach((id) => pool.give(id));
  assert.equal(pool.bytes.peak, 3072);
  pool.resetPeak();
  assert.equal(pool.bytes.peak, 0);
  pool.take(256);
  assert.equal(pool.bytes.peak, 256);
});

Deno.test("BufferPool.give() of an unknown or free buffer does nothing", () => {
  const { pool } = recorded(1 << 20);
  const id = pool.take(300);
  pool.give(id);
  pool.give(id);
  pool.give(99);
  assert.equal(pool.bytes.used, 0);
  assert.notEqual(pool.take(300), pool.take(300));
});

Deno.test("BufferPool.trim() destroys what is free; reset() forgets all", () => {
  const { pool, alive } = recorded(1 << 20);
  const kept = pool.take(300);
  pool.give(pool.take(5000));
  pool.trim();
  assert.deepEqual([...alive.keys()], [kept]);
  pool.reset();
  assert.deepEqual(pool.bytes, { used: 0, total: 0, peak: 0 });
  assert.notEqual(pool.take(300), kept);
});

Deno.test("BufferPool keeps its books under any order of takes and gives", () => {
  const step = fc.record({ bytes: fc.integer({ min: 0, max: 20_000 }), give: fc.nat(50) });
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (script) => {
    const { pool, alive } = recorded(100_000);
    const held: number[] = [];
    for (const { bytes, give } of script) {
      if (give < held.length) {
        pool.give(held.splice(give, 1)[0]!);
        continue;
      }
      try {
        held.push(pool.take(bytes));
      } catch (error) {
        assert.ok(error instanceof LimitError);
      }
    }
    const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);
    assert.equal(new Set(held).size, held.length);
    assert.equal(pool.bytes.total, sum([...alive.values()]));
    assert.equal(pool.bytes.used, sum(held.map((id) => alive.get(id)!)));
    assert.ok(pool.bytes.total <= 100_000);
  }));
});
