import assert from "node:assert/strict";
import { shiftTaps } from "../../src/ops/shift_taps.ts";
import { distance, run, t } from "./_run.ts";

Deno.test("shiftTaps() are what a delay line gives after an impulse, newest last", async () => {
  const B = [1, 2, -1];
  const C = [3, 0.5, 4];
  const { weight } = await run(
    shiftTaps,
    { B: t([1, 3], B), C: t([1, 3], C), D: t([1], [10]) },
    {},
  );
  let x = B;
  const answers: number[] = [];
  for (let lag = 0; lag < 3; lag++) {
    answers.unshift(x.reduce((sum, value, n) => sum + value * C[n]!, lag === 0 ? 10 : 0));
    x = [0, ...x.slice(0, 2)];
  }
  assert.ok(distance(weight!.data, answers) < 1e-15);
});

Deno.test("shiftTaps() of a unit input are its output matrix reversed", async () => {
  const { weight } = await run(shiftTaps, { B: t([1, 3], [1, 0, 0]), C: t([1, 3], [5, 6, 7]) }, {});
  assert.deepEqual([...weight!.data], [7, 6, 5]);
});

Deno.test("shiftTaps() names the axis that differs", async () => {
  const B = t([2, 3], [1, 2, 3, 4, 5, 6]);
  await assert.rejects(() => run(shiftTaps, { B, C: t([1, 3], [1, 2, 3]) }, {}), {
    axis: "C.feature",
  });
  await assert.rejects(() => run(shiftTaps, { B, C: B, D: t([1], [1]) }, {}), {
    axis: "D.feature",
  });
});
