import { serveShippedWeights } from "../service/weights.ts";
import { DEFAULT_MODEL } from "../models/mod.ts";
import { levelBounds, numberShape } from "../service/shapes.ts";
import type { Segment } from "../signal/segment.ts";
import { FORECAST_TIMES_MAX } from "../streams/engine.ts";
import { type Command, EXIT_OK, UsageError } from "./command.ts";
import { forecastSeries, prefix } from "./forecast_series.ts";
import { openProgress } from "./progress.ts";
import { CSV_OPTIONS, csvChoice, onlyFile, readSeries } from "./series_file.ts";
import { formatNumber, formatTable } from "./table.ts";

const HORIZON_DEFAULT = 24;
const ORIGINS_DEFAULT = 8;
const BASELINE = "seasonal_naive";
/** Deciles, as the weighted quantile loss of the forecasting literature takes them. */
const DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const QUANTILES = Float64Array.from(DECILES);
const LEVEL = 80;

/** Errors of one model over all origins and leads of one channel. */
export interface BacktestErrors {
  /** Mean absolute error of the median. */
  readonly mae: number;
  /** Weighted quantile loss: 2 Σ pinball / Σ |target|, mean over the deciles. */
  readonly wql: number;
  /** Share of targets inside the 80 % interval. */
  readonly coverage80: number;
  readonly targetCount: number;
}

/** Origins of a backtest: evenly over the last half of the series, each with a whole horizon. */
export function originsOf(length: number, horizon: number, count: number): number[] {
  const first = Math.max(2, Math.ceil(length / 2));
  const last = length - horizon;
  if (last < first) return [];
  const steps = Math.max(1, Math.min(count, last - first + 1));
  if (steps === 1) return [last];
  const origins = Array.from(
    { length: steps },
    (_, i) => first + Math.round(((last - first) * i) / (steps - 1)),
  );
  return [...new Set(origins)];
}

/** Adds up errors of forecasts against targets; missing targets count for nothing. */
class ErrorSum {
  #absolute = 0;
  #pinball = 0;
  #magnitude = 0;
  #inside = 0;
  #count = 0;

  add(targets: Float64Array, values: Float64Array): void {
    const width = QUANTILES.length;
    const [low, high] = levelBounds(LEVEL).map((quantile) => QUANTILES.indexOf(quantile));
    const median = QUANTILES.indexOf(0.5);
    for (const [row, target] of targets.entries()) {
      if (Number.isNaN(target)) continue;
      const at = (column: number) => values[row * width + column]!;
      this.#absolute += Math.abs(target - at(median));
      for (const [q, quantile] of QUANTILES.entries()) {
        const error = target - at(q);
        this.#pinball += Math.max(quantile * error, (quantile - 1) * error);
      }
      this.#magnitude += Math.abs(target);
      if (target >= at(low!) && target <= at(high!)) this.#inside++;
      this.#count++;
    }
  }

  errors(): BacktestErrors {
    return {
      mae: this.#absolute / this.#count,
      wql: (2 * this.#pinball) / QUANTILES.length / this.#magnitude,
      coverage80: this.#inside / this.#count,
      targetCount: this.#count,
    };
  }
}

/** Errors of a model on one channel, from each origin with only what was known there. */
export function backtestChannel(
  segment: Segment,
  channel: string,
  options: {
    readonly model: string;
    readonly horizon: number;
    readonly origins: readonly number[];
    readonly onOrigin?: () => void;
  },
): BacktestErrors {
  const { model, horizon, origins } = options;
  const column = segment.values[segment.channels.indexOf(channel)]!;
  const sum = new ErrorSum();
  for (const origin of origins) {
    const { values } = forecastSeries(prefix(segment, origin), channel, {
      model,
      horizon,
      quantiles: QUANTILES,
      timesNs: segment.timestampsNs.slice(origin, origin + horizon),
    });
    sum.add(column.subarray(origin, origin + horizon), values);
    options.onOrigin?.();
  }
  return sum.errors();
}

/** `backtest`: how well a model would have forecast a file, beside the plainest seasonal one. */
export const backtestCommand: Command = {
  name: "backtest",
  summary: "Forecast a CSV file from past origins, beside seasonal naive",
  usage: "FILE.csv[.gz] [--horizon N] [--origins K] [--model NAME]",
  description:
    "From each of K origins in the last half of the series the next N samples are forecast with\n" +
    "only what was known there. Ratios below 1 are better than seasonal naive.",
  takesPositionals: true,
  options: {
    ...CSV_OPTIONS,
    horizon: {
      type: "string",
      value: "N",
      help: `Samples ahead (default ${HORIZON_DEFAULT}, at most a quarter of the series)`,
    },
    origins: { type: "string", value: "K", help: `Origins (default ${ORIGINS_DEFAULT})` },
    model: { type: "string", value: "NAME", help: `Model (default ${DEFAULT_MODEL})` },
  },
  async run(input, output) {
    const file = onlyFile(input);
    serveShippedWeights();
    const model = input.text("model") ?? DEFAULT_MODEL;
    const asked = input.wholeNumber("horizon", { least: 1, most: FORECAST_TIMES_MAX });
    const count = input.wholeNumber("origins", { least: 1, most: 10_000 }) ?? ORIGINS_DEFAULT;
    const segment = await readSeries(file, csvChoice(input));
    const length = segment.timestampsNs.length;
    const horizon = asked ?? Math.max(1, Math.min(HORIZON_DEFAULT, Math.floor(length / 4)));
    const origins = originsOf(length, horizon, count);
    if (origins.length === 0) {
      throw new UsageError(`${length} samples are too few for a horizon of ${horizon}`);
    }
    const progress = await openProgress("Backtest", output.isProgressShown);
    const total = 2 * origins.length * segment.channels.length;
    let done = 0;
    const onOrigin = () => progress.update(++done, total);
    const channels = segment.channels.map((name) => {
      const question = { horizon, origins, onOrigin };
      const own = backtestChannel(segment, name, { ...question, model });
      const naive = backtestChannel(segment, name, { ...question, model: BASELINE });
      return { name, model: own, [BASELINE]: naive, maeRatio: own.mae / naive.mae };
    });
    progress.stop();
    if (input.isSet("json")) {
      const finite = (_: string, value: unknown) =>
        typeof value === "number" ? numberShape(value) : value;
      output.print(JSON.stringify({ file, model, horizon, origins, channels }, finite));
      return EXIT_OK;
    }
    output.print(`${origins.length} origins, ${horizon} samples ahead, model ${model}`);
    const header = ["channel", "model", "MAE", "WQL", "cover80", "MAE ratio"];
    const row = (name: string, label: string, errors: BacktestErrors, ratio: number) => [
      name,
      label,
      ...[errors.mae, errors.wql, errors.coverage80, ratio].map(formatNumber),
    ];
    output.print(formatTable(
      header,
      channels.flatMap((entry) => [
        row(entry.name, model, entry.model, entry.maeRatio),
        row(entry.name, BASELINE, entry[BASELINE]!, 1),
      ]),
    ));
    return EXIT_OK;
  },
};
