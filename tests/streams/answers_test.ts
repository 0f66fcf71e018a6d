import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { Model } from "../../src/models/model.ts";
import { modelNamed } from "../../src/models/mod.ts";
import {
  channelAnswers,
  checkDraws,
  DRAW_COUNT,
  DRAW_TIMES_MAX,
  type DrawRequest,
  PATH_VALUES_MAX,
  PATHS_MAX,
  roundInto,
  THRESHOLDS_MAX,
} from "../../src/streams/answers.ts";

const NOTHING: DrawRequest = { paths: 0, seed: 0, aggregates: [], thresholds: [] };
const QUANTILES = Float64Array.of(0.1, 0.5, 0.9);
const HORIZON = 24;

/** Hourly samples of a walk, and its model at their end. */
function walkState(length: number, seed: number) {
  const random = seedRandom(seed);
  let level = 20;
  const values = Float64Array.from({ length }, () => level += nextNormal(random));
  const times = values.map((_, i) => i * 3600);
  const model = modelNamed("structural") as unknown as Model;
  const config = {
    ...{ epochNs: 0n, horizon: HORIZON, lower: null, upper: null, seed: 1, seasonsS: [] },
  };
  const state = modelNamed("structural").stateOfContext(config, times, values);
  const timesS = Float64Array.from({ length: HORIZON }, (_, l) => (length + l) * 3600);
  return { model, state, timesS, last: values.at(-1)! };
}

function ask(given: ReturnType<typeof walkState>, draws: Partial<DrawRequest>, round = false) {
  return channelAnswers(given.model, given.state, {
    timesS: given.timesS,
    quantiles: QUANTILES,
    draws: { ...NOTHING, ...draws },
    round: round ? (values) => roundInto(values, {}) : null,
  });
}

Deno.test("channelAnswers() gives paths whose quantiles at each time are the forecast's", () => {
  const given = walkState(400, 1);
  const { paths } = ask(given, { paths: DRAW_COUNT, seed: 4 });
  assert.equal(paths.length, DRAW_COUNT * HORIZON);
  const rows = given.model.forecast(given.state, given.timesS, QUANTILES);
  for (let t = 0; t < HORIZON; t++) {
    const column = Float64Array.from({ length: DRAW_COUNT }, (_, p) => paths[p * HORIZON + t]!);
    column.sort();
    QUANTILES.forEach((quantile, q) => {
      const near = column.subarray(quantile * DRAW_COUNT - 2, quantile * DRAW_COUNT + 2);
      const exact = rows[t * 3 + q]!;
      assert.ok(near[0]! <= exact && exact <= near.at(-1)!, `${t} ${quantile}`);
    });
  }
  assert.deepEqual(ask(given, { paths: 3, seed: 4 }).paths, paths.subarray(0, 3 * HORIZON));
  assert.notDeepEqual(ask(given, { paths: 3, seed: 5 }).paths, paths.subarray(0, 3 * HORIZON));
});

Deno.test("channelAnswers() gives a walk's total the variance of a walk's sum", () => {
  const ratios = Array.from({ length: 6 }, (_, seed) => {
    const { paths, aggregates } = ask(walkState(700, seed + 10), {
      paths: DRAW_COUNT,
      aggregates: ["total"],
    });
    const variance = (valueOf: (path: number) => number) => {
      const values = Array.from({ length: DRAW_COUNT }, (_, path) => valueOf(path));
      const mean = values.reduce((sum, value) => sum + value / DRAW_COUNT, 0);
      return values.reduce((sum, value) => sum + (value - mean) ** 2 / DRAW_COUNT, 0);
    };
    const deviations = Array.from(
      { length: HORIZON },
      (_, t) => Math.sqrt(variance((path) => paths[path * HORIZON + t]!)),
    );
    let expected = 0;
    for (let a = 0; a < HORIZON; a++) {
      for (let b = 0; b < HORIZON; b++) {
        const correlation = Math.sqrt((Math.min(a, b) + 1) / (Math.max(a, b) + 1));
        expected += deviations[a]! * deviations[b]! * correlation;
      }
    }
    const total = variance((path) =>
      paths.subarray(path * HORIZON, (path + 1) * HORIZON).reduce((sum, value) => sum + value, 0)
    );
    const [{ count, quantiles }] = aggregates as [typeof aggregates[0]];
    assert.equal(count, HORIZON);
    assert.ok(quantiles[0]! < quantiles[1]! && quantiles[1]! < quantiles[2]!);
    return total / expected;
  });
  const mean = ratios.reduce((sum, ratio) => sum + ratio / ratios.length, 0);
  assert.ok(mean > 0.9 && mean < 1.1, `${ratios}`);
});

Deno.test("channelAnswers() puts windows together, the last one shorter", () => {
  const given = walkState(300, 2);
  const { paths, aggregates } = ask(given, {
    paths: DRAW_COUNT,
    aggregates: ["max", "min", "mean", "total"],
    window: 10,
  });
  assert.deepEqual(
    aggregates.slice(0, 3).map(({ aggregate, from, count }) => [aggregate, from, count]),
    [["max", 0, 10], ["max", 10, 10], ["max", 20, 4]],
  );
  let sum = 0;
  for (let p = 0; p < DRAW_COUNT; p++) {
    sum += Math.max(...paths.subarray(p * HORIZON + 20, (p + 1) * HORIZON));
  }
  assert.ok(Math.abs(aggregates[2]!.mean - sum / DRAW_COUNT) < 1e-9);
  const [mean, total] = [aggregates[8]!, aggregates[11]!];
  assert.ok(Math.abs(total.mean - 4 * mean.mean) < 1e-9);
  // The extremes of a window bracket each of its values.
  assert.ok(aggregates[0]!.mean > aggregates[6]!.mean && aggregates[6]!.mean > aggregates[3]!.mean);
});

Deno.test("channelAnswers() knows that a constant stream is not beyond its own value", () => {
  const model = modelNamed("committee");
  for (const constant of [5, 0, -0.1]) {
    const state = model.initialState({
      ...{ epochNs: 0n, horizon: HORIZON, lower: null, upper: null, seed: 1, seasonsS: [] },
    });
    const times = Float64Array.from({ length: 60 + HORIZON }, (_, i) => i * 3600);
    model.absorb(state, times.subarray(0, 60), new Float64Array(60).fill(constant));
    for (const direction of ["up", "down"] as const) {
      const { thresholds, aggregates } = channelAnswers(model as unknown as Model, state, {
        timesS: times.subarray(60),
        quantiles: QUANTILES,
        draws: { ...NOTHING, thresholds: [constant], direction, aggregates: ["max", "min"] },
        round: null,
      });
      const [{ beyond, crossed }] = thresholds as [typeof thresholds[0]];
      assert.ok(beyond.every((share) => share === 0), `${constant} ${direction} ${beyond}`);
      assert.ok(crossed.every((share) => share === 0), `${constant} ${direction} ${crossed}`);
      for (const { quantiles } of aggregates) {
        assert.ok(quantiles.every((value) => value === constant), `${quantiles}`);
      }
    }
  }
});

Deno.test("channelAnswers() tells when a walk first crosses a threshold", () => {
  const seeds = [3, 4, 5, 6, 7, 8, 9, 10];
  let ratio = 0;
  for (const seed of seeds) {
    const given = walkState(700, seed);
    const { last } = given;
    const { thresholds } = ask(given, { thresholds: [last + 3, last - 3, last + 1000] });
    const [above, below, never] = thresholds as [
      typeof thresholds[0],
      typeof thresholds[0],
      typeof thresholds[0],
    ];
    for (const { beyond, crossed, direction } of [above, below]) {
      assert.equal(direction, crossed === above.crossed ? "up" : "down");
      for (let t = 0; t < HORIZON; t++) {
        // Who is beyond it now has crossed it by now; draws know it to a thousandth or two.
        assert.ok(crossed[t]! >= beyond[t]! - 0.004, `${t}`);
        if (t > 0) assert.ok(crossed[t]! >= crossed[t - 1]!);
      }
      ratio += crossed.at(-1)! / beyond.at(-1)! / (2 * seeds.length);
    }
    assert.ok(never.crossed.every((share) => share === 0));
    const [down] = ask(given, { thresholds: [last + 1000], direction: "down" }).thresholds;
    assert.ok(down!.crossed.every((share) => share === 1));
  }
  // By the reflection principle a walk has crossed by now twice as often as it is beyond now; on
  // the grid the threshold lies 0.58 steps further: 0.47 over 0.27 for 3 deviations of 24 steps.
  assert.ok(ratio > 1.55 && ratio < 1.9, `${ratio}`);
});

Deno.test("channelAnswers() of counts are whole numbers", () => {
  const given = walkState(300, 6);
  const { paths, aggregates, thresholds } = ask(
    given,
    { paths: 50, aggregates: ["total"], thresholds: [22, 22.9] },
    true,
  );
  assert.ok(paths.every(Number.isInteger));
  assert.ok(Number.isInteger(aggregates[0]!.quantiles[1]! * 2));
  // Above 22 and above 22.9 are the same whole numbers.
  assert.deepEqual(thresholds[0]!.beyond, thresholds[1]!.beyond);
});

Deno.test("roundInto() rounds inside the bounds", () => {
  const values = Float64Array.of(-0.6, 0.4, 2.6, 9.9);
  roundInto(values, { lower: 0.5, upper: 9.5 });
  assert.deepEqual([...values], [1, 1, 3, 9]);
  const narrow = Float64Array.of(0.4);
  roundInto(narrow, { lower: 0.3, upper: 0.6 });
  assert.deepEqual([...narrow], [0]);
});

Deno.test("checkDraws() refuses what passes a limit, and names it", () => {
  checkDraws({ ...NOTHING, paths: PATHS_MAX }, PATH_VALUES_MAX / PATHS_MAX, 1);
  const limits: [Partial<DrawRequest>, number, string][] = [
    [{ paths: PATHS_MAX + 1 }, 1, "PATHS_MAX"],
    [{ paths: PATHS_MAX }, PATH_VALUES_MAX / PATHS_MAX + 1, "PATH_VALUES_MAX"],
    [{ aggregates: ["total"] }, DRAW_TIMES_MAX + 1, "DRAW_TIMES_MAX"],
    [{ thresholds: Array(THRESHOLDS_MAX + 1).fill(1) }, 1, "THRESHOLDS_MAX"],
  ];
  for (const [change, times, name] of limits) {
    assert.throws(
      () => checkDraws({ ...NOTHING, ...change }, times, 1),
      (error: unknown) => error instanceof LimitError && error.limitName === name,
    );
  }
  const wrong: Partial<DrawRequest>[] = [
    { paths: 1.5 },
    { aggregates: ["total"], window: 0 },
    { aggregates: ["total"], window: 2 },
    { thresholds: [NaN] },
  ];
  for (const change of wrong) {
    assert.throws(() => checkDraws({ ...NOTHING, ...change }, 1, 1), InvalidValueError);
  }
});

/** Kinds of series whose future is known but for chance: AR(1) processes, under a season or not. */
const CLEAN: readonly { memory: number; season: number }[] = [
  { memory: 0, season: 0 },
  { memory: 0.7, season: 0 },
  { memory: 1, season: 0 },
  { memory: 0, season: 12 },
];

/** Series of a kind, their samples, and continuations of each. */
const SERIES = 12;
const SAMPLES = 300;
const CONTINUATIONS = 200;
const TOLD = Float64Array.of(0.025, 0.1, 0.5, 0.9, 0.975);

/** Share of continuations that lie under each told quantile, lead by lead and in their maximum. */
function sharesUnder(memory: number, season: number) {
  const model = modelNamed("committee");
  const under = { lead: new Float64Array(TOLD.length), highest: new Float64Array(TOLD.length) };
  const wave = (t: number) => season > 0 ? 2 * Math.sin(2 * Math.PI * t / season) : 0;
  for (let seed = 1; seed <= SERIES; seed++) {
    const random = seedRandom(seed);
    let last = 0;
    const values = Float64Array.from({ length: SAMPLES }, (_, t) => {
      last = memory * last + nextNormal(random);
      return last + wave(t);
    });
    const config = { epochNs: 0n, horizon: HORIZON, lower: null, upper: null, seed, seasonsS: [] };
    const state = model.stateOfContext(config, values.map((_, t) => t * 3600), values);
    const timesS = Float64Array.from({ length: HORIZON }, (_, l) => (SAMPLES + l) * 3600);
    const rows = model.forecast(state, timesS, TOLD);
    const { aggregates: [highest] } = channelAnswers(model as unknown as Model, state, {
      ...{ timesS, quantiles: TOLD, round: null, draws: { ...NOTHING, aggregates: ["max"] } },
    });
    for (let run = 0; run < CONTINUATIONS; run++) {
      const share = 1 / (SERIES * CONTINUATIONS);
      let [now, most] = [last, -Infinity];
      for (let l = 0; l < HORIZON; l++) {
        now = memory * now + nextNormal(random);
        const value = now + wave(SAMPLES + l);
        most = Math.max(most, value);
        TOLD.forEach((_, q) => {
          under.lead[q]! += Number(value <= rows[l * TOLD.length + q]!) * share / HORIZON;
        });
      }
      TOLD.forEach((_, q) => under.highest[q]! += Number(most <= highest!.quantiles[q]!) * share);
    }
  }
  return under;
}

Deno.test("channelAnswers() says of series that keep still what comes true, a little wide", () => {
  const lead = new Float64Array(TOLD.length);
  const highest = new Float64Array(TOLD.length);
  for (const { memory, season } of CLEAN) {
    const under = sharesUnder(memory, season);
    TOLD.forEach((_, q) => {
      lead[q]! += under.lead[q]! / CLEAN.length;
      highest[q]! += under.highest[q]! / CLEAN.length;
    });
  }
  const shown = `${lead.map((x) => +x.toFixed(4))}; ${highest.map((x) => +x.toFixed(4))}`;
  // Most real series move more than they have; fans are set for those, and live correction draws
  // them in. A shape of half Gauss and half Laplace, whatever the errors, has .008, .992 and .741.
  const [low, below, middle, above, high] = lead;
  assert.ok(low! > 0.01 && low! < 0.03 && high! > 0.97 && high! < 0.99, shown);
  assert.ok(below! > 0.07 && below! < 0.115 && above! > 0.885 && above! < 0.93, shown);
  assert.ok(Math.abs(middle! - 0.5) < 0.05, shown);
  // The highest of the day, which a threshold is crossed by: even odds, nine in ten.
  assert.ok(highest[2]! > 0.45 && highest[2]! < 0.72, shown);
  assert.ok(highest[3]! > 0.88 && highest[3]! < 0.985, shown);
});
