import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { fastestInTurns, median, timingOf } from "../../bench/timing.ts";

Deno.test("median() is the middle value, of an even count the upper", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 3);
});

Deno.test("timingOf() leaves a tenth out on either side of the spread", () => {
  const times = [...Array.from({ length: 18 }, () => 2), 1, 100];
  assert.deepEqual(timingOf(times), { ms: 2, leastMs: 1, spread: 0, repeats: 20 });
  assert.equal(timingOf([1, 2, 4]).spread, 1.5);
});

Deno.test("fastestInTurns() gives each run its turns, the first untimed, for long enough", () => {
  const order: string[] = [];
  const wait = (ms: number) => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };
  const runs = [
    () => wait(order.push("a") === 1 ? 20 : 1),
    () => wait(order.push("b") && 15),
  ];
  const [a, b] = fastestInTurns(runs, { turns: 2, ms: 0 }) as [number, number];
  assert.equal(order.join(""), "ababab");
  assert.ok(a >= 1 && a < 15 && b >= 15);
  order.length = 0;
  fastestInTurns(runs, { turns: 1, ms: 100 });
  assert.ok(order.length >= 6);
});

Deno.test("fastestInTurns() goes on while a run gets faster, up to five times as long", () => {
  const clock = new ManualClock();
  let runs = 0;
  const lateBy = (turns: number) => () => clock.advanceMs(runs++ < turns ? 8 : 1);
  // Timed from the second turn on, at 16 ms, until 60 ms later: the 13th would be at 96.
  assert.deepEqual(fastestInTurns([lateBy(12)], { turns: 1, ms: 60 }, clock), [8]);
  assert.equal(runs, 10);
  runs = 0;
  assert.deepEqual(fastestInTurns([lateBy(6)], { turns: 1, ms: 60 }, clock), [1]);
  assert.equal(runs, 6 + 1 + 60);
  const begun = clock.monotonicMs();
  let next = 30;
  fastestInTurns([() => clock.advanceMs(next *= 0.9)], { turns: 1, ms: 40 }, clock);
  const took = clock.monotonicMs() - begun;
  assert.ok(took >= 200 && took < 210, `${took} ms`);
});
