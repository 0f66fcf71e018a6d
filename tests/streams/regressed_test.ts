import assert from "node:assert/strict";
import { InvalidValueError, LimitError, NotFoundError } from "../../src/base/errors.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { holidaysOf } from "../../src/signal/holidays.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { DEFAULT_SETTINGS } from "../../src/stores/store.ts";
import type { ProcessorConfig } from "../../src/streams/processor.ts";
import { StreamProcessor } from "../../src/streams/processor.ts";
import {
  COVARIATES_MAX,
  REGRESSED_CHANNELS_MAX,
  regressedForecast,
} from "../../src/streams/regressed.ts";
import type { RegressorRequest } from "../../src/streams/engine.ts";
import { loadSeries } from "./_load.ts";
import { lastValue } from "./_parts.ts";

const HOUR_NS = 3_600_000_000_000n;
const LENGTH = 400;
const HORIZON = 12;

const config: ProcessorConfig = {
  streamId: "s",
  settings: { ...DEFAULT_SETTINGS, horizon: HORIZON, detect: false },
  model: modelNamed("structural") as unknown as ProcessorConfig["model"],
  detector: null,
};

const series = (length: number): Segment => loadSeries(length, 1);

const whole = series(LENGTH + HORIZON);
const past: Segment = {
  ...whole,
  timestampsNs: whole.timestampsNs.slice(0, LENGTH),
  values: whole.values.map((column) => column.slice(0, LENGTH)),
};
const truth = whole.values[0]!.subarray(LENGTH);
const known = whole.values[1]!.slice(LENGTH);

const MEDIAN = Float64Array.of(0.5);

function ask(regressors: Partial<RegressorRequest>, more = {}) {
  return regressedForecast(config, past, {
    ...{ horizon: HORIZON, quantiles: MEDIAN, ...more },
    regressors: { covariates: {}, calendar: null, ...regressors },
  });
}

function errorOf(values: Float64Array): number {
  return truth.reduce((sum, value, t) => sum + Math.abs(value - values[t]!) / HORIZON, 0);
}

Deno.test("regressedForecast() uses a known future, and says how much", () => {
  const plain = new StreamProcessor(config);
  plain.absorbContext({ ...past, channels: ["load"], values: [past.values[0]!] });
  const without = errorOf(plain.forecast({ horizon: HORIZON, quantiles: MEDIAN }).values.load!);
  const { values, regression, timesNs } = ask({ covariates: { temperature: known } });
  assert.deepEqual(Object.keys(values), ["load"]);
  assert.equal(timesNs.length, HORIZON);
  assert.ok(regression!.load!.share > 0.9);
  assert.ok(errorOf(values.load!) < 0.5 * without, `${errorOf(values.load!)} ${without}`);
});

Deno.test("regressedForecast() takes a covariate's own forecast where its future is not known", () => {
  const { values, regression } = ask({ covariates: { temperature: null } });
  // One hour is known all the same: the load follows the temperature an hour later.
  assert.ok(Math.abs(regression!.load!.effect[0]! - 4 * past.values[1]!.at(-1)!) < 4);
  assert.ok(values.load!.every(Number.isFinite));
});

Deno.test("regressedForecast() finds at which delay a covariate counts", () => {
  const random = seedRandom(7);
  let level = 0;
  const x = Float64Array.from(
    { length: LENGTH + HORIZON },
    () => level = 0.8 * level + nextNormal(random),
  );
  const y = x.map((_, i) => 50 + 3 * (i >= HORIZON ? x[i - HORIZON]! : 0) + nextNormal(random));
  const segment: Segment = {
    ...past,
    channels: ["river", "rain"],
    values: [y.slice(0, LENGTH), x.slice(0, LENGTH)],
  };
  const { values, regression } = regressedForecast(config, segment, {
    ...{ horizon: HORIZON, quantiles: MEDIAN },
    regressors: { covariates: { rain: null }, calendar: null },
  });
  assert.ok(regression!.river!.share > 0.9, `${regression!.river!.share}`);
  // Noise of 1 is missed by 0.8 on average; the river's own past leaves 3 times an AR(1) of 1.7.
  const missed = values.river!.reduce(
    (sum, value, l) => sum + Math.abs(value - y[LENGTH + l]!) / HORIZON,
    0,
  );
  assert.ok(missed < 1.3, `${missed}`);
});

Deno.test("regressedForecast() answers another future of the same past without a fit, alike", () => {
  const own = modelNamed("structural");
  let fits = 0;
  const model = {
    ...own,
    name: "counted",
    stateOfContext: (...given: Parameters<typeof own.stateOfContext>) => {
      fits++;
      return own.stateOfContext(...given);
    },
  } as unknown as ProcessorConfig["model"];
  const about = (temperature: Float64Array, samples = past) =>
    regressedForecast({ ...config, model }, samples, {
      ...{ horizon: HORIZON, quantiles: MEDIAN },
      regressors: { covariates: { temperature }, calendar: null },
    }).values.load!;
  const first = about(known);
  // The channel as it is, and what the temperature leaves of it.
  assert.equal(fits, 2);
  const warmer = about(known.map((value) => value + 1));
  assert.equal(fits, 2);
  assert.ok(warmer[5]! > first[5]! + 2);
  assert.deepEqual(about(known), first);
  assert.deepEqual(first, ask({ covariates: { temperature: known } }).values.load);
  const { timestampsNs, values } = past;
  about(known, {
    ...past,
    timestampsNs: timestampsNs.subarray(1),
    values: values.map((column) => column.subarray(1)),
  });
  assert.equal(fits, 4);
});

Deno.test("regressedForecast() draws from the forecast with its effect", () => {
  const draws = { paths: 20, seed: 1, aggregates: ["mean" as const], thresholds: [] };
  const { answers, values } = ask({ covariates: { temperature: known } }, { draws });
  const middle = values.load!.reduce((sum, value) => sum + value / HORIZON, 0);
  assert.ok(Math.abs(answers!.load!.aggregates[0]!.mean - middle) < 1.5);
  assert.equal(answers!.load!.paths.length, 20 * HORIZON);
});

Deno.test("regressedForecast() leaves out a channel without a value, and forecasts the others", () => {
  const silent = new Float64Array(LENGTH).fill(NaN);
  const beside = {
    ...past,
    channels: [...past.channels, "dead"],
    values: [...past.values, silent],
  };
  const request = {
    ...{ horizon: HORIZON, quantiles: MEDIAN },
    regressors: { covariates: { temperature: known }, calendar: null },
  };
  const { values } = regressedForecast(config, beside, request);
  assert.deepEqual(values, ask({ covariates: { temperature: known } }).values);
  const dead = { ...past, values: [silent, past.values[1]!] };
  assert.throws(
    () => regressedForecast(config, dead, request),
    (error: unknown) => error instanceof InvalidValueError && /with a value/.test(error.message),
  );
  assert.throws(
    () => regressedForecast(config, beside, { ...request, channels: ["dead"] }),
    (error: unknown) => error instanceof InvalidValueError && error.field === "channel",
  );
});

Deno.test("regressedForecast() does no harm with a calendar that says nothing", () => {
  const { values, regression } = ask({ calendar: { country: "DE", utcOffsetS: 0 } }, {
    channels: ["load"],
  });
  assert.ok(regression!.load!.share < 0.4, `${regression!.load!.share}`);
  assert.ok(errorOf(values.load!) < 12);
});

Deno.test("regressedForecast() learns what holidays do", () => {
  const days = 800;
  const random = seedRandom(3);
  const startNs = BigInt(Date.parse("2023-03-01")) * 1_000_000n;
  const isHoliday = holidaysOf("DE");
  const first = Number(startNs / (24n * HOUR_NS));
  const value = (i: number) => 100 + nextNormal(random) - (isHoliday(first + i) ? 30 : 0);
  const daily: Segment = {
    streamId: "d",
    channels: ["visits"],
    timestampsNs: BigInt64Array.from(
      { length: days },
      (_, i) => startNs + BigInt(i) * 24n * HOUR_NS,
    ),
    values: [Float64Array.from({ length: days }, (_, i) => value(i))],
  };
  // From 2023-03-01 on 791 days end at 2025-04-29: the next holiday is two days ahead.
  const cut = {
    ...daily,
    timestampsNs: daily.timestampsNs.slice(0, 791),
    values: [daily.values[0]!.slice(0, 791)],
  };
  const { values, regression } = regressedForecast(config, cut, {
    ...{ horizon: 4, quantiles: MEDIAN },
    regressors: { covariates: {}, calendar: { country: "DE", utcOffsetS: 0 } },
  });
  assert.ok(regression!.visits!.share > 0.8, `${regression!.visits!.share}`);
  assert.ok(values.visits![1]! < values.visits![0]! - 15, `${values.visits}`);
  assert.ok(Math.abs(values.visits![3]! - 100) < 3);
});

Deno.test("regressedForecast() refuses what cannot be, by field and limit", () => {
  const wrong: [Partial<RegressorRequest>, object, string][] = [
    [{ covariates: { wind: null } }, {}, "covariates.wind"],
    [{ covariates: { temperature: Float64Array.of(1) } }, {}, "covariates.temperature"],
    [{ covariates: { temperature: null } }, { channels: ["temperature"] }, "channel"],
    [{ covariates: { temperature: null, load: null } }, {}, "covariates"],
  ];
  for (const [regressors, more, field] of wrong) {
    assert.throws(
      () => ask(regressors, more),
      (error: unknown) => error instanceof InvalidValueError && error.field === field,
      field,
    );
  }
  assert.throws(() => ask({}, { channels: ["wind"] }), NotFoundError);
  const names = Array.from({ length: COVARIATES_MAX + 1 }, (_, i) => `c${i}`);
  const covariates = Object.fromEntries(names.map((name) => [name, null]));
  assert.throws(() => ask({ covariates }), LimitError);
  const many = Array.from({ length: REGRESSED_CHANNELS_MAX + 1 }, () => "load");
  assert.throws(() => ask({}, { channels: many }), LimitError);
  const other = { ...config, model: lastValue as unknown as ProcessorConfig["model"] };
  assert.throws(
    () =>
      regressedForecast(other, past, {
        ...{ horizon: 1, quantiles: MEDIAN },
        regressors: { covariates: { temperature: null }, calendar: null },
      }),
    InvalidValueError,
  );
});
