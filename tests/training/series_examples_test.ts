import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import { featureStart, takeLead, takeSample } from "../../src/models/neural/features.ts";
import { LEAD_FEATURES, leadRows, TOKEN_FEATURES } from "../../src/models/neural/shapes.ts";
import {
  drawSeries,
  heldOutSeries,
  SERIES_LEADS,
  SERIES_PICKS,
  SERIES_SAMPLES_MIN,
  type SlotSeries,
  slotSeriesOf,
} from "../../src/training/series_examples.ts";
import type { TuningSeries } from "../../src/training/tuning.ts";

/** A season of 12 slots of 70 s, with gaps and jitter where asked for. */
function seriesOf(length: number, { gaps = 0, jitterS = 0, seed = 1 } = {}): TuningSeries {
  const random = seedRandom(seed);
  const kept = Array.from({ length }, (_, i) => i).filter(() => nextUniform(random) >= gaps);
  return {
    timesS: Float64Array.from(kept, (i) => 70 * i + jitterS * nextUniform(random)),
    values: Float64Array.from(
      kept,
      (i) => 4 * Math.sin(Math.PI * i / 6) + 0.2 * nextNormal(random),
    ),
    seasonsS: [],
  };
}

const only = (series: TuningSeries): SlotSeries => slotSeriesOf([series])[0]!;

Deno.test("slotSeriesOf() finds slots and seasons, and leaves out what is too short", () => {
  const long = seriesOf(400, { gaps: 0.1 });
  const slots = slotSeriesOf([seriesOf(SERIES_SAMPLES_MIN - 1), long]);
  assert.equal(slots.length, 1);
  assert.deepEqual(slots[0]!.us, long.timesS.map((time) => (time - long.timesS[0]!) / 70));
  assert.equal(slots[0]!.seasons[0], 12);
  const declared = only({ ...long, seasonsS: [490] });
  assert.equal(declared.seasons[0], 7);
  assert.throws(
    () => slotSeriesOf([seriesOf(10), seriesOf(20)]),
    (error) => error instanceof InvalidValueError && error.value === "20",
  );
});

for (const options of [{}, { gaps: 0.3 }, { jitterS: 20 }, { gaps: 0.5, jitterS: 10 }]) {
  const name = JSON.stringify(options);
  Deno.test(`rows are what the streaming features say, targets what came later: ${name}`, () => {
    const series = only(seriesOf(300, options));
    const { us, values, seasons, cut } = series;
    const length = 40;
    const batch = drawSeries([series], { length, batch: 3, seed: 7 })(5);
    for (let row = 0; row < 3; row++) {
      // The window is the one whose tokens these are.
      const at = Array.from({ length: cut }, (_, from) => from).find((from) => {
        const state = featureStart(seasons);
        const token = new Float32Array(TOKEN_FEATURES);
        return [0, 1, 2, 3].every((i) => {
          takeSample(state, us[from + i]!, values[from + i]!, token, 0);
          const base = (row * length + i) * TOKEN_FEATURES;
          return token.every((value, k) => value === batch.tokens[base + k]);
        });
      });
      assert.ok(at !== undefined, `row ${row} is of no window`);
      checkPicks(series, batch, row, at, cut);
    }
  });
}

/** Every row of a window against the features and the samples themselves. */
function checkPicks(
  { us, values, seasons }: SlotSeries,
  batch: ReturnType<ReturnType<typeof drawSeries>>,
  row: number,
  from: number,
  end: number,
): void {
  const token = new Float32Array(TOKEN_FEATURES);
  for (let p = 0; p < SERIES_PICKS; p++) {
    const pick = from + batch.picks[row * SERIES_PICKS + p]!;
    const state = featureStart(seasons);
    for (let i = from; i <= pick; i++) takeSample(state, us[i]!, values[i]!, token, 0);
    for (let l = 0; l < SERIES_LEADS; l++) {
      const at = (row * SERIES_PICKS + p) * SERIES_LEADS + l;
      if (batch.weight[at] === 0) continue;
      const later = Array.from({ length: end - pick - 1 }, (_, i) => pick + 1 + i);
      const isRight = later.some((target) => {
        const rows = leadRows(1);
        takeLead(state, us[target]! - us[pick]!, rows, 0);
        const q = Math.fround((values[target]! - values[pick]!) / rows.unit[0]!);
        const base = at * LEAD_FEATURES;
        return q === batch.target[at] &&
          rows.features.every((value, k) => value === batch.features[base + k]);
      });
      assert.ok(isRight, `pick ${pick}, row ${at}: no later sample has this target`);
    }
  }
}

Deno.test("nothing of the held-out part is trained on", () => {
  const clean = seriesOf(200);
  const { cut } = only(clean);
  const values = clean.values.map((value, i) => i >= cut ? 1e6 * (i + 1) : value);
  const spoilt = { ...only({ ...clean, values }), seasons: only(clean).seasons };
  const options = { length: 32, batch: 4, seed: 3 };
  for (let index = 0; index < 20; index++) {
    const [a, b] = [drawSeries([only(clean)], options), drawSeries([spoilt], options)];
    assert.deepEqual(b(index), a(index));
  }
});

Deno.test("evaluations forecast the held-out part alone, from contexts that may lie before", () => {
  const clean = seriesOf(200);
  const { cut, seasons } = only(clean);
  // A target in the part that is trained on would be this far away.
  const values = clean.values.map((value, i) => i < cut - 1 ? value : 7);
  const batches = heldOutSeries([{ ...only({ ...clean, values }), seasons }], {
    ...{ length: 32, batch: 4 },
  });
  assert.ok(batches.length > 1);
  let count = 0;
  for (const { target, weight } of batches) {
    target.forEach((value, i) => assert.ok(weight[i] === 0 || value === 0, String(value)));
    count += weight.reduce((sum, value) => sum + value, 0);
  }
  assert.ok(count > 100, String(count));
});

Deno.test("minibatches are a function of seed and index, and differ by both", () => {
  const series = [only(seriesOf(120)), only(seriesOf(90, { seed: 2 }))];
  const draw = (seed: number, index: number) =>
    drawSeries(series, { length: 32, batch: 2, seed })(index);
  assert.deepEqual(draw(1, 2), draw(1, 2));
  assert.notDeepEqual(draw(1, 2).tokens, draw(1, 3).tokens);
  assert.notDeepEqual(draw(1, 2).tokens, draw(2, 2).tokens);
});

Deno.test("a gap longer than every lead leaves rows that count for nothing", () => {
  const { timesS, values } = seriesOf(100);
  const far = { timesS: timesS.map((time, i) => time + 1e6 * i), values, seasonsS: [] };
  // A slot is then a million seconds, and nothing else changes: gaps count in slots.
  const even = drawSeries([only(far)], { length: 32, batch: 2, seed: 1 })(0);
  assert.ok(even.weight.some((value) => value === 1));
  const us = only(seriesOf(100)).us.map((u, i) => u + (i >= 40 ? 1_000 : 0));
  const torn = { ...only(seriesOf(100)), us };
  const batch = drawSeries([torn], { length: 8, batch: 64, seed: 1 })(0);
  assert.ok(batch.target.every(Number.isFinite));
  assert.ok(batch.weight.some((value) => value === 0));
});
