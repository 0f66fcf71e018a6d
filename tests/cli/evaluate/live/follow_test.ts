import assert from "node:assert/strict";
import { ageOf, follow, neededFactor } from "../../../../src/cli/evaluate/live/follow.ts";
import { AGES, type LiveStream } from "../../../../src/cli/evaluate/live/stream.ts";
import { SCORED_QUANTILES } from "../../../../src/cli/evaluate/score.ts";
import type { Model } from "../../../../src/models/model.ts";
import { nextNormal, seedRandom } from "../../../../src/base/random.ts";
import { MODELS } from "../../../../src/models/mod.ts";

const WIDTH = SCORED_QUANTILES.length;

/** A model that forecasts 0 with quantiles of its own choice, and notes what it was fed. */
function fixedModel(row: readonly number[]): Model & { readonly fed: number[][] } {
  const fed: number[][] = [];
  return {
    name: "fixed/1",
    stateBytesMax: 0,
    fed,
    initialState: () => ({}),
    absorb: (_state, timesS) => void fed.push([...timesS]),
    forecast: (_state, timesS) =>
      Float64Array.from({ length: timesS.length * WIDTH }, (_, i) => {
        return row[i % WIDTH]!;
      }),
    draws: () => new Float64Array(0),
    components: () => null,
    newestTimes: () => new Float64Array(0),
    summary: () => ({ periodS: null, seasonsS: [], coverage: [], weights: {} }),
  };
}

function stream(values: readonly number[], horizon: number): LiveStream {
  return {
    name: "s",
    group: "g",
    isReal: false,
    periodS: 2,
    horizon,
    values: Float64Array.from(values),
    ideal: null,
  };
}

Deno.test("ageOf() is the age whose first count was reached", () => {
  assert.deepEqual([8, 31, 32, 511, 2048, 10_000].map(ageOf), [0, 0, 1, 2, 4, 4]);
});

Deno.test("neededFactor() puts its share of the targets inside", () => {
  const positions = Array.from({ length: 100 }, (_, i) => (i * 37 % 100) / 50);
  const factor = neededFactor(positions, 0.8);
  assert.equal(positions.filter((position) => position <= factor).length, 81);
  assert.equal(neededFactor([1], 0.8), 1);
  assert.ok(Number.isNaN(neededFactor([], 0.8)));
});

Deno.test("follow() feeds every sample once, in order, and judges what comes after", () => {
  const row = [-2, -1, -0.8, -0.5, -0.2, 0, 0.2, 0.5, 0.8, 1, 2];
  const model = fixedModel(row);
  // Missing values, and after sample 8 in turns inside both, inside one, outside.
  const values = [...Array(8).fill(0), ...[0.5, 1.5, NaN, 3, -0.5, -1.5, -3, 0]];
  const { cells, samples, needed, loss, width } = follow(model, stream(values, 8));
  assert.deepEqual(model.fed.flat(), values.map((_, i) => 2 * i));
  assert.equal(samples, 15);
  assert.equal(width, null);
  // From sample 8 on: eight leads, one missing; from 12 on: the last four.
  const sum = (key: "count" | "inside80" | "inside95") =>
    cells.flat().reduce((total, cell) => total + cell[key], 0);
  assert.equal(sum("count"), 7 + 4);
  assert.equal(sum("inside80"), 3 + 2);
  assert.equal(sum("inside95"), 5 + 3);
  assert.equal(cells[0]!.flat().reduce((total, { count }) => total + count, 0), 11);
  assert.equal(cells.length, AGES.length);
  assert.equal(needed, 3);
  assert.ok(loss > 0 && Number.isFinite(loss));
});

Deno.test("follow() finds the fans of white noise as wide as they should be", () => {
  const random = seedRandom(3);
  const noise = Array.from({ length: 1500 }, () => nextNormal(random));
  const followed = follow(MODELS["mean"]! as Model, {
    ...stream(noise, 12),
    ideal: new Float64Array(12).fill(1),
  });
  assert.ok(Math.abs(followed.width! - 1) < 0.1, `${followed.width}`);
  assert.ok(Math.abs(followed.needed - 1) < 0.1, `${followed.needed}`);
});
