import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { type Segment, sliceSegment } from "../../src/signal/segment.ts";
import { DEFAULT_SETTINGS } from "../../src/stores/store.ts";
import { StreamCovariates } from "../../src/streams/covariates.ts";
import { type ProcessorConfig, StreamProcessor } from "../../src/streams/processor.ts";
import { modelHashOf } from "../../src/streams/state_codec.ts";
import { loadSeries } from "./_load.ts";

const LENGTH = 400;
const HORIZON = 12;
const QUANTILES = Float64Array.of(0.1, 0.5, 0.9);
const model = modelNamed("structural") as unknown as ProcessorConfig["model"];

const series = (length: number): Segment => loadSeries(length, 0);

function processor(covariates: readonly string[]): StreamProcessor {
  const plain = { ...DEFAULT_SETTINGS, horizon: HORIZON, detect: false };
  const settings = covariates.length > 0 ? { ...plain, covariates } : plain;
  return new StreamProcessor({ streamId: "s", settings, model, detector: null });
}

const whole = series(LENGTH + HORIZON);
const past = sliceSegment(whole, 0, LENGTH);
const truth = whole.values[0]!.subarray(LENGTH);
const future = whole.values[1]!.slice(LENGTH);

Deno.test("StreamCovariates: a question with known futures is answered from the state", () => {
  const informed = processor(["temperature"]);
  informed.absorb(past);
  const { stateHash } = informed.snapshot();
  const told = { covariates: { temperature: future }, calendar: null };
  const request = { horizon: HORIZON, quantiles: QUANTILES };
  const answer = informed.forecast({ ...request, regressors: told });
  assert.deepEqual(Object.keys(answer.values), ["load"]);
  const error = (rows: Float64Array) =>
    truth.reduce((sum, value, l) => sum + Math.abs(value - rows[3 * l + 1]!) / HORIZON, 0);
  const plain = processor([]);
  plain.absorb(past);
  const usual = error(plain.forecast(request).values.load!);
  assert.ok(
    error(answer.values.load!) < 1.5 && usual > 3,
    `${error(answer.values.load!)} ${usual}`,
  );
  assert.ok(answer.regression!.load!.share > 0.9);
  assert.equal(answer.regression!.load!.effect.length, HORIZON);
  // A question leaves no trace, and other times and draws are answered, too.
  assert.equal(informed.snapshot().stateHash, stateHash);
  const draws = { paths: 2, seed: 1, aggregates: ["total"] as const, thresholds: [] };
  const total = informed.forecast({ ...request, regressors: told, draws }).answers!.load!;
  const sum = truth.reduce((all, value) => all + value, 0);
  assert.ok(Math.abs(total.aggregates[0]!.mean - sum) < 20);
});

Deno.test("StreamCovariates: what is not told of a future is the covariate's own forecast", () => {
  const informed = processor(["temperature"]);
  informed.absorb(past);
  const request = { horizon: HORIZON, quantiles: QUANTILES };
  const own = informed.forecast(request);
  assert.deepEqual(Object.keys(own.values).sort(), ["load", "temperature"]);
  const medians = own.values.temperature!.filter((_, at) => at % 3 === 1);
  const told = { covariates: { temperature: medians }, calendar: null };
  const sure = informed.forecast({ ...request, regressors: told });
  for (let l = 0; l < HORIZON; l++) {
    const width = (rows: Float64Array) => rows[3 * l + 2]! - rows[3 * l]!;
    assert.ok(Math.abs(own.values.load![3 * l + 1]! - sure.values.load![3 * l + 1]!) < 1e-9);
    assert.ok(width(own.values.load!) > 1.5 * width(sure.values.load!));
  }
});

Deno.test("StreamCovariates: the state is the same however samples were cut, or restored", () => {
  const informed = processor(["temperature"]);
  informed.absorb(past);
  let parts = processor(["temperature"]);
  for (const [from, to] of [[0, 1], [1, 90], [90, 300], [300, LENGTH]] as const) {
    parts.absorb(sliceSegment(past, from, to));
    const again = processor(["temperature"]);
    again.restore(parts.snapshot());
    parts = again;
  }
  assert.equal(parts.snapshot().stateHash, informed.snapshot().stateHash);
  const coverage = informed.describe().perChannel.load!.coverage[0]!;
  assert.ok(coverage.count > 100);
});

Deno.test("StreamCovariates: a stream that declares none is what it was, bit for bit", () => {
  const settings = { ...DEFAULT_SETTINGS, horizon: HORIZON, detect: false };
  const hash = modelHashOf(settings, model.name, null);
  const informed = modelHashOf({ ...settings, covariates: ["temperature"] }, model.name, null);
  assert.notEqual(informed, hash);
  const plain = new StreamCovariates([], model);
  const channel = { name: "load", epochNs: 0n, state: { any: 1 } };
  assert.equal(plain.plain(channel), channel.state);
  const asked = plain.asked(channel, [], { count: 3, isNext: true });
  assert.deepEqual([asked.model, asked.state, asked.regression], [model, channel.state, null]);
});

Deno.test("StreamCovariates: futures of another length are refused by name", () => {
  const informed = processor(["temperature"]);
  informed.absorb(past);
  const told = { covariates: { temperature: future.slice(1) }, calendar: null };
  assert.throws(
    () => informed.forecast({ horizon: HORIZON, quantiles: QUANTILES, regressors: told }),
    (error: unknown) =>
      error instanceof InvalidValueError && error.field === "covariates.temperature",
  );
});

Deno.test("StreamCovariates: a covariate without a sample yet does no harm", () => {
  const informed = processor(["wind"]);
  const plain = processor([]);
  for (const one of [informed, plain]) one.absorb(past);
  const request = { horizon: HORIZON, quantiles: QUANTILES, channels: ["load"] };
  assert.deepEqual(informed.forecast(request).values, plain.forecast(request).values);
});
