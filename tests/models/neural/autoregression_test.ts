import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  AR_NUMBERS,
  ArPath,
  breakRow,
  follow,
  isKnown,
  newestOf,
  persistence,
  solve,
} from "../../../src/models/neural/autoregression.ts";

const AT = 3;
const fresh = () => new Float64Array(AT + AR_NUMBERS);

Deno.test("solve() finds the coefficients of a long row", () => {
  const numbers = fresh();
  const random = seedRandom(5);
  let [y, before] = [0, 0];
  for (let i = 0; i < 4000; i++) {
    const next = 1.2 * y - 0.5 * before + nextNormal(random);
    [y, before] = [next, y];
    follow(numbers, AT, 1, Math.exp(-1 / 2000), y, y);
  }
  solve(numbers, AT, 2);
  assert.ok(Math.abs(persistence(numbers, AT) - 0.7) < 0.04);
  const one = new ArPath(numbers, AT, false).expected(1);
  assert.ok(Math.abs(one - (1.2 * y - 0.5 * before)) < 0.1 * (Math.abs(y) + Math.abs(before)));
  assert.equal(newestOf(numbers, AT), y);
  assert.ok(numbers.subarray(0, AT).every((number) => number === 0));
});

Deno.test("ArPath sums up, lies on a line between slots, and stays beyond 96", () => {
  const numbers = fresh();
  for (const y of [3, 1, 2, 2, 1, 3, 1, 2]) follow(numbers, AT, 1, 0.99, y, y);
  solve(numbers, AT, 1);
  const [values, sums] = [new ArPath(numbers, AT, false), new ArPath(numbers, AT, true)];
  const at = (lead: number, summed = false) => (summed ? sums : values).expected(lead);
  assert.equal(at(0), 2);
  assert.equal(at(0, true), 0);
  assert.ok(Math.abs(at(3, true) - at(1) - at(2) - at(3)) < 1e-12);
  assert.ok(Math.abs(at(2.25) - (0.75 * at(2) + 0.25 * at(3))) < 1e-12);
  assert.ok(Math.abs(at(2.25, true) - at(1) - at(2) - 0.25 * at(3)) < 1e-12);
  assert.equal(at(1e9, true), at(96, true));
});

Deno.test("follow() learns from three values in a row, each a slot apart", () => {
  const numbers = fresh();
  for (const elapsed of [1, 1, 4, 1, 0.2, 1]) {
    follow(numbers, AT, elapsed, 1, 1, 0.5);
    assert.ok(!isKnown(numbers, AT));
  }
  follow(numbers, AT, 1, 1, 1, 0.5);
  assert.ok(isKnown(numbers, AT));
  breakRow(numbers, AT);
  assert.ok(!isKnown(numbers, AT));
  follow(numbers, AT, 1, 1, 1, 0.5);
  assert.ok(isKnown(numbers, AT), "what was learnt is kept");
});

Deno.test("solve() says nothing of what hardly varies, and never lets a forecast grow", () => {
  const flat = fresh();
  for (let i = 0; i < 50; i++) follow(flat, AT, 1, 1, 1e-6 * (-1) ** i, 0);
  solve(flat, AT, 1);
  assert.ok(Math.abs(persistence(flat, AT)) < 1e-6);
  const growing = fresh();
  for (let i = 0; i < 50; i++) follow(growing, AT, 1, 1, 1.3 ** i, 0);
  solve(growing, AT, 1);
  assert.ok(persistence(growing, AT) < 1);
  assert.ok(new ArPath(growing, AT, false).expected(96) <= newestOf(growing, AT));
});
