import assert from "node:assert/strict";
import fc from "fast-check";
import { plainDot, rotaryTable, rotatedDot } from "../../src/ssm/rotary.ts";

/** A row turned by so many positions, as the paper's matrix does it. */
function turned(row: readonly number[], position: number, base: number): number[] {
  return row.map((x, s) => {
    const angle = position * base ** (-2 * Math.floor(s / 2) / row.length);
    const other = row[s ^ 1]!;
    return x * Math.cos(angle) + (s % 2 === 0 ? -1 : 1) * other * Math.sin(angle);
  });
}

Deno.test("rotatedDot() is the product of both rows turned by their own positions", () => {
  const row = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), {
    minLength: 6,
    maxLength: 6,
  });
  const position = fc.integer({ min: 0, max: 40 });
  fc.assert(fc.property(row, row, position, position, (q, k, i, j) => {
    const [late, early] = [Math.max(i, j), Math.min(i, j)];
    const table = rotaryTable(41, 6, 100);
    const expected = plainDot(turned(q, late, 100), 0, turned(k, early, 100), 0, 6);
    // Some tens of roundings on values up to 54.
    assert.ok(Math.abs(rotatedDot(q, 0, k, 0, 6, table, late - early) - expected) < 1e-12);
  }));
});

Deno.test("rotaryTable() begins without a turn and keeps every pair's length", () => {
  const table = rotaryTable(9, 8, 10_000);
  assert.deepEqual(table.slice(0, 4), Float64Array.of(1, 0, 1, 0));
  for (let i = 0; i < table.length; i += 2) {
    assert.ok(Math.abs(Math.hypot(table[i]!, table[i + 1]!) - 1) < 1e-15);
  }
});
