import assert from "node:assert/strict";
import { drawWindows, evenWindows, WINDOW_FEATURES } from "../../src/training/examples.ts";

const ramp = Float64Array.from({ length: 40 }, (_, i) => i);
const OPTIONS = { context: 6, horizon: 3, batch: 5, seed: 1 };
const part = (from: number, to: number, values = ramp) => ({ values, from, to });

Deno.test("drawWindows() is a function of seed and index", () => {
  const parts = [part(0, 40, ramp.map((value) => value * value))];
  const draw = drawWindows(parts, OPTIONS);
  assert.deepEqual(draw(3), drawWindows(parts, OPTIONS)(3));
  assert.notDeepEqual(draw(3), draw(4));
  assert.notDeepEqual(draw(3), drawWindows(parts, { ...OPTIONS, seed: 2 })(3));
});

Deno.test("a window is centred and scaled by its context", () => {
  const { input, target, weight } = drawWindows([part(0, 40)], OPTIONS)(0);
  assert.deepEqual(input.shape, [5, 6, WINDOW_FEATURES]);
  assert.deepEqual(target.shape, [5, 3]);
  // Six neighbours on a ramp: deviations −2.5 ... 2.5 over √(17.5/6), and on they go.
  const scale = Math.sqrt(17.5 / 6);
  const values = Array.from({ length: 6 }, (_, k) => Math.fround((k - 2.5) / scale));
  for (let row = 0; row < 5; row++) {
    const own = [...input.data.subarray(row * 12, (row + 1) * 12)];
    assert.deepEqual(own.filter((_, i) => i % 2 === 0), values);
    assert.deepEqual(own.filter((_, i) => i % 2 === 1), [1, 1, 1, 1, 1, 1]);
    const ahead = [3.5, 4.5, 5.5].map((value) => Math.fround(value / scale));
    assert.deepEqual([...target.data.subarray(row * 3, (row + 1) * 3)], ahead);
  }
  assert.ok(weight.data.every((value) => value === 1));
});

Deno.test("missing values are marked in the context and weigh nothing in the target", () => {
  const values = Float64Array.of(1, NaN, 3, 1, 3, NaN, NaN, 5);
  const [minibatch] = evenWindows([part(0, 8, values)], {
    ...OPTIONS,
    context: 5,
    horizon: 3,
  }, 1);
  assert.deepEqual([...minibatch!.input.data], [-1, 1, 0, 0, 1, 1, -1, 1, 1, 1]);
  assert.deepEqual([...minibatch!.target.data], [0, 0, 3]);
  assert.deepEqual([...minibatch!.weight.data], [0, 0, 1]);
});

Deno.test("windows stay within their parts, all equally likely", () => {
  const other = Float64Array.from({ length: 40 }, (_, i) => 100 + i * i);
  const seen = new Map<number, number>();
  const draw = drawWindows([part(0, 10), part(20, 32, other), part(0, 8)], {
    ...OPTIONS,
    batch: 600,
  });
  const { input, target } = draw(0);
  for (let row = 0; row < 600; row++) {
    const first = [...input.data.subarray(row * 12, row * 12 + 2), target.data[row * 3]!];
    const key = first[2]!;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  // On the ramp both windows look alike; on the squares each of the four is another.
  const counts = [...seen.values()].sort((a, b) => b - a);
  assert.equal(counts.length, 5);
  assert.ok(counts[0]! > 150 && counts[0]! < 250, `${counts}`);
  assert.ok(counts.slice(1).every((count) => count > 60 && count < 140), `${counts}`);
});

Deno.test("evenWindows() goes from the first window to the last in minibatches", () => {
  const minibatches = evenWindows([part(10, 30)], OPTIONS, 7);
  assert.deepEqual(minibatches.map(({ input }) => input.shape[0]), [5, 2]);
  assert.equal(evenWindows([part(0, 9)], OPTIONS, 7).length, 1);
  // On the squares each window is another: twelve of them, of which 7 are taken.
  const squares = ramp.map((value) => value * value);
  const rows = evenWindows([part(10, 30, squares)], { ...OPTIONS, batch: 7 }, 7)[0]!.target.data;
  [0, 2, 4, 6, 7, 9, 11].forEach((start, row) => {
    const [alone] = evenWindows([part(10 + start, 19 + start, squares)], OPTIONS, 1);
    assert.deepEqual(rows.subarray(3 * row, 3 * row + 3), alone!.target.data, `window ${row}`);
  });
});

Deno.test("series shorter than a window are refused with the length that is needed", () => {
  assert.throws(() => drawWindows([part(0, 8)], OPTIONS), {
    field: "series.length",
    message: /"8", expected at least context \+ horizon, 9/,
  });
});
