import assert from "node:assert/strict";
import {
  SCRAPE_GAUGES_MAX,
  SCRAPE_LEADS_MAX,
  SCRAPE_STREAMS_MAX,
} from "../../src/service/scrape.ts";
import { StreamFailedError } from "../../src/streams/engine.ts";
import { ALARM_ABOVE, openFixture } from "./_fixture.ts";

type Fixture = ReturnType<typeof openFixture>;

const write = async ({ send }: Fixture, id: string, body: unknown) => {
  const { status } = await send("POST", `/v1/streams/${encodeURIComponent(id)}/observations`, body);
  assert.equal(status, 200);
};

const HOURS = ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"];

async function scrape({ app }: Fixture, query = ""): Promise<{ status: number; text: string }> {
  const response = await app.request(`/metrics/forecasts${query}`);
  return { status: response.status, text: await response.text() };
}

const linesOf = (text: string, name: string) =>
  text.split("\n").filter((line) => line.startsWith(`${name}{`));

Deno.test("GET /metrics/forecasts tells newest values, forecasts at leads and alarms", async () => {
  const fixture = openFixture();
  await write(fixture, "boiler", {
    timestamps: HOURS,
    channels: { heat: [3, 4], flow: [7, null] },
  });
  const { status, text } = await scrape(fixture, "?stream=boiler&lead=2h,1h&quantiles=0.9");
  assert.equal(status, 200);
  assert.deepEqual(linesOf(text, "driftline_value"), [
    'driftline_value{stream="boiler",channel="heat"} 4',
    'driftline_value{stream="boiler",channel="flow"} 7',
  ]);
  assert.deepEqual(linesOf(text, "driftline_value_timestamp_seconds"), [
    `driftline_value_timestamp_seconds{stream="boiler",channel="heat"} 1772326800`,
    `driftline_value_timestamp_seconds{stream="boiler",channel="flow"} 1772323200`,
  ]);
  // The fixture's quantile q of lead k is last + k · (q − 1/2).
  const heat = linesOf(text, "driftline_forecast").filter((line) => line.includes("heat"));
  assert.deepEqual(heat.map((line) => line.replace(/^.*,lead/, "lead")), [
    'lead="1h",quantile="0.5"} 4',
    'lead="1h",quantile="0.9"} 4.4',
    'lead="2h",quantile="0.5"} 4',
    'lead="2h",quantile="0.9"} 4.8',
  ]);
  assert.deepEqual(linesOf(text, "driftline_forecast_available"), [
    'driftline_forecast_available{stream="boiler"} 1',
  ]);
  assert.match(text, /# TYPE driftline_forecast gauge\n/);
});

Deno.test("GET /metrics/forecasts counts alarms, and writes labels as the format has them", async () => {
  const fixture = openFixture();
  const now = Number(fixture.clock.nowNs() / 1_000_000n);
  const timestamps = [now - 2_000, now - 1_000];
  await write(fixture, "a", { timestamps, channels: { 'in "°C" \\ h': [ALARM_ABOVE, 2_000] } });
  const { text } = await scrape(fixture);
  const label = 'channel="in \\"°C\\" \\\\ h"';
  assert.deepEqual(linesOf(text, "driftline_value"), [
    `driftline_value{stream="a",${label}} 2000`,
  ]);
  assert.deepEqual(linesOf(text, "driftline_alarms_24h"), ['driftline_alarms_24h{stream="a"} 1']);
});

Deno.test("GET /metrics/forecasts tells of all streams, those without a forecast too", async () => {
  const fixture = openFixture();
  await fixture.send("PUT", "/v1/streams/empty", {});
  await write(fixture, "cpu,host=a", { timestamps: HOURS, values: [1, 2] });
  const { status, text } = await scrape(fixture);
  assert.equal(status, 200);
  assert.deepEqual(linesOf(text, "driftline_forecast_available"), [
    'driftline_forecast_available{stream="cpu,host=a"} 1',
    'driftline_forecast_available{stream="empty"} 0',
  ]);
  const told = linesOf(text, "driftline_forecast").map((line) => line.match(/lead=.*(?=\})/)![0]);
  assert.deepEqual(told, ["0.025", "0.5", "0.975"].map((q) => `lead="next",quantile="${q}"`));
  fixture.engine.forecast = () => Promise.reject(new StreamFailedError("cpu,host=a", "it broke"));
  const failed = await scrape(fixture, "?stream=cpu%2Chost%3Da");
  assert.equal(failed.status, 200);
  assert.match(failed.text, /driftline_forecast_available\{stream="cpu,host=a"\} 0/);
});

Deno.test("GET /metrics/forecasts names what it does not take", async () => {
  const fixture = openFixture();
  await write(fixture, "a", { timestamps: HOURS, values: [1, 2] });
  const refused = async (query: string) => {
    const { status, text } = await scrape(fixture, query);
    const { field, detail } = JSON.parse(text);
    return [status, field, detail];
  };
  const leads = Array.from({ length: SCRAPE_LEADS_MAX + 1 }, (_, i) => `${i + 1}h`);
  for (const lead of ["1", "0h", "1y", "1h30m"]) {
    assert.deepEqual((await refused(`?lead=${lead}`)).slice(0, 2), [422, "lead[0]"]);
  }
  assert.deepEqual((await refused("?lead=60m,1h")).slice(0, 2), [422, "lead"]);
  assert.deepEqual((await refused(`?lead=${leads}`)).slice(0, 2), [422, "lead"]);
  assert.deepEqual((await refused("?quantiles=2")).slice(0, 2), [422, "quantiles[0]"]);
  assert.equal((await refused("?stream=none"))[0], 404);
});

Deno.test("GET /metrics/forecasts is held to its limits", async () => {
  const fixture = openFixture();
  const limitOf = async (query: string) => {
    const { status, text } = await scrape(fixture, query);
    return status === 200 ? null : JSON.parse(text).limitName;
  };
  const channels = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, i) => [`c${i}`, [1, 2]]),
  );
  await write(fixture, "wide", { timestamps: HOURS, channels });
  const leads = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}h`).join();
  // 1,000 channels, the median and 4 others: 5,000 gauges a lead.
  const quantiles = "0.1,0.2,0.3,0.4";
  assert.equal(SCRAPE_GAUGES_MAX, 50_000);
  assert.equal(await limitOf(`?lead=${leads(10)}&quantiles=${quantiles}`), null);
  const more = await limitOf(`?lead=${leads(10)}&quantiles=${quantiles},0.6`);
  assert.equal(more, "SCRAPE_GAUGES_MAX");
  for (let i = 1; i < SCRAPE_STREAMS_MAX; i++) await fixture.send("PUT", `/v1/streams/s${i}`, {});
  assert.equal(await limitOf(""), null);
  await fixture.send("PUT", "/v1/streams/last", {});
  assert.equal(await limitOf(""), "SCRAPE_STREAMS_MAX");
  assert.equal(await limitOf("?stream=last"), null);
});
