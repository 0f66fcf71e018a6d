/** A port whose backtests end when a test says so. */
import type {
  BacktestOutcome,
  BacktestPort,
  BacktestTask,
} from "../../src/service/backtest_port.ts";

/** What {@linkcode HeldBacktestPort} makes of a task unless told otherwise. */
export function outcomeOf(task: BacktestTask): BacktestOutcome {
  const { segment, horizon } = task;
  const picture = (name: string) => `<svg xmlns="http://www.w3.org/2000/svg"><!--${name}--></svg>`;
  return {
    report: {
      horizon,
      origins: [segment.timestampsNs.length - horizon],
      baseline: "seasonal-naive",
      channels: segment.channels.map((name) => ({
        name,
        forecasters: [{
          name: "seasonal-naive",
          isPeer: true,
          ...{ mae: 1, maeRatio: 1, wql: null, coverage80: 0.8, coverage95: 0.95 },
          ...{ targetCount: horizon, failed: 0, ms: 1 },
          byLead: [{ lead: 1, count: 1, mae: 1, coverage80: 1 }],
          windows: [{ origin: "1970-01-01T00:00:00Z", mae: 1, coverage80: 0.8 }],
        }],
      })),
    },
    page: `<!doctype html><title>${task.title}</title>`,
    pictures: Object.fromEntries(segment.channels.map((name) => [name, {
      windows: picture("windows"),
      errors: picture("errors"),
      coverage: picture("coverage"),
    }])),
  };
}

interface Held {
  readonly task: BacktestTask;
  readonly tell: (done: number, total: number) => void;
  finish(): void;
  fail(error: Error): void;
}

export class HeldBacktestPort implements BacktestPort {
  readonly held: Held[] = [];

  run(
    task: BacktestTask,
    tell: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<BacktestOutcome> {
    const settled = Promise.withResolvers<BacktestOutcome>();
    const end = () => settled.reject(signal.reason);
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    this.held.push({
      task,
      tell,
      finish: () => settled.resolve(outcomeOf(task)),
      fail: (error) => settled.reject(error),
    });
    return settled.promise.finally(() => signal.removeEventListener("abort", end));
  }
}

/** Lets all that waits for nothing but a turn go on. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
