import { decodeError, encodeError } from "../base/remote_port.ts";
import type { Segment } from "../signal/segment.ts";
import type { BoundsByChannel } from "../stores/channel_range.ts";

/** How well one forecaster did, as it is told. */
export interface ForecasterReport {
  name: string;
  /** Whether it is no model of this service. */
  isPeer: boolean;
  /** Mean absolute error of the median, and over the baseline's. */
  mae: number | null;
  maeRatio: number | null;
  wql: number | null;
  coverage80: number | null;
  coverage95: number | null;
  targetCount: number;
  /** Origins where Seasonal Naive was scored in its place. */
  failed: number;
  /** Mean milliseconds of a fit and forecast. */
  ms: number;
  /** Groups of leads; `lead` is the first of each. */
  byLead: { lead: number; count: number; mae: number | null; coverage80: number | null }[];
  /** One entry an origin. */
  windows: { origin: string; mae: number | null; coverage80: number | null }[];
}

/** What a backtest found. */
export interface BacktestReport {
  horizon: number;
  /** Counts of samples known at the origins. */
  origins: number[];
  baseline: string;
  channels: { name: string; forecasters: ForecasterReport[] }[];
}

/** The pictures of a channel. */
export const BACKTEST_PICTURES = ["windows", "errors", "coverage"] as const;

/** One of {@linkcode BACKTEST_PICTURES}. */
export type BacktestPicture = typeof BACKTEST_PICTURES[number];

/** Report, page and pictures. */
export interface BacktestOutcome {
  readonly report: BacktestReport;
  /** An HTML page of its own. */
  readonly page: string;
  /** SVG by channel. */
  readonly pictures: Readonly<Record<string, Readonly<Record<BacktestPicture, string>>>>;
}

/** What is to be measured. */
export interface BacktestTask {
  /** What the page calls the samples. */
  readonly title: string;
  readonly segment: Segment;
  readonly horizon: number;
  readonly origins: number;
  readonly models: readonly string[];
  /** Bounds that models are told; peers know none. */
  readonly bounds: BoundsByChannel;
  /** Seasons in seconds that models and peers are told; none = found. */
  readonly seasonsS: readonly number[];
  /** Files of the networks that are there, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Where backtests run. */
export interface BacktestPort {
  /**
   * @param tell  told how many of the forecasts are made
   * @throws {Error} the signal was aborted, or what the run threw
   */
  run(
    task: BacktestTask,
    tell: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<BacktestOutcome>;
}

/** What a worker says. */
type BacktestMessage =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "done"; readonly outcome: BacktestOutcome }
  | { readonly kind: "failed"; readonly error: ReturnType<typeof encodeError> };

/** The part of a worker's global scope that is used here. */
export interface BacktestScope {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<BacktestTask>) => void) | null;
}

/** Serves one backtest a worker. */
export function serveBacktest(
  scope: BacktestScope,
  run: (
    task: BacktestTask,
    tell: (done: number, total: number) => void,
  ) => Promise<BacktestOutcome>,
): void {
  const say = (message: BacktestMessage) => scope.postMessage(message);
  scope.onmessage = ({ data }) => {
    run(data, (done, total) => say({ kind: "progress", done, total }))
      .then((outcome) => say({ kind: "done", outcome }))
      .catch((error: unknown) => say({ kind: "failed", error: encodeError(error) }));
  };
}

/** A worker for each backtest: it ends with it, and a forecast that hangs can be ended. */
export class WorkerBacktestPort implements BacktestPort {
  readonly #script: URL;

  /** @param script  the worker's module, which calls {@linkcode serveBacktest} */
  constructor(script: URL) {
    this.#script = script;
  }

  run(
    task: BacktestTask,
    tell: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<BacktestOutcome> {
    const settled = Promise.withResolvers<BacktestOutcome>();
    const worker = new Worker(this.#script, { type: "module", name: "backtest" });
    const abort = () => settled.reject(signal.reason);
    signal.addEventListener("abort", abort);
    worker.onmessage = ({ data }: MessageEvent<BacktestMessage>) => {
      if (data.kind === "progress") tell(data.done, data.total);
      else if (data.kind === "done") settled.resolve(data.outcome);
      else settled.reject(decodeError(data.error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      settled.reject(new Error(`The worker stopped: ${event.message}`));
    };
    if (signal.aborted) abort();
    else worker.postMessage(task);
    return settled.promise.finally(() => {
      signal.removeEventListener("abort", abort);
      worker.terminate();
    });
  }
}
