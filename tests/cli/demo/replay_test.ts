import assert from "node:assert/strict";
import type { Dataset } from "../../../datasets/mod.ts";
import { seasonal } from "../../../datasets/synthetic.ts";
import { Client } from "../../../src/cli/demo/client.ts";
import { type DemoSeries, newest, replay } from "../../../src/cli/demo/replay.ts";

const LENGTH = 700;
const whole = seasonal({ seed: 4, length: LENGTH, noise: 0, rise: 0, streamId: "demo" });
const dataset: Dataset = {
  name: "demo",
  title: "A test series",
  origin: { package: null, file: null, sha256: null, source: "this test", licence: "none" },
  sampleCount: LENGTH,
  units: { value: "Cel" },
  seasonLength: 24,
  load: () => Promise.resolve(whole),
};
const series: DemoSeries = {
  dataset,
  samplesMax: 600,
  horizon: 12,
  originCount: 3,
  liveCount: 100,
};

/** A service that knows the truth: it forecasts every time as it will come, one unit wide. */
function omniscient() {
  const received: string[] = [];
  const forecasts: { known: number; times: string[] }[] = [];
  const truth = new Map(
    Array.from(whole.timestampsNs, (t, i) => [Number(t / 1_000_000n), whole.values[0]![i]!]),
  );
  const client = new Client("http://service", (url, init) => {
    const { pathname, searchParams } = new URL(url);
    if (pathname.endsWith("/observations")) {
      received.push(...JSON.parse(init!.body as string).timestamps);
    }
    if (pathname.endsWith("/anomalies")) return Promise.resolve(Response.json({ anomalies: [] }));
    if (!pathname.endsWith("/forecast")) return Promise.resolve(Response.json({}));
    const last = Date.parse(received.at(-1)!);
    const times = searchParams.get("times")?.split(",") ??
      Array.from(
        { length: Number(searchParams.get("horizon")) },
        (_, k) => new Date(last + 3_600_000 * (k + 1)).toISOString(),
      );
    forecasts.push({ known: received.length, times });
    const points = times.map((timestamp) => {
      const median = truth.get(Date.parse(timestamp))!;
      const around = (half: number) => [median - half, median + half];
      return { timestamp, median, quantiles: {}, intervals: { "80": around(1), "95": around(2) } };
    });
    return Promise.resolve(Response.json({ channels: { value: points } }));
  });
  return { client, received, forecasts };
}

Deno.test("replay() forecasts each horizon before it sends it", async () => {
  const { client, received, forecasts } = omniscient();
  const segment = await newest(series);
  const seen: number[] = [];
  const result = await replay(client, series, {
    segment,
    nowMs: () => 0,
    onProgress: (sent) => seen.push(sent),
  });
  const end = 600 - series.liveCount;
  assert.equal(received.length, end);
  assert.equal(new Set(received).size, end, "a sample was sent twice");
  assert.equal(seen.at(-1), end);
  assert.deepEqual(forecasts.map(({ known }) => known), [end - 36, end - 24, end - 12, end]);
  for (const { known, times } of forecasts) {
    const lastKnown = Date.parse(received[known - 1]!);
    assert.ok(times.every((time) => Date.parse(time) > lastKnown), "a known time was forecast");
  }
  assert.deepEqual(result.backtest, {
    origins: 3,
    horizon: 12,
    mase: 0,
    seasonalNaiveMase: result.backtest.seasonalNaiveMase,
    lastValueMase: result.backtest.lastValueMase,
    coverage80: 1,
    coverage95: 1,
  });
  assert.equal(result.forecast.length, 8);
});

Deno.test("newest() keeps the newest samples", async () => {
  const segment = await newest(series);
  assert.equal(segment.timestampsNs.length, 600);
  assert.equal(segment.timestampsNs.at(-1), whole.timestampsNs.at(-1));
});
