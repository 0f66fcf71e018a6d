import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import {
  type BacktestScope,
  type BacktestTask,
  serveBacktest,
  WorkerBacktestPort,
} from "../../src/service/backtest_port.ts";
import { outcomeOf } from "./_backtests.ts";

const TASK: BacktestTask = {
  bounds: {},
  seasonsS: [],
  title: "t",
  segment: {
    streamId: "s",
    channels: ["a"],
    timestampsNs: BigInt64Array.of(1n, 2n, 3n),
    values: [Float64Array.of(1, 2, 3)],
  },
  ...{ horizon: 1, origins: 1, models: ["mean"], files: new Map() },
};

const script = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

Deno.test("serveBacktest() says progress, the outcome, and errors as what they are", async () => {
  const said: any[] = [];
  const scope: BacktestScope = { onmessage: null, postMessage: (message) => said.push(message) };
  serveBacktest(scope, (task, tell) => {
    tell(1, 2);
    return Promise.resolve(outcomeOf(task));
  });
  scope.onmessage!(new MessageEvent("message", { data: TASK }));
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(said.map(({ kind }) => kind), ["progress", "done"]);
  serveBacktest(scope, () => Promise.reject(new InvalidValueError("horizon", 9, "less")));
  scope.onmessage!(new MessageEvent("message", { data: TASK }));
  for (let i = 0; i < 5; i++) await Promise.resolve();
  assert.equal(said.at(-1).error.fields.field, "horizon");
});

Deno.test("WorkerBacktestPort ends the worker of a backtest that hangs, fails or is aborted", async () => {
  const hangs = new WorkerBacktestPort(script("onmessage = () => { for (;;); };"));
  const ending = new AbortController();
  const hanging = hangs.run(TASK, () => {}, ending.signal);
  ending.abort(new RangeError("enough"));
  await assert.rejects(hanging, /enough/);
  await assert.rejects(hangs.run(TASK, () => {}, ending.signal), /enough/);
  const broken = new WorkerBacktestPort(script("throw new Error('cannot start')"));
  const calm = new AbortController().signal;
  await assert.rejects(broken.run(TASK, () => {}, calm), /The worker stopped: .*cannot start/);
  const told: number[] = [];
  const echo = new WorkerBacktestPort(script(`onmessage = ({ data }) => {
    postMessage({ kind: "progress", done: 1, total: 4 });
    postMessage({ kind: "done", outcome: { page: data.title } });
  };`));
  const outcome = await echo.run(TASK, (done, total) => told.push(done, total), calm);
  assert.equal(outcome.page, "t");
  assert.deepEqual(told, [1, 4]);
});
