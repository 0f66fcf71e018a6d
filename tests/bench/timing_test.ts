import assert from "node:assert/strict";
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
