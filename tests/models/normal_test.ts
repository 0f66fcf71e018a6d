import assert from "node:assert/strict";
import { normalQuantile } from "../../src/models/normal.ts";

Deno.test("normalQuantile() agrees with published values", () => {
  // Abramowitz and Stegun table 26.5 and the well-known two-sided limits, to all digits there.
  const known: [number, number][] = [
    [0.5, 0],
    [0.9, 1.2815515655446004],
    [0.975, 1.959963984540054],
    [0.995, 2.5758293035489004],
    [0.99999, 4.264890793922602],
    [1e-10, -6.361340902404056],
  ];
  for (const [probability, value] of known) {
    // 1 − p loses digits in the far upper tail, hence 1e-11 and not 1e-15.
    assert.ok(Math.abs(normalQuantile(probability) - value) < 1e-11, `${probability}`);
  }
});

Deno.test("normalQuantile() is odd about one half and increasing", () => {
  let before = -Infinity;
  for (let p = 0.001; p < 1; p += 0.001) {
    const value = normalQuantile(p);
    assert.ok(value > before);
    assert.ok(Math.abs(value + normalQuantile(1 - p)) < 1e-10);
    before = value;
  }
});
