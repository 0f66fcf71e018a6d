import { InvalidValueError } from "../base/errors.ts";
import { serveShippedWeights } from "../service/weights.ts";
import { DEFAULT_MODEL, MODEL_NAMES, modelNames } from "../models/mod.ts";
import { levelBounds, numberShape, quantileKey } from "../service/shapes.ts";
import { answersShape } from "../service/answer_shapes.ts";
import { type Segment, sliceSegment } from "../signal/segment.ts";
import { formatTimestamp, parseTimestamp } from "../signal/timestamp.ts";
import { AGGREGATES, type DrawRequest } from "../streams/answers.ts";
import { FORECAST_TIMES_MAX } from "../streams/engine.ts";
import {
  type Command,
  type CommandInput,
  type CommandOutput,
  EXIT_FAILED,
  EXIT_OK,
  oneOf,
  UsageError,
} from "./command.ts";
import { forecastSeries, type SeriesForecast } from "./forecast_series.ts";
import { forecastWindows } from "./forecast_windows.ts";
import { openProgress } from "./progress.ts";
import { finiteOption, RANGE_OPTIONS, rangeOf } from "./range_options.ts";
import { SEASON_OPTION, seasonsOf } from "./season_option.ts";
import { fileChoice, FILES_READ, onlyFile, readSeries, SERIES_OPTIONS } from "./series_file.ts";
import { formatDuration, formatNumber, formatTable } from "./table.ts";
import { JOBS_MAX } from "./work_pool.ts";

const HORIZON_DEFAULT = 24;
const LEVELS = [80, 95];
const QUANTILES = Float64Array.from([0.5, ...LEVELS.flatMap(levelBounds)]).sort();

type Forecasts = Record<string, SeriesForecast>;

/** Aggregates and thresholds of one channel. */
function answersOf(name: string, { timesNs, answers }: SeriesForecast) {
  const told = { timesNs, quantiles: QUANTILES, answers: { [name]: answers! } };
  const { aggregates, thresholds } = answersShape(told, LEVELS);
  return { aggregates: aggregates?.[name] ?? [], thresholds: thresholds?.[name] ?? [] };
}

function asJson(file: string, model: string, forecasts: Forecasts): string {
  const keys = [...QUANTILES].map(quantileKey);
  const channels = Object.entries(forecasts).map(([name, forecast]) => [name, {
    periodS: forecast.periodS,
    seasons: forecast.seasonsS,
    forecast: Array.from(forecast.timesNs, (timestampNs, row) => ({
      timestamp: formatTimestamp(timestampNs),
      quantiles: Object.fromEntries(
        keys.map((key, q) => [key, numberShape(forecast.values[row * keys.length + q]!)]),
      ),
    })),
    ...(forecast.answers === undefined ? {} : answersOf(name, forecast)),
  }]);
  return JSON.stringify({ file, model, channels: Object.fromEntries(channels) });
}

/** Columns of the table and of the CSV: median, then both bounds of each level. */
function rowsOf(forecast: SeriesForecast): string[][] {
  const width = QUANTILES.length;
  const order = [0.5, ...LEVELS.flatMap(levelBounds)].map((quantile) =>
    QUANTILES.indexOf(quantile)
  );
  return Array.from(forecast.timesNs, (timestampNs, row) => [
    formatTimestamp(timestampNs),
    ...order.map((q) => formatNumber(forecast.values[row * width + q]!)),
  ]);
}

const HEADER = ["timestamp", "median", "lower80", "upper80", "lower95", "upper95"];

async function writeCsv(path: string, forecasts: Forecasts): Promise<void> {
  const lines = [`channel,${HEADER.join(",")}`];
  for (const [name, forecast] of Object.entries(forecasts)) {
    const quoted = /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
    for (const row of rowsOf(forecast)) lines.push(`${quoted},${row.join(",")}`);
  }
  await Deno.writeTextFile(path, `${lines.join("\n")}\n`);
}

/** What is asked of draws; undefined where nothing is. */
function drawsOf(input: CommandInput): DrawRequest | undefined {
  const aggregates = input.texts("aggregate")
    .map((given) => oneOf("aggregate", given, AGGREGATES));
  const thresholds = input.texts("threshold").map((text) => finiteOption("threshold", text));
  const window = input.wholeNumber("window", { least: 1, most: FORECAST_TIMES_MAX });
  if (window !== undefined && aggregates.length === 0) {
    throw new UsageError("--window is of --aggregate, which is missing");
  }
  if (aggregates.length === 0 && thresholds.length === 0) return undefined;
  const asked = { paths: 0, seed: 0, aggregates, thresholds };
  return window === undefined ? asked : { ...asked, window };
}

/** The answers of draws as lines for people. */
function answerLines({ timesNs, answers }: SeriesForecast): string[] {
  if (answers === undefined) return [];
  const told = { timesNs, quantiles: QUANTILES, answers: { channel: answers } };
  const { aggregates, thresholds } = answersShape(told, LEVELS);
  const shown = (value: number | null) => value === null ? "?" : formatNumber(value);
  const windows = (aggregates?.channel ?? []).map((one) => {
    const [low, high] = one.intervals[String(LEVELS[0])]!;
    return `${one.aggregate} from ${one.from} to ${one.to}: ${shown(one.median)} ` +
      `(${LEVELS[0]} %: ${shown(low)} to ${shown(high)})`;
  });
  const crossings = (thresholds?.channel ?? []).map(
    ({ threshold, direction, crossing, crossed }) => {
      const beyond = `${direction === "up" ? "above" : "below"} ${formatNumber(threshold)}`;
      const when = crossing["0.5"] ?? "not within these times";
      const chance = formatNumber(crossed.at(-1)!);
      return `${beyond}: probability ${chance} at any of these times, median time ${when}`;
    },
  );
  return [...windows, ...crossings];
}

/** The samples up to --as-of. @throws {InvalidValueError} it is no time, or before all samples */
function asOf(input: CommandInput, segment: Segment): Segment {
  const given = input.text("as-of");
  if (given === undefined) return segment;
  const { timestampsNs } = segment;
  const asOfNs = parseTimestamp(given, "ms", "as-of");
  const next = timestampsNs.findIndex((time) => time > asOfNs);
  if (next < 0) return segment;
  if (next > 0) return sliceSegment(segment, 0, next);
  const wanted = `a time from the first sample on, ${formatTimestamp(timestampsNs[0]!)}`;
  throw new InvalidValueError("as-of", given, wanted);
}

async function forecastFile(input: CommandInput, output: CommandOutput): Promise<number> {
  const file = onlyFile(input);
  const model = choiceOf(input, "model", modelNames()) ?? DEFAULT_MODEL;
  const horizon = input.wholeNumber("horizon", { least: 1, most: FORECAST_TIMES_MAX }) ??
    HORIZON_DEFAULT;
  const declaredS = seasonsOf(input);
  const segment = asOf(input, await readSeries(file, fileChoice(input), output.note));
  const { length } = segment.timestampsNs;
  // One sample tells no period, and so no next times.
  if (length < 2) throw new InvalidValueError("samples", length, "at least 2 of them");
  const draws = drawsOf(input);
  const range = rangeOf(input);
  const forecasts: Forecasts = {};
  for (const name of segment.channels) {
    forecasts[name] = forecastSeries(segment, name, {
      ...{ model, horizon, quantiles: QUANTILES, range, seasonsS: declaredS },
      ...(draws === undefined ? {} : { draws }),
    });
  }
  const path = input.text("output");
  if (path !== undefined) await writeCsv(path, forecasts);
  if (input.isSet("json")) {
    output.print(asJson(file, model, forecasts));
  } else if (path === undefined) {
    for (const [name, forecast] of Object.entries(forecasts)) {
      const seasons = forecast.seasonsS.map(formatDuration).join(", ") || "none";
      const told = `seasons ${declaredS.length > 0 ? "declared" : "found"}: ${seasons}`;
      output.print(`${name}: ${length} samples, ${told}`);
      output.print(formatTable(HEADER, rowsOf(forecast)));
      for (const line of answerLines(forecast)) output.print(line);
    }
  }
  return EXIT_OK;
}

function choiceOf<T extends string>(
  input: CommandInput,
  name: string,
  known: readonly T[],
): T | undefined {
  const given = input.text(name);
  return given === undefined ? undefined : oneOf(name, given, known);
}

/** Options that ask about a file; each line of windows says these for itself. */
const FILE_OPTIONS: readonly string[] = [
  ...Object.keys({ ...SERIES_OPTIONS, ...RANGE_OPTIONS, ...SEASON_OPTION }),
  ...["horizon", "as-of", "aggregate", "window", "threshold"],
];

async function forecastMany(
  windows: string,
  input: CommandInput,
  output: CommandOutput,
): Promise<number> {
  const path = input.text("output");
  if (path === undefined) throw new UsageError("--output is missing");
  if (input.positionals.length > 0) throw new UsageError("A file or --windows, not both");
  const alien = FILE_OPTIONS.find((name) => input.texts(name).length > 0);
  if (alien !== undefined) throw new UsageError(`--${alien} is of a file, not of --windows`);
  const progress = await openProgress("Forecasting", output.isProgressShown);
  const options = {
    model: choiceOf(input, "model", modelNames()),
    jobs: input.wholeNumber("jobs", { least: 1, most: JOBS_MAX }),
    hint: choiceOf(input, "hint", ["season", "none"]),
    perturb: choiceOf(input, "perturb", ["none", "jitter", "drop"]),
    seed: input.wholeNumber("seed", { least: 0, most: 2 ** 32 - 1 }),
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const result = await forecastWindows({
    input: windows,
    output: path,
    onProgress: (done, total) => progress.update(done, total),
    ...Object.fromEntries(given),
  });
  progress.stop();
  const { windows: count, failed, msMedian, msMean } = result;
  output.print(
    input.isSet("json")
      ? JSON.stringify({ input: windows, output: path, ...result })
      : `${count} windows, ${failed} failed, ${formatNumber(msMedian)} ms median, ` +
        `${formatNumber(msMean)} ms mean; forecasts are in ${path}`,
  );
  return failed === 0 ? EXIT_OK : EXIT_FAILED;
}

/** `forecast`: a file's next values, or a file of evaluation windows. */
export const forecastCommand: Command = {
  name: "forecast",
  summary: "Forecast a file of samples, or many windows",
  usage: "FILE[.gz] --horizon N | --windows IN.jsonl[.gz] --output OUT.jsonl",
  description: "Prints median, 80 % and 95 % intervals of each channel's next values.\n" +
    `Models: ${MODEL_NAMES.join(", ")},\n` +
    "and the networks that the verb weights lists.\n" + FILES_READ,
  takesPositionals: true,
  options: {
    ...SERIES_OPTIONS,
    horizon: {
      type: "string",
      value: "N",
      help: `Sampling periods ahead (default ${HORIZON_DEFAULT})`,
    },
    model: { type: "string", value: "NAME", help: `Model (default ${DEFAULT_MODEL})` },
    "as-of": { type: "string", value: "TIME", help: "Samples after it are not known yet" },
    aggregate: {
      type: "string",
      isMultiple: true,
      value: "NAME",
      help: `Put together the next values, with an interval: ${AGGREGATES.join(", ")}`,
    },
    window: { type: "string", value: "N", help: "Values of a window of --aggregate (default all)" },
    threshold: {
      type: "string",
      isMultiple: true,
      value: "X",
      help: "Tell when this value is crossed",
    },
    ...RANGE_OPTIONS,
    ...SEASON_OPTION,
    output: { type: "string", value: "OUT", help: "File to write (CSV; JSON lines for windows)" },
    windows: { type: "string", value: "IN.jsonl", help: "Forecast each line's context" },
    jobs: { type: "string", value: "N", help: "Windows: Workers side by side" },
    hint: { type: "string", value: "HOW", help: "Windows: season (by m), or none (found)" },
    perturb: { type: "string", value: "HOW", help: "Windows: none, jitter or drop timestamps" },
    seed: { type: "string", value: "N", help: "Windows: seed of the perturbation" },
  },
  run(input, output) {
    serveShippedWeights();
    const windows = input.text("windows");
    return windows === undefined
      ? forecastFile(input, output)
      : forecastMany(windows, input, output);
  },
};
