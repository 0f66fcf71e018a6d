import assert from "node:assert/strict";
import { InvalidValueError, OverloadError } from "../../src/base/errors.ts";
import { forecastsText } from "../../src/service/scrape.ts";
import type { ForecastRequest } from "../../src/streams/engine.ts";
import { openFixture } from "../routes/_fixture.ts";

const SECOND_NS = 1_000_000_000n;

const QUESTION = {
  streams: ["a"],
  leads: [{ label: "1s", ns: SECOND_NS }],
  quantiles: Float64Array.of(0.5),
};

/** A stream of two samples, the last at 1 s, and what scrapes of it are made from. */
async function openStream() {
  const { engine, store, clock, send } = openFixture();
  const write = async (timestamps: number[], values: number[]) => {
    await send("POST", "/v1/streams/a/observations", { timestamps, values });
  };
  await write([0, 1_000], [3, 4]);
  return { parts: { engine, store, clock }, engine, write };
}

Deno.test("a sample that passes the lead meanwhile is forecast from, not told as a fault", async () => {
  const { parts, engine, write } = await openStream();
  const forecast = engine.forecast.bind(engine);
  const asked: bigint[] = [];
  engine.forecast = async (id: string, request: ForecastRequest) => {
    asked.push(request.timesNs![0]!);
    if (asked.length > 1) return await forecast(id, request);
    await write([2_000], [7]);
    throw new InvalidValueError("times[0]", "2 s", "a time after the origin");
  };
  const text = await forecastsText(parts, QUESTION);
  assert.deepEqual(asked, [2n * SECOND_NS, 3n * SECOND_NS]);
  assert.match(text, /driftline_forecast\{stream="a",.*,lead="1s",quantile="0.5"\} 7\n/);
});

Deno.test("a lead that is passed time and again gives no forecast, an overload no scrape", async () => {
  const { parts, engine } = await openStream();
  let asked = 0;
  engine.forecast = () => {
    asked++;
    return Promise.reject(new InvalidValueError("times[0]", "2 s", "a time after the origin"));
  };
  const text = await forecastsText(parts, QUESTION);
  assert.match(text, /driftline_forecast_available\{stream="a"\} 0\n/);
  assert.match(text, /driftline_value\{stream="a",channel="value"\} 4\n/);
  assert.equal(asked, 3);
  engine.forecast = () => Promise.reject(new OverloadError("States are behind", 1));
  await assert.rejects(forecastsText(parts, QUESTION), OverloadError);
});
