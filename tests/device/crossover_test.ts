import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { costLine, crossoverOf, measureCrossover } from "../../src/device/crossover.ts";

Deno.test("costLine() finds fixed and proportional cost", () => {
  const line = costLine({ work: 100, ms: 3 }, { work: 200, ms: 4 });
  assert.deepEqual(line, { fixedMs: 2, perWorkMs: 0.01 });
  assert.throws(() => costLine({ work: 2, ms: 1 }, { work: 2, ms: 1 }), { field: "large.work" });
});

Deno.test("costLine() cuts negative parts, which only noise makes", () => {
  assert.equal(costLine({ work: 1, ms: 2 }, { work: 2, ms: 1 }).perWorkMs, 0);
  assert.equal(costLine({ work: 1, ms: 0.1 }, { work: 2, ms: 1 }).fixedMs, 0);
});

Deno.test("crossoverOf() gives the crossing, 0 or never", () => {
  const line = (fixedMs: number, perWorkMs: number) => ({ fixedMs, perWorkMs });
  assert.equal(crossoverOf(line(0, 2), line(10, 1)).work, 10);
  assert.equal(crossoverOf(line(5, 2), line(1, 1)).work, 0);
  assert.equal(crossoverOf(line(0, 1), line(1, 2)).work, Infinity);
  assert.equal(crossoverOf(line(0, 1), line(1, 1)).work, Infinity);
});

Deno.test("measureCrossover() finds the size where simulated devices are even", async () => {
  const clock = new ManualClock();
  const run = (work: number) => ({
    work,
    cpu: () => Promise.resolve(clock.advanceMs(0.001 * work)),
    gpu: () => Promise.resolve(clock.advanceMs(2 + 0.0002 * work)),
  });
  const { work } = await measureCrossover(clock, run(1000), run(100_000));
  // 2 ms of fixed cost against 0.0008 ms of gain per unit; the clock keeps nanoseconds.
  assert.ok(Math.abs(work - 2500) < 1);
});
