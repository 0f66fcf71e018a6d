import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { runBackward } from "../../src/ops/run.ts";
import { split, SPLIT_PARTS_MAX } from "../../src/ops/split.ts";
import { DEFAULT_LIMITS, filled, run, t } from "./_run.ts";

Deno.test("split() takes each row apart; parts beyond its sizes are empty", async () => {
  const outputs = await run(split, { x: filled([2, 5], (i) => i) }, { sizes: [2, 3] });
  assert.deepEqual([...outputs["part0"]!.data], [0, 1, 5, 6]);
  assert.deepEqual([...outputs["part1"]!.data], [2, 3, 4, 7, 8, 9]);
  assert.deepEqual(outputs["part1"]!.shape, [2, 3]);
  assert.deepEqual(outputs["part2"]!.shape, [0]);
});

Deno.test("split() puts the gradients of its parts beside each other", () => {
  const cpu = openCpu({ poison: true });
  const none = t([0], []);
  const given = {
    gradPart0: t([2, 1], [1, 2]),
    gradPart1: t([2, 2], [3, 4, 5, 6]),
    ...{ gradPart2: none, gradPart3: none, gradPart4: none, gradPart5: none },
  };
  const { gradX } = runBackward(cpu, split, given, { x: [2, 3] }, { sizes: [1, 2] });
  assert.deepEqual([...cpu.dataOf(gradX!)], [1, 3, 4, 2, 5, 6]);
});

Deno.test("split() moves as many floats at a time as all sizes allow", () => {
  const vectorOf = (sizes: number[]) => {
    const x = [7, sizes.reduce((a, b) => a + b)];
    return split.launch({ x }, { sizes }, DEFAULT_LIMITS).passes[0]!.constants["VECTOR"];
  };
  assert.equal(vectorOf([16, 48]), 4);
  assert.equal(vectorOf([2, 8]), 2);
  assert.equal(vectorOf([3, 5]), 1);
});

Deno.test("split() refuses sizes that are not those of the last axis", async () => {
  const x = filled([2, 5], (i) => i);
  const most = Array.from({ length: SPLIT_PARTS_MAX + 1 }, () => 1);
  await assert.rejects(() => run(split, { x }, { sizes: [2, 2] }), { field: "sizes" });
  await assert.rejects(() => run(split, { x }, { sizes: [0, 5] }), { field: "sizes[0]" });
  await assert.rejects(() => run(split, { x }, { sizes: [] }), { field: "sizes.length" });
  await assert.rejects(() => run(split, { x }, { sizes: most }), { field: "sizes.length" });
});
