import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import type { Engine, ForecastRequest, ForecastResult } from "../../src/streams/engine.ts";
import {
  type ForecastQuestion,
  requireChannels,
  streamForecast,
} from "../../src/service/forecasts.ts";

const QUESTION = { levels: [80], quantiles: Float64Array.of(0.5), horizon: 1 };
const REGRESSORS = { covariates: { posters: null }, calendar: null };

/** Who was asked, and for what. */
type Asked = [method: string, ...unknown[]];

async function ask(question: Partial<ForecastQuestion>, covariates: string[] = []) {
  const store = openMemoryStore({ clock: new ManualClock() });
  const segment: Segment = {
    streamId: "s",
    channels: ["visits", "posters"],
    timestampsNs: BigInt64Array.of(10n, 20n, 30n),
    values: [Float64Array.of(1, 2, 3), Float64Array.of(4, 5, 6)],
  };
  await store.putStream("s", { covariates });
  await store.append([segment]);
  const asked: Asked[] = [];
  const heard = (method: string) => (...rest: unknown[]) => {
    asked.push([method, ...rest]);
    return Promise.resolve({} as ForecastResult);
  };
  const engine = {
    forecast: heard("forecast"),
    forecastAsOf: heard("forecastAsOf"),
    forecastOnce: heard("forecastOnce"),
  } as unknown as Engine;
  const record = (await store.getStream("s"))!;
  await streamForecast({ store, engine }, record, { ...QUESTION, ...question });
  return asked;
}

Deno.test("streamForecast() asks the state, or that of the past", async () => {
  const [[method, id, request]] = await ask({}) as [Asked];
  assert.deepEqual([method, id], ["forecast", "s"]);
  assert.deepEqual(Object.keys(request as ForecastRequest), ["quantiles", "horizon"]);
  const past = { asOfNs: 20n, without: [] };
  const [[other, , then]] = await ask({ past }) as [Asked];
  assert.deepEqual([other, then], ["forecastAsOf", past]);
});

Deno.test("streamForecast() reads samples where more is told than the state takes", async () => {
  const known = async (question: Partial<ForecastQuestion>, covariates: string[] = []) => {
    const [[method, samples]] = await ask(question, covariates) as [Asked];
    return [method, method === "forecastOnce" ? [...(samples as Segment).timestampsNs] : null];
  };
  const regressors = REGRESSORS;
  assert.deepEqual(await known({ regressors }), ["forecastOnce", [10n, 20n, 30n]]);
  assert.deepEqual(await known({ regressors }, ["posters"]), ["forecast", null]);
  const past = { asOfNs: 25n, without: [] };
  assert.deepEqual(await known({ regressors, past }), ["forecastOnce", [10n, 20n]]);
  assert.deepEqual(await known({ regressors, past }, ["posters"]), ["forecastAsOf", null]);
});

Deno.test("streamForecast() refuses to leave out what is asked about, or all", async () => {
  const refused: [Partial<ForecastQuestion>, string][] = [
    [{ past: { without: ["none"] } }, "one of visits, posters"],
    [{ past: { without: ["visits", "posters"] } }, "not all channels"],
    [{ past: { without: ["visits"] }, channels: ["visits"] }, "not asked about"],
    [{ past: { without: ["posters"] }, regressors: REGRESSORS }, "not asked about"],
  ];
  for (const [question, reason] of refused) {
    await assert.rejects(
      ask(question),
      (error) =>
        error instanceof InvalidValueError && error.field === "without" &&
        error.message.includes(reason),
    );
  }
});

Deno.test("streamForecast() refuses to suppose channels that are not there", async () => {
  const suppose = (name: string): Segment => ({
    streamId: "any",
    channels: [name],
    timestampsNs: BigInt64Array.of(40n),
    values: [Float64Array.of(1)],
  });
  const refused = [{ without: [], suppose: suppose("none") }, {
    without: ["posters"],
    suppose: suppose("posters"),
  }];
  for (const past of refused) {
    await assert.rejects(
      ask({ past }),
      (error) => error instanceof InvalidValueError && error.field === "suppose.channels",
    );
  }
  const past = { without: [], suppose: suppose("visits") };
  const [[method, , then]] = await ask({ past }) as [Asked];
  assert.deepEqual([method, then], ["forecastAsOf", past]);
  const [[other, samples]] = await ask({ past, regressors: REGRESSORS }) as [Asked];
  assert.equal(other, "forecastOnce");
  assert.deepEqual([...(samples as Segment).timestampsNs], [10n, 20n, 30n, 40n]);
});

Deno.test("requireChannels() names those that there are", () => {
  requireChannels(undefined, []);
  requireChannels(["a"], ["a", "b"]);
  assert.throws(() => requireChannels(["c"], ["a", "b"]), /a, b/);
  assert.throws(() => requireChannels(["c"], []), InvalidValueError);
});
