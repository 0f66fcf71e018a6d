import assert from "node:assert/strict";
import {
  countHidden,
  hideEvent,
  initialHidden,
  revealHidden,
} from "../../../src/detectors/_helpers/hidden_event.ts";

/** What is left of a fault after whose end the values are on these sides. */
function left(sides: readonly number[]): boolean {
  const hidden = initialHidden();
  hideEvent(hidden, { channel: 2, surprise: 5, score: 3 });
  for (const side of sides) countHidden(hidden, side);
  const isShift = revealHidden(hidden);
  assert.equal(hidden.channel, -1);
  return isShift;
}

Deno.test("revealHidden() tells a shift where the values stay on one side, and else none", () => {
  assert.equal(left(Array(40).fill(-1)), true);
  assert.equal(left([...Array(25).fill(1), ...Array(15).fill(0)]), true);
  assert.equal(left([1, ...Array(39).fill(0)]), false);
  assert.equal(left([...Array(20).fill(1), ...Array(20).fill(-1)]), false);
  // Too few to say.
  assert.equal(left([1, 1, 1]), false);
});

Deno.test("hideEvent() goes on with the event of a channel, and begins anew with another's", () => {
  const hidden = initialHidden();
  hideEvent(hidden, { channel: 0, surprise: 5, score: 3 });
  countHidden(hidden, 1);
  hideEvent(hidden, { channel: 0, surprise: 6, score: 4 });
  assert.deepEqual([hidden.surprise, hidden.samples], [5, 1]);
  hideEvent(hidden, { channel: 1, surprise: 6, score: 4 });
  assert.deepEqual([hidden.surprise, hidden.samples, hidden.above], [6, 0, 0]);
});
