import assert from "node:assert/strict";
import { FILTER_KINDS } from "../../src/models/members.ts";
import {
  observe,
  predictTo,
  structuralModel,
  structuralStart,
} from "../../src/models/structural.ts";
import { plainWork } from "../../src/models/packed_cov.ts";
import {
  emptyTrace,
  filterThrough,
  fitSeries,
  fitStructural,
  structuralCriterion,
} from "../../src/models/structural_fit.ts";
import {
  observationRowInto,
  type StructuralLayout,
  structuralLayout,
  THETA,
} from "../../src/models/structural_layout.ts";
import { STEADY } from "./_kinds.ts";
import { noise, seasonalWalk } from "./_series.ts";

const DAY = { length: 24, slots: 24 };

/** The covariance of a pass is f32, whose rounding the innovations' variances share. */
const TOLERANCE = 1e-6;

function times(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => i + (i % 4 === 3 ? 0.25 : 0));
}

function startTheta(): Float64Array {
  const theta = new Float64Array(THETA.size);
  theta.set([-1, -2, 0.9, -0.5, -0.5, -3, -5]);
  return theta;
}

/** The one-step criterion by the filter that serves. */
function criterionByFilter(
  layout: StructuralLayout,
  theta: Float64Array,
  us: Float64Array,
  values: Float64Array,
  startLevel: number,
): number {
  const model = structuralModel(layout, theta);
  const state = structuralStart(model, us[0]! - 1, startLevel);
  const work = plainWork(layout.size);
  const innovation = { mean: 0, value: 0, variance: 0 };
  let logs = 0;
  let sizes = 0;
  for (let t = 0; t < us.length; t++) {
    predictTo(model, state, us[t]!);
    observationRowInto(layout, us[t]!, work.row);
    observe(state, work, values[t]!, innovation);
    logs += 0.5 * Math.log(innovation.variance);
    sizes += Math.abs(innovation.value) / Math.sqrt(innovation.variance);
  }
  return logs / us.length + Math.log(sizes / us.length);
}

Deno.test("structuralCriterion() is the filter's own likelihood, run in one pass", () => {
  const layout = structuralLayout(FILTER_KINDS.trend, [DAY]);
  const values = seasonalWalk(120, 4).map((value) => value / 8);
  const us = times(120);
  const expected = criterionByFilter(layout, startTheta(), us, values, 6);
  const series = fitSeries(layout, us, values, 6, 10);
  assert.ok(Math.abs(structuralCriterion(series, startTheta()) - expected) < TOLERANCE);
});

Deno.test("structuralCriterion() is that likelihood where the filter comes to rest, and wakes", () => {
  const layout = structuralLayout(FILTER_KINDS.trend, []);
  const values = noise(3_000, 8);
  // Even steps for long, a gap, half steps, and even ones again.
  let u = 0;
  const us = values.map((_, i) => u += i === 900 ? 37 : i > 1_500 && i < 1_900 ? 0.5 : 1);
  // A steady level: the covariance stands still to the last bit for most of the time.
  const theta = startTheta();
  theta[THETA.level] = -3;
  const expected = criterionByFilter(layout, theta, us, values, 0);
  const series = fitSeries(layout, us, values, 0, 10);
  assert.ok(Math.abs(structuralCriterion(series, theta) - expected) < TOLERANCE);
});

Deno.test("structuralCriterion() of a multi-step kind counts forecasts over the horizon", () => {
  const layout = structuralLayout(FILTER_KINDS.log_far, []);
  let level = 0;
  const walk = noise(100, 2).map((step) => level += step);
  const ramp = walk.map((value, i) => value + i);
  const cost = (values: Float64Array, horizon: number) =>
    structuralCriterion(fitSeries(layout, times(100), values, values[0]!, horizon), startTheta());
  // An undamped ramp is foreseen one step ahead, and missed many steps ahead.
  const gap = (horizon: number) => cost(ramp, horizon) - cost(walk, horizon);
  assert.ok(gap(20) > gap(1));
});

Deno.test("filterThrough() leaves the filter where steps leave it", () => {
  for (const seasons of [[], [DAY]]) {
    const layout = structuralLayout(FILTER_KINDS.log_far, seasons);
    const values = seasonalWalk(150, 4).map((value) => value / 8);
    const us = times(150);
    const stepped = structuralModel(layout, startTheta());
    const state = structuralStart(stepped, us[0]! - 1, 6);
    const work = plainWork(layout.size);
    const innovation = { mean: 0, value: 0, variance: 0 };
    for (let t = 0; t < us.length; t++) {
      predictTo(stepped, state, us[t]!);
      observationRowInto(layout, us[t]!, work.row);
      observe(state, work, values[t]!, innovation);
    }
    const passed = filterThrough(fitSeries(layout, us, values, 6, 10), startTheta());
    assert.equal(passed.u, state.u);
    const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 2e-5, `${a} ${b}`);
    passed.mean.forEach((value, i) => close(value, state.mean[i]!));
    passed.cov.forEach((value, i) => close(value, state.cov[i]!));
    close(passed.scaleSum / passed.scaleWeight, state.scaleSum / state.scaleWeight);
  }
});

Deno.test("fitStructural() tells a wandering level from a steady one", () => {
  const layout = structuralLayout(STEADY, []);
  let level = 0;
  const walk = noise(300, 5).map((step) => level += step);
  const steady = noise(300, 6);
  const levelOf = (values: Float64Array) =>
    fitStructural(fitSeries(layout, times(300), values, 0, 10), null)[THETA.level]!;
  // The observation noise is 1 in the model: a walk without any needs a large level variance.
  assert.ok(levelOf(walk) >= 1, `${levelOf(walk)}`);
  assert.ok(levelOf(steady) <= -3, `${levelOf(steady)}`);
});

Deno.test("fitStructural() never ends worse than where it began", () => {
  const layout = structuralLayout(FILTER_KINDS.trend, [DAY]);
  const values = seasonalWalk(200, 7).map((value) => value / 8);
  const series = fitSeries(layout, times(200), values, 6, 10);
  const cold = fitStructural(series, null);
  const warm = fitStructural(series, startTheta());
  const brief = fitStructural(series, startTheta(), "brief");
  for (const fitted of [cold, warm, brief]) {
    assert.ok(
      structuralCriterion(series, fitted) <= structuralCriterion(series, startTheta()),
    );
  }
});

Deno.test("structuralCriterion() gives up what falls far behind a rival on the way", () => {
  for (const kind of [FILTER_KINDS.trend, FILTER_KINDS.far]) {
    const values = seasonalWalk(200, 7).map((value) => value / 8);
    const series = fitSeries(structuralLayout(kind, [DAY]), times(200), values, 6, 10);
    const poor = startTheta();
    poor[THETA.level] = 3;
    const race = (theta: Float64Array, rival: Float64Array | null, behindMax: number) => {
      const trace = emptyTrace();
      const criterion = structuralCriterion(series, theta, { trace, rival, behindMax });
      return { trace, criterion };
    };
    const best = race(startTheta(), null, 3);
    assert.ok(best.trace.every((value, i) => i === 0 || Number.isFinite(value)));
    const finished = race(poor, best.trace, 1e9);
    const given = race(poor, best.trace, 3);
    assert.ok(finished.criterion > best.criterion && finished.criterion < 1e9);
    assert.equal(given.criterion, 1e30);
    assert.ok(Number.isNaN(given.trace.at(-1)!));
    assert.equal(race(startTheta(), best.trace, 3).criterion, best.criterion);
  }
});
