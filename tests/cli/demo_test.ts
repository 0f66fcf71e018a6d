import assert from "node:assert/strict";
import { planted } from "../../datasets/synthetic.ts";
import type { DemoResult } from "../../src/cli/demo/replay.ts";

const ROOT = `${import.meta.dirname}/../..`;

async function runDemo(...args: string[]) {
  const folder = await Deno.makeTempDir();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "main.ts", "demo", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", TMPDIR: folder },
  }).output();
  const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
  await Deno.remove(folder, { recursive: true });
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, error: error!, left };
}

Deno.test("demo --once --json replays real series and a drawn one, and leaves nothing behind", async () => {
  const { code, out, error, left } = await runDemo("--once", "--json", "--port", "0");
  assert.equal(code, 0, error);
  assert.deepEqual(left.filter((name) => name.startsWith("driftline-")), []);
  const { dashboard, series } = JSON.parse(out) as { dashboard: string; series: DemoResult[] };
  assert.match(dashboard, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  const ids = ["seattle-hourly", "co2-monthly", "sp500-daily", "synthetic-planted"];
  assert.deepEqual(series.map(({ id }) => id), ids);
  // Each fault that is planted in the part before the report is told once, and nothing else.
  const { anomalies } = planted({ seed: 1, length: 2_000, streamId: "" });
  const [drawn] = series.slice(-1);
  const hour = (timestamp: string) =>
    (Date.parse(timestamp) - Date.parse(drawn!.firstTimestamp)) / 3_600_000;
  const told = drawn!.anomalies.map(({ timestamp }) => hour(timestamp));
  assert.equal(told.length, 3, told.join(", "));
  for (const [k, at] of told.entries()) {
    const { index, length } = anomalies[k]!;
    assert.ok(at >= index && at < index + length, `${at} in ${index} + ${length}`);
  }
  for (const { id, forecast, backtest, sampleCount, lastTimestamp } of series) {
    assert.ok(sampleCount > 500, id);
    assert.equal(forecast.length, 8, id);
    for (const { timestamp, median, intervals } of forecast) {
      assert.ok(Date.parse(timestamp) > Date.parse(lastTimestamp), id);
      const [low80, high80] = intervals["80"]!;
      const [low95, high95] = intervals["95"]!;
      const order = [low95, low80, median, high80, high95].map((value) => value ?? NaN);
      assert.ok(order.every((value, i) => i === 0 || value >= order[i - 1]!), `${id}: ${order}`);
    }
    // The committee is never much worse than its best simple member; the margin is for 84 to 168
    // held-out samples, which say no more.
    const naive = Math.min(backtest.seasonalNaiveMase, backtest.lastValueMase);
    assert.ok(backtest.mase < 1.1 * naive, `${id}: MASE ${backtest.mase}, naive ${naive}`);
    assert.ok(backtest.coverage80 > 0.6 && backtest.coverage80 < 0.95, `${id}: coverage80`);
  }
});

Deno.test("demo tells how it is called", async () => {
  const { code, out } = await runDemo("--help");
  assert.equal(code, 0);
  assert.match(out, /--once +Exit after the report/);
  const wrong = await runDemo("--port", "seventy");
  assert.equal(wrong.code, 2);
  assert.match(wrong.error, /--port is "seventy"/);
});
