import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import {
  BACKTEST_SAMPLES_MIN,
  checkBacktestLength,
  checkBacktestValues,
  originsOf,
} from "../../src/service/backtest_origins.ts";

Deno.test("originsOf() keeps to the last half and leaves a whole horizon", () => {
  assert.deepEqual(originsOf(100, 10, 3), [50, 70, 90]);
  assert.deepEqual(originsOf(100, 10, 1), [90]);
  assert.deepEqual(originsOf(12, 6, 8), [6]);
  assert.deepEqual(originsOf(5, 10, 3), []);
});

const fault = (field: string, part: RegExp) => (error: unknown) =>
  error instanceof InvalidValueError && error.field === field && part.test(error.message);

Deno.test("checkBacktestLength() names too few samples, and the longest horizon for them", () => {
  for (const length of [0, 1, BACKTEST_SAMPLES_MIN - 1]) {
    assert.throws(() => checkBacktestLength(length, 1), fault("samples", /at least 4/));
  }
  for (let length = BACKTEST_SAMPLES_MIN; length < 20; length++) {
    let longest = 0;
    while (originsOf(length, longest + 1, 8).length > 0) longest++;
    assert.ok(longest >= 1);
    checkBacktestLength(length, longest);
    const wanted = fault("horizon", new RegExp(`at most ${longest}:`));
    assert.throws(() => checkBacktestLength(length, longest + 1), wanted);
  }
});

Deno.test("checkBacktestValues() refuses a channel without a value before or after an origin", () => {
  const check = (...values: number[][]) =>
    checkBacktestValues(
      {
        channels: ["a", "b"].slice(0, values.length),
        values: values.map((column) => Float64Array.from(column)),
      },
      1,
      [2, 3],
    );
  check([1, NaN, 2, NaN]);
  check([NaN, NaN, 1, 2]);
  for (const empty of [[NaN, NaN, NaN, NaN], [1, 2, NaN, NaN], [NaN, NaN, NaN, 2]]) {
    assert.throws(() => check(empty), fault("channels", /"a"/));
    assert.throws(() => check([1, 2, 3, 4], empty), fault("channels", /"b"/));
  }
});
