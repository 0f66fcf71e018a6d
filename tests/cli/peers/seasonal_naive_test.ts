import assert from "node:assert/strict";
import { seasonalNaive } from "../../../src/cli/peers/seasonal_naive.ts";

const QUANTILES = Float64Array.from([0.1, 0.5, 0.9]);

Deno.test("seasonalNaive() repeats the last season and widens by whole seasons ahead", () => {
  // Each season is 2 above the one before: every seasonal difference is 2.
  const context = Float64Array.from([0, 5, 2, 7, 4, 9]);
  const rows = seasonalNaive({ context, season: 2, horizon: 4, quantiles: QUANTILES });
  assert.deepEqual([rows[1], rows[4], rows[7], rows[10]], [4, 9, 4, 9]);
  const half = (lead: number) => rows[lead * 3 + 2]! - rows[lead * 3 + 1]!;
  // 1.2815515655 is the 90 % point of the standard normal law.
  assert.ok(Math.abs(half(0) - 2 * 1.2815515655446004) < 1e-9);
  assert.ok(Math.abs(half(2) / half(0) - Math.SQRT2) < 1e-12);
});

Deno.test("seasonalNaive() takes a context no longer than the season as one without", () => {
  const context = Float64Array.from([1, 2, 4]);
  const rows = seasonalNaive({ context, season: 3, horizon: 2, quantiles: QUANTILES });
  assert.deepEqual([rows[1], rows[4]], [4, 4]);
  const single = seasonalNaive({
    context: Float64Array.of(7),
    season: 1,
    horizon: 1,
    quantiles: QUANTILES,
  });
  assert.deepEqual([...single], [7, 7, 7]);
});
