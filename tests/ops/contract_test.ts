import assert from "node:assert/strict";
import { contract } from "../../src/ops/contract.ts";
import { outer } from "../../src/ops/outer.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("contract() sums over a head's features, heads fastest in the result", async () => {
  const s = filled([1, 8], (i) => i + 1);
  const { out } = await run(contract, { q: t([1, 4], [1, 10, 1, 10]), s }, { size: 2 });
  // Head 0: [1 2; 3 4], head 1: [5 6; 7 8], each by (1, 10).
  assert.deepEqual([...out!.data], [31, 75, 42, 86]);
});

Deno.test("contract() of outer products is (q·a)·b", async () => {
  const [q, a, b] = [0, 1, 2].map((k) => filled([3, 6], (i) => Math.sin(i + 7 * k)));
  const { out: s } = await run(outer, { a: a!, b: b! }, { size: 3 });
  const { out } = await run(contract, { q: q!, s: s! }, { size: 3 });
  const expected: number[] = [];
  for (let row = 0; row < 18; row += 6) {
    for (let j = 0; j < 3; j++) {
      for (let h = 0; h < 6; h += 3) {
        const dot = [0, 1, 2].reduce(
          (sum, i) => sum + q!.data[row + h + i]! * a!.data[row + h + i]!,
          0,
        );
        expected.push(dot * b!.data[row + h + j]!);
      }
    }
  }
  assert.ok(distance(out!.data, expected) < 1e-15);
});

Deno.test("contract() names what is wrong", async () => {
  const q = t([1, 4], [1, 2, 3, 4]);
  await assert.rejects(() => run(contract, { q, s: q }, { size: 2 }), /s/);
  await assert.rejects(() => run(contract, { q, s: q }, { size: 3 }), { field: "size" });
});
