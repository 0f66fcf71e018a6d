import assert from "node:assert/strict";
import { powerAt, powerTable } from "../../src/models/power_table.ts";

Deno.test("powerAt() is within 4e-5 of the power it stands for, and rises with x", () => {
  for (const [power, from] of [[0.3, 0.1], [0.35, 0.3]] as const) {
    const table = powerTable(power, from, 4);
    let before = 0;
    for (let x = from; x <= 4; x += 0.00037) {
      const value = powerAt(table, x);
      assert.ok(Math.abs(value / x ** power - 1) < 4e-5, `${x}^${power}`);
      assert.ok(value > before);
      before = value;
    }
  }
});

Deno.test("powerAt() outside of its interval is the power itself", () => {
  const table = powerTable(0.3, 0.1, 4);
  for (const x of [4, 4.5, 1e9, 0.05, Infinity, NaN]) {
    assert.equal(powerAt(table, x), x ** 0.3);
  }
});
