import { InvalidValueError } from "../base/errors.ts";
import { DEFAULT_MODEL, modelNamed } from "../models/mod.ts";
import type { Perturbation, SeasonHint, WindowForecast, WindowTask } from "./window_forecast.ts";
import { parseWindow } from "./window.ts";
import { JOBS_MAX, shareWork } from "./work_pool.ts";

/** What to forecast, and how. */
export interface ForecastWindowsOptions {
  /** Windows, one JSON object a line; inflated where the name ends in `.gz`. */
  readonly input: string;
  /** Receives one forecast a line, in the order of the input. */
  readonly output: string;
  readonly model?: string;
  /** Workers side by side. */
  readonly jobs?: number;
  /** Whether the window's `m` is declared as the season, or seasons are found. */
  readonly hint?: SeasonHint;
  /** What is done to the context's timestamps first. */
  readonly perturb?: Perturbation;
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** How a run went. */
export interface ForecastWindowsResult {
  readonly windows: number;
  readonly failed: number;
  /** Median and mean time of a window, fit and forecast, in milliseconds. */
  readonly msMedian: number;
  readonly msMean: number;
}

/** Windows of one file. */
export const WINDOWS_MAX = 1_000_000;

/**
 * The lines of a file that are not blank; inflated where the name ends in `.gz`.
 *
 * @throws {InvalidValueError} more than a million lines
 */
export async function readLines(path: string): Promise<string[]> {
  const file = await Deno.open(path);
  const bytes = path.endsWith(".gz")
    ? file.readable.pipeThrough(new DecompressionStream("gzip"))
    : file.readable;
  const lines: string[] = [];
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    for (const line of parts) if (line.trim() !== "") lines.push(line);
    if (lines.length > WINDOWS_MAX) {
      throw new InvalidValueError("windows", lines.length, `at most ${WINDOWS_MAX} lines`);
    }
  }
  if (rest.trim() !== "") lines.push(rest);
  return lines;
}

/**
 * Forecasts every window of a file: the format of the evaluation kit.
 *
 * A line in holds `id, freq, m, h, context`; a line out holds `id, model, q` (11 arrays of h
 * numbers: the quantiles 0.025, 0.1 … 0.9, 0.975) and `ms`. A window's `target` is never read. Each
 * context is written as CSV and read by the CSV protocol, so perturbed timestamps go the way that
 * any file goes. A window that cannot be forecast has `q: null` and says why.
 *
 * @throws {InvalidValueError} an unknown model, a line that is no window, too many workers
 */
export async function forecastWindows(
  options: ForecastWindowsOptions,
): Promise<ForecastWindowsResult> {
  const model = options.model ?? DEFAULT_MODEL;
  modelNamed(model);
  const jobs = options.jobs ?? 1;
  if (!(Number.isInteger(jobs) && jobs >= 1 && jobs <= JOBS_MAX)) {
    throw new InvalidValueError("jobs", jobs, `a whole number from 1 to ${JOBS_MAX}`);
  }
  const tasks = (await readLines(options.input)).map((line, index): WindowTask => ({
    window: parseWindow(line, index + 1),
    model,
    hint: options.hint ?? "season",
    perturb: options.perturb ?? "none",
    seed: options.seed ?? 1,
  }));
  const results: WindowForecast[] = new Array(tasks.length);
  let done = 0;
  await shareWork<WindowTask, WindowForecast>({
    open: () =>
      new Worker(new URL("./forecast_windows_worker.ts", import.meta.url), { type: "module" }),
    jobs,
    work: tasks,
    onDone(index, forecast) {
      results[index] = forecast;
      options.onProgress?.(++done, tasks.length);
    },
  });
  const lines = results.map((result) => JSON.stringify(result));
  await Deno.writeTextFile(options.output, lines.length > 0 ? lines.join("\n") + "\n" : "");
  const times = Float64Array.from(results, (result) => result.ms).sort();
  return {
    windows: results.length,
    failed: results.filter((result) => result.q === null).length,
    msMedian: times.length > 0 ? times[times.length >> 1]! : NaN,
    msMean: times.reduce((sum, ms) => sum + ms, 0) / times.length,
  };
}
