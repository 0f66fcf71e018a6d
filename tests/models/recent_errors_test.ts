import assert from "node:assert/strict";
import { recentAdd, recentFactor, recentStart } from "../../src/models/recent_errors.ts";

const HORIZON = 12;
const USUAL = 0.9;

function after(roots: readonly number[]) {
  const recent = recentStart();
  roots.forEach((root, slot) => recentAdd(recent, slot, root, HORIZON));
  return recent;
}

Deno.test("recentFactor() is 1 without errors and where they are as usual", () => {
  assert.equal(recentFactor(recentStart(), 5, HORIZON, USUAL), 1);
  const usual = after(new Array(50).fill(USUAL));
  assert.ok(Math.abs(recentFactor(usual, 49, HORIZON, USUAL) - 1) < 1e-12);
});

Deno.test("recentFactor() widens for large errors, narrows for small ones, within limits", () => {
  const large = recentFactor(after(new Array(50).fill(2)), 49, HORIZON, USUAL);
  const small = recentFactor(after(new Array(50).fill(0.2)), 49, HORIZON, USUAL);
  assert.ok(large > 1.05 && small < 0.95, `${large} ${small}`);
  const largest = recentFactor(after(new Array(50).fill(4)), 49, HORIZON, USUAL);
  assert.ok(largest > large && largest <= Math.exp(0.4), `${largest}`);
  assert.equal(recentFactor(after(new Array(50).fill(1e6)), 49, HORIZON, USUAL), largest);
  const none = recentFactor(after(new Array(50).fill(0)), 49, HORIZON, USUAL);
  assert.ok(none >= Math.exp(-0.4) && none < small);
});

Deno.test("recentAdd() discounts by the target's slot, in whatever order errors come", () => {
  const roots = [1, 3, 0.5, 2, 1.5];
  const forward = after(roots);
  const backward = recentStart();
  roots.forEach((_, i) => {
    const slot = roots.length - 1 - i;
    recentAdd(backward, slot, roots[slot]!, HORIZON);
  });
  assert.ok(Math.abs(forward.rootSum - backward.rootSum) < 1e-12);
  assert.ok(Math.abs(forward.weight - backward.weight) < 1e-12);
  assert.equal(forward.slot, backward.slot);
});

Deno.test("recentFactor() forgets an outlier of any size within two horizons", () => {
  for (const outlier of [1e6, Infinity, NaN]) {
    const recent = after([...new Array(24).fill(USUAL), outlier]);
    const at = recentFactor(recent, 24, HORIZON, USUAL);
    assert.ok(at > 1 && at < 1.1, `${at}`);
    for (let i = 25; i <= 24 + 2 * HORIZON; i++) recentAdd(recent, i, USUAL, HORIZON);
    assert.ok(Math.abs(recentFactor(recent, 48, HORIZON, USUAL) - 1) < 0.002);
  }
});

Deno.test("recentFactor() forgets over a gap", () => {
  const large = after(new Array(50).fill(5));
  const at = (slot: number) => recentFactor(large, slot, HORIZON, USUAL);
  assert.ok(at(55) < at(49) && at(70) < at(55));
  assert.ok(Math.abs(at(49 + 20 * HORIZON) - 1) < 1e-9);
});
