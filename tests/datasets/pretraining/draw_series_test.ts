import assert from "node:assert/strict";
import {
  type DrawnSeries,
  drawSeries,
  JITTER_MAX,
} from "../../../datasets/pretraining/draw_series.ts";
import { SEASON_MAX } from "../../../datasets/pretraining/hints.ts";
import { DEFAULT_RECIPE, type Recipe } from "../../../datasets/pretraining/recipe.ts";
import { encodePack, parsePack } from "../../../datasets/pretraining/real_pack.ts";

const LENGTH = 256;

/** A pack of one series that nothing synthetic looks like: a ramp of whole numbers. */
const REAL = parsePack(encodePack([{
  name: "ramp/x",
  source: "ramp",
  licence: "MIT",
  seasons: [24, 168],
  cutAt: null,
  values: Float32Array.from({ length: 4_000 }, (_, i) => i),
}]));

const SYNTHETIC: Recipe = { ...DEFAULT_RECIPE, realShare: 0 };

/** Nothing is changed, dropped or mixed. */
const PLAIN: Recipe = {
  ...SYNTHETIC,
  mixShare: 0,
  breakShare: 0,
  faultShare: 0,
  signFlipShare: 0,
  timeFlipShare: 0,
  dropShare: 0,
  gapShare: 0,
  jitterShare: 0,
  hintFoundShare: 0,
  hintDropShare: 0,
  hintWrongShare: 0,
  hintMultipleShare: 0,
  secondDropShare: 0,
  secondFalseShare: 0,
};

function many(recipe: Recipe, count: number, seed = 1): DrawnSeries[] {
  const real = recipe.realShare > 0 ? REAL : null;
  return Array.from({ length: count }, (_, i) => drawSeries(recipe, seed, i, LENGTH, real));
}

/** A share of `count` draws lies within four deviations of what is expected. */
function assertShare(found: number, count: number, expected: number): void {
  const deviation = Math.sqrt(expected * (1 - expected) / count);
  assert.ok(Math.abs(found / count - expected) <= 4 * deviation, `${found} of ${count}`);
}

Deno.test("drawSeries() is a function of recipe, seed and index", () => {
  for (const index of [0, 1, 12_345, 2 ** 40]) {
    const a = drawSeries(DEFAULT_RECIPE, 7, index, LENGTH, REAL);
    assert.deepEqual(a, drawSeries(DEFAULT_RECIPE, 7, index, LENGTH, REAL));
    assert.notDeepEqual(a, drawSeries(DEFAULT_RECIPE, 8, index, LENGTH, REAL));
    assert.notDeepEqual(a, drawSeries(DEFAULT_RECIPE, 7, index + 1, LENGTH, REAL));
  }
  assert.notDeepEqual(
    drawSeries(SYNTHETIC, 1, 2 ** 40, LENGTH),
    drawSeries(SYNTHETIC, 1, 0, LENGTH),
    "the high half of an index counts too",
  );
});

Deno.test("drawSeries() gives known values wherever a sample arrives", () => {
  for (const { values, observed, length, seasons, jitter } of many(DEFAULT_RECIPE, 400)) {
    assert.equal(values.length, LENGTH);
    assert.ok(length >= 10 && length <= LENGTH);
    for (let i = 0; i < LENGTH; i++) {
      if (observed[i] === 1) assert.ok(i < length && Number.isFinite(values[i]!));
      if (i >= length) assert.ok(Number.isNaN(values[i]!));
    }
    for (const season of seasons) assert.ok(season === 0 || season >= 2 && season <= SEASON_MAX);
    if (seasons[1] > 0) assert.ok(seasons[0] > 0);
    jitter?.forEach((offset, i) => {
      assert.ok(Math.abs(offset) <= JITTER_MAX);
      // The value at the sample's own time lies between two that are known.
      if (offset !== 0) assert.ok(Number.isFinite(values[i + (offset > 0 ? 1 : -1)]!));
    });
  }
});

Deno.test("drawSeries() takes a quarter of the windows from real series", () => {
  // The crops of the ramp are the only ones with a straight line throughout.
  const recipe = { ...PLAIN, realShare: 0.25 };
  const straight = many(recipe, 1_000).filter(({ values, length }) => {
    const step = (values[length - 1]! - values[0]!) / (length - 1);
    return values.subarray(0, length).every((x, i) =>
      Math.abs(x - values[0]! - step * i) <= 1e-6 * Math.abs(step) * length
    );
  }).length;
  // A third of the crops is disturbed, 35 %.
  assertShare(straight, 1_000, 0.25 * 0.65);
});

Deno.test("drawSeries() needs real series where the recipe has a share of them", () => {
  assert.throws(() => drawSeries(DEFAULT_RECIPE, 1, 0, LENGTH), /real is "null"/);
  assert.throws(() => drawSeries(SYNTHETIC, 1, 0, 20), /length is "20"/);
});

Deno.test("drawSeries() keeps to the shares of its recipe", () => {
  const count = 1_500;
  const series = many({ ...PLAIN, jitterShare: 0.1, dropShare: 0.25 }, count);
  assertShare(series.filter(({ jitter }) => jitter !== null).length, count, 0.1);
  const dropped = series.filter(({ observed, length }) =>
    observed.subarray(0, length).some((x) => x === 0)
  );
  // A few of the shares that are drawn are too small to hit any sample.
  assert.ok(dropped.length > 0.19 * count && dropped.length < 0.29 * count, `${dropped.length}`);
  for (const { observed, length } of dropped) {
    assert.ok(observed.subarray(0, length).filter((x) => x === 1).length > 0.25 * length);
  }
});

Deno.test("drawSeries() leaves a gap of consecutive slots", () => {
  const series = many({ ...PLAIN, gapShare: 1 }, 100);
  for (const { observed, length } of series) {
    const missing = [...observed.subarray(0, length)].flatMap((x, i) => x === 0 ? [i] : []);
    if (missing.length === 0) continue;
    assert.ok(missing.length <= 61);
    assert.equal(missing.at(-1)! - missing[0]! + 1, missing.length);
  }
});

Deno.test("drawSeries() flips the sign of its share of the series", () => {
  const flipped = many({ ...PLAIN, signFlipShare: 1, generators: { counts: 1 } }, 40);
  for (const { values, length } of flipped) {
    assert.ok(values.subarray(0, length).every((x) => x <= 0));
  }
});

Deno.test("drawSeries() tells the true season unless the recipe spoils it", () => {
  const recipe: Recipe = { ...PLAIN, generators: { traffic: 1 } };
  const told = many(recipe, 300);
  // Traffic runs on a clock of days; each second season is its week.
  assert.ok(told.every(({ seasons }) => seasons[0] >= 6));
  assert.ok(told.every(({ seasons }) => seasons[1] === 7 * seasons[0]));
  const count = 1_500;
  const spoiled = many({ ...recipe, hintDropShare: 0.1, hintWrongShare: 0.03 }, count);
  assertShare(spoiled.filter(({ seasons }) => seasons[0] === 0).length, count, 0.1);
  const half = many({ ...recipe, secondDropShare: 0.3 }, count);
  assertShare(half.filter(({ seasons }) => seasons[1] === 0).length, count, 0.3);
});

Deno.test("drawSeries() tells its share of the windows what the finder finds", () => {
  const recipe: Recipe = { ...PLAIN, generators: { traffic: 1 }, hintFoundShare: 0.4 };
  const count = 1_000;
  const series = Array.from(
    { length: count },
    (_, i) => drawSeries(recipe, 1, i, LENGTH, null, () => [17, 34]),
  );
  assertShare(series.filter(({ seasons }) => seasons[0] === 17).length, count, 0.4);
  assert.ok(many(recipe, 50).every(({ seasons }) => seasons[0] !== 17), "without a finder");
});

Deno.test("drawSeries() mixes standardized series with the shares of their weights", () => {
  const mixed = many({ ...PLAIN, mixShare: 1 }, 60);
  assert.ok(
    mixed.every(({ values, length }) => values.subarray(0, length).some((x) => x !== values[0])),
  );
});
