import assert from "node:assert/strict";
import { WorkerBacktestPort } from "../../../src/service/backtest_port.ts";

const SCRIPT = new URL("../../../src/cli/backtest/worker.ts", import.meta.url);

Deno.test("the worker of a backtest measures models and peers off this thread", async () => {
  const port = new WorkerBacktestPort(SCRIPT);
  const values = Float64Array.from({ length: 96 }, (_, i) => 5 + Math.sin(i * Math.PI / 6));
  const told: [number, number][] = [];
  const task = {
    title: "wave",
    segment: {
      streamId: "s",
      channels: ["a"],
      timestampsNs: BigInt64Array.from(values, (_, i) => BigInt(i) * 3_600_000_000_000n),
      values: [values],
    },
    ...{ horizon: 6, origins: 2, models: ["seasonal_naive", "mean"], files: new Map() },
    bounds: { a: { lower: 4.5 } },
    seasonsS: [],
  };
  const calm = new AbortController().signal;
  const { report, page } = await port.run(task, (...news) => told.push(news), calm);
  const names = report.channels[0]!.forecasters.map(({ name }) => name);
  assert.deepEqual(
    names.toSorted(),
    ["augurs-ets", "augurs-mstl", "mean", "naive", "seasonal-naive", "seasonal_naive"],
  );
  assert.deepEqual(told.at(-1), [12, 12]);
  assert.match(page, /seasonal_naive/);
  const unknown = { ...task, models: ["neural"] };
  await assert.rejects(port.run(unknown, () => {}, calm), /models is "neural"/);
});
