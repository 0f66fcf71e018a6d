import assert from "node:assert/strict";
import { packTree } from "../../src/base/tree.ts";
import { openRunner } from "../../src/models/neural/fast_network.ts";
import { networkOf, NEURAL_PRESETS, parseNeural } from "../../src/models/neural/network.ts";
import { LEAD_FEATURES, leadRows, LEVELS } from "../../src/models/neural/shapes.ts";
import { knotRows } from "../../src/models/neural/fast_decoder.ts";
import { decodeWeights } from "../../src/models/neural/weights.ts";
import {
  knownLead,
  MEDIAN,
  NEURAL_LEADS_MAX,
  neuralCatchUp,
  neuralForecast,
  neuralMedianAt,
  neuralMediansAt,
  neuralObserve,
  neuralObserveAll,
  neuralStart,
  openNeural,
  quantileAt,
  takeLeads,
  WAITING_TOKENS_MAX,
} from "../../src/models/neural_track.ts";
import { adaptLearn } from "../../src/models/neural_adapt.ts";
import { seedRandom } from "../../src/base/random.ts";
import { normalQuantile } from "../../src/models/normal.ts";
import { seasonalWalk } from "./_series.ts";
import { drawnNetwork } from "./neural/_network.ts";

const SEASONS = [{ length: 24, slots: 24 }];

function opened(seasons = SEASONS, horizon = 12) {
  const runner = openRunner(decodeWeights(drawnNetwork()));
  const track = neuralStart("test@0", runner, seasons, 4, horizon);
  return openNeural(track, runner, seasons, horizon);
}

Deno.test("neuralObserveAll() is neuralObserve() sample by sample, bit for bit", () => {
  const values = seasonalWalk(90, 3);
  const us = values.map((_, i) => i + (i % 5 === 2 ? 0.25 : 0) + (i > 50 ? 7 : 0));
  const apart = opened();
  const together = opened();
  const stops = new Set([0, 7, 80, 90]);
  const seen: number[] = [];
  neuralObserveAll(together, us, values, stops, (count) => {
    for (let i = seen.at(-1) ?? 0; i < count; i++) neuralObserve(apart, us[i]!, values[i]!);
    neuralCatchUp(apart);
    const { waiting } = together.track;
    assert.deepEqual(packTree(together.track), packTree({ ...apart.track, waiting }));
    seen.push(count);
  });
  assert.deepEqual(seen, [...stops]);
});

Deno.test("neuralObserve() leaves at most a block of samples waiting, and whoever asks no trace", () => {
  const values = seasonalWalk(3 * WAITING_TOKENS_MAX + 5, 6);
  const [asked, quiet] = [opened(), opened()];
  values.forEach((value, i) => {
    for (const run of [asked, quiet]) neuralObserve(run, i, value);
    neuralForecast(asked, i);
    neuralMedianAt(asked, i + 0.5);
    assert.ok(quiet.track.waiting.count < WAITING_TOKENS_MAX);
  });
  assert.equal(quiet.track.waiting.count, 5);
  assert.deepEqual(packTree(asked.track), packTree(quiet.track));
  neuralForecast(quiet, values.length - 1);
  neuralCatchUp(asked);
  neuralForecast(asked, values.length - 1);
  assert.deepEqual(asked.outlook, quiet.outlook);
});

Deno.test("neuralObserve() takes samples of one slot time apart", () => {
  const run = opened();
  neuralObserve(run, 5, 1);
  neuralObserve(run, 5, 2);
  assert.ok(run.track.lastU > 5 && run.track.lastU < 5.1);
  neuralObserve(run, 6, Number.MAX_VALUE);
  neuralCatchUp(run);
  assert.ok(run.track.hidden.every(Number.isFinite));
});

Deno.test("neuralForecast() increases along levels, in units of the values over the scale", () => {
  const run = opened();
  seasonalWalk(60, 4).forEach((value, i) => neuralObserve(run, i, value));
  neuralForecast(run, 59);
  const { quantiles, medians } = run.outlook;
  for (let i = 0; i < quantiles.length; i++) {
    assert.ok(Number.isFinite(quantiles[i]!));
    if (i % LEVELS.length > 0) assert.ok(quantiles[i]! >= quantiles[i - 1]!);
  }
  for (const lead of [0, 5]) {
    assert.equal(neuralMedianAt(run, 60 + lead), quantiles[lead * LEVELS.length + MEDIAN]);
    assert.equal(medians[lead], quantiles[lead * LEVELS.length + MEDIAN]);
  }
});

Deno.test("takeLeads() for a rough decoding leaves out features that it does not read", () => {
  const run = opened(SEASONS, 40);
  seasonalWalk(60, 4).forEach((value, i) => neuralObserve(run, i, value));
  neuralCatchUp(run);
  const { track: { features, hidden }, runner } = run;
  const leads = Array.from({ length: 40 }, (_, i) => i + 1);
  const [whole, rough] = [leadRows(40), leadRows(40)];
  rough.features.fill(NaN);
  takeLeads(features, leads, whole, false);
  takeLeads(features, leads, rough, true);
  const taken = leads.flatMap((_, row) =>
    Number.isNaN(rough.features[row * LEAD_FEATURES]) ? [] : row
  );
  assert.deepEqual(taken, knotRows(40));
  const expected = runner.decodeRoughly(hidden, whole, 40).slice();
  assert.deepEqual(runner.decodeRoughly(hidden, rough, 40), expected);
});

Deno.test("a learned correction moves all quantiles of its leads alike", () => {
  const run = opened();
  seasonalWalk(60, 4).forEach((value, i) => neuralObserve(run, i, value));
  neuralForecast(run, 59);
  const before = run.outlook.quantiles.slice();
  for (let k = 0; k < 400; k++) adaptLearn(run.track.adapt, 0, [0.5, 0, 0, 0, 0, 0], 0, 1, 1);
  neuralForecast(run, 59);
  const moved = run.outlook.quantiles.map((value, i) => value - before[i]!);
  assert.ok(moved[0]! > 0);
  for (let k = 1; k < LEVELS.length; k++) assert.ok(Math.abs(moved[k]! - moved[0]!) < 1e-9);
  assert.equal(moved.at(-1), 0);
  assert.equal(neuralMedianAt(run, 60), run.outlook.quantiles[MEDIAN]);
});

Deno.test("knownLead() takes long leads whole seasons earlier", () => {
  assert.equal(knownLead(NEURAL_LEADS_MAX, 24), NEURAL_LEADS_MAX);
  assert.equal(knownLead(NEURAL_LEADS_MAX + 1, 24), NEURAL_LEADS_MAX - 23);
  assert.equal(knownLead(1000, 24) % 24, 1000 % 24);
  assert.equal(knownLead(1000, 0), NEURAL_LEADS_MAX);
});

Deno.test("knownLead() leaves leads of a season longer than any known one as they are", () => {
  assert.equal(knownLead(1000, 168), 1000);
  assert.equal(knownLead(20, 168), 20);
});

Deno.test("neuralMediansAt() is neuralMedianAt() at each time, beyond the horizon too", () => {
  const run = opened();
  seasonalWalk(90, 4).forEach((value, i) => neuralObserve(run, i, value));
  for (let k = 0; k < 50; k++) adaptLearn(run.track.adapt, 2, [0.5, 0, 0, 0, 0, 0], 0, 1, 1);
  const us = Float64Array.from({ length: 40 }, (_, i) => 90.25 + 7 * i);
  const together = neuralMediansAt(run, us);
  assert.deepEqual(together, us.map((u) => neuralMedianAt(run, u)));
  assert.equal(neuralMediansAt(run, new Float64Array(0)).length, 0);
});

Deno.test("neuralMediansAt() follows a season longer than the leads that networks know", () => {
  const season = 2 * NEURAL_LEADS_MAX + 8;
  const wave = (u: number) => 50 + 20 * Math.sin(2 * Math.PI * u / season);
  const run = opened([{ length: season, slots: season }], NEURAL_LEADS_MAX);
  const end = 3 * season;
  for (let i = 0; i < end; i++) neuralObserve(run, i, wave(i));
  const us = Float64Array.from({ length: season }, (_, i) => end + 1.5 * NEURAL_LEADS_MAX + i);
  const moved = neuralMediansAt(run, us).map((median) => run.track.scale * median);
  const spread = Math.max(...moved) - Math.min(...moved);
  assert.ok(spread > 10, `${spread} of 40, whatever the network makes of it`);
});

Deno.test("quantileAt() of a normal distribution is that distribution, beyond the levels too", () => {
  const quantiles = Float64Array.from(LEVELS, (level) => 3 + 2 * normalQuantile(level));
  for (const level of [0.001, 0.025, 0.17, 0.5, 0.66, 0.975, 0.9999]) {
    const expected = 3 + 2 * normalQuantile(level);
    assert.ok(Math.abs(quantileAt(quantiles, 0, level) - expected) < 1e-9, `${level}`);
  }
});

Deno.test("a channel's neural state stays within 16 KiB, however long the seasons are", () => {
  const config = parseNeural(NEURAL_PRESETS.s5);
  const runner = openRunner({ config, tensors: networkOf(config).init(seedRandom(1)) });
  for (const [first, second] of [[24, 168], [288, 2016], [2500, 0], [5000, 9000], [1, 0]]) {
    const seasons = [first!, second!].map((slots) => ({ length: slots, slots }));
    const track = neuralStart("neural@0123456789abcdef", runner, seasons, 1, 96);
    const run = openNeural(track, runner, seasons, 4);
    const values = seasonalWalk(400, 1);
    neuralObserveAll(run, values.map((_, i) => i), values, new Set(), () => {});
    for (let i = 1; i < WAITING_TOKENS_MAX; i++) neuralObserve(run, values.length + i, i);
    assert.equal(track.waiting.count, WAITING_TOKENS_MAX - 1);
    const bytes = packTree(track).length;
    assert.ok(bytes <= 16 * 1024, `${first}, ${second}: ${bytes}`);
  }
});
