/// <reference lib="deno.worker" />
/** The thread of one backtest of the service: only opens what serves and translates messages. */
import { servingNetworks, setModel } from "../../models/mod.ts";
import { type BacktestScope, serveBacktest } from "../../service/backtest_port.ts";
import { serveShippedWeights } from "../../service/weights.ts";
import { backtestOutcome, planOf, runBacktest, subjectsOf } from "./run.ts";

serveBacktest(self as unknown as BacktestScope, async (task, tell) => {
  const { title, segment, horizon, origins, models, bounds, seasonsS, files } = task;
  // The networks of the service, whatever the environment of the process names.
  serveShippedWeights();
  for (const { name } of [...servingNetworks()]) if (!files.has(name)) setModel(name, null);
  for (const [name, bytes] of files) setModel(name, bytes);
  const subjects = await subjectsOf(models);
  const plan = { ...planOf(segment.timestampsNs.length, horizon, origins), bounds, seasonsS };
  const channels = runBacktest(segment, plan, subjects, tell);
  return backtestOutcome(title, plan, channels, models[0]!);
});
