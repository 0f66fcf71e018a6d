import assert from "node:assert/strict";
import { foundHints, hintsOf, SEASON_MAX } from "../../../datasets/pretraining/hints.ts";
import { DEFAULT_RECIPE } from "../../../datasets/pretraining/recipe.ts";
import { seedRandom } from "../../../src/base/random.ts";

const draft = (count: number, seasons: readonly [number, number]) => ({
  values: Float64Array.from({ length: 100 }, (_, i) => i < count ? 3 * i : NaN),
  count,
  seasons,
});

Deno.test("hintsOf() keeps hints within the history", () => {
  const random = seedRandom(1);
  for (let i = 0; i < 300; i++) {
    for (const season of hintsOf(random, DEFAULT_RECIPE, [1_440, 10_080])) {
      assert.ok(season === 0 || season >= 2 && season <= SEASON_MAX);
    }
  }
});

Deno.test("hintsOf() tells multiples and false second seasons in their shares", () => {
  const random = seedRandom(2);
  const drawn = Array.from({ length: 2_000 }, () => hintsOf(random, DEFAULT_RECIPE, [24, 0]));
  const multiple = drawn.filter(([first]) => first === 48 || first === 72).length;
  assert.ok(multiple > 45 && multiple < 125, `${multiple}`);
  const second = drawn.filter(([, long]) => long > 0).length;
  assert.ok(second > 420 && second < 580, `${second}`);
});

Deno.test("foundHints() shows the finder the beginning, gaps filled, with the calendar's period", () => {
  const observed = new Uint8Array(100).fill(1);
  observed.fill(0, 5, 9);
  const shown: number[] = [];
  for (let seed = 0; seed < 40; seed++) {
    const hints = foundHints(
      seedRandom(seed),
      draft(80, [24, 168]),
      observed,
      (values, periodS) => {
        assert.equal(periodS, 3_600);
        values.forEach((x, i) => assert.ok(Math.abs(x - 3 * i) < 1e-12));
        shown.push(values.length);
        return [24, 5_000];
      },
    );
    assert.deepEqual(hints, [24, 0], "a season beyond the history is none");
  }
  assert.ok(Math.min(...shown) >= 20 && Math.max(...shown) <= 80);
  assert.ok(Math.max(...shown) - Math.min(...shown) > 30);
});

Deno.test("foundHints() knows weeks, months and quarters by their seasons", () => {
  const observed = new Uint8Array(100).fill(1);
  const days = [[52.18, 7], [12, 365.25 / 12], [4, 365.25 / 4], [7, 1], [365.25, 1]] as const;
  for (const [season, expected] of days) {
    foundHints(seedRandom(1), draft(80, [season, 0]), observed, (_, periodS) => {
      assert.ok(Math.abs(periodS / 86_400 - expected) < 1e-9, `${season}`);
      return [0, 0];
    });
  }
});

Deno.test("foundHints() asks no finder about a dozen samples", () => {
  const observed = new Uint8Array(100);
  observed.fill(1, 0, 8);
  const hints = foundHints(seedRandom(1), draft(80, [24, 0]), observed, () => [24, 0]);
  assert.deepEqual(hints, [0, 0]);
});
