import { InvalidValueError } from "../base/errors.ts";
import { DEFAULT_MODEL } from "../models/mod.ts";
import { FORECAST_TIMES_MAX } from "../streams/engine.ts";
import { backtestPage, type ChannelBacktest, ERROR_HEADER, errorRow } from "./backtest/report.ts";
import {
  backtestPictures,
  type BacktestPlan,
  backtestReport,
  baselineOf,
  planOf,
  runBacktest,
  subjectsOf,
} from "./backtest/run.ts";
import { type Command, type CommandInput, EXIT_OK, oneOf, UsageError } from "./command.ts";
import { BASELINE, openableNames } from "./evaluate/subject.ts";
import { openProgress } from "./progress.ts";
import { RANGE_OPTIONS, rangeOf } from "./range_options.ts";
import { SEASON_OPTION, seasonsOf } from "./season_option.ts";
import { fileChoice, FILES_READ, onlyFile, readSeries, SERIES_OPTIONS } from "./series_file.ts";
import { formatTable } from "./table.ts";

const HORIZON_DEFAULT = 24;
const ORIGINS_DEFAULT = 8;
const ORIGINS_MAX = 10_000;

function planFrom(length: number, input: CommandInput): BacktestPlan {
  const asked = input.wholeNumber("horizon", { least: 1, most: FORECAST_TIMES_MAX });
  const count = input.wholeNumber("origins", { least: 1, most: ORIGINS_MAX }) ?? ORIGINS_DEFAULT;
  const horizon = asked ?? Math.max(1, Math.min(HORIZON_DEFAULT, Math.floor(length / 4)));
  try {
    return planOf(length, horizon, count);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new UsageError(error.message);
    throw error;
  }
}

/** Writes each picture to a file of its own; names of channels become names of files. */
async function writePictures(
  folder: string,
  channels: readonly ChannelBacktest[],
  shown: string,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, pictures] of Object.entries(backtestPictures(channels, shown))) {
    const own = name.replace(/[^\w.-]+/g, "_");
    for (const [kind, svg] of Object.entries(pictures)) {
      await Deno.writeTextFile(`${folder}/${own}_${kind}.svg`, svg);
    }
  }
}

/** `backtest`: how well every model would have forecast a file, beside what others would pick. */
export const backtestCommand: Command = {
  name: "backtest",
  summary: "Forecast a file from past origins, beside naive forecasts and peers",
  usage: "FILE[.gz] [--horizon N] [--origins K] [--model NAME]… [--lower X] [--upper X] " +
    "[--season LENGTH]… [--html PAGE.html] [--svg FOLDER]",
  description:
    "From each of K origins in the last half of the series the next N samples are forecast with\n" +
    "only what was known there: by the committee and its members, by the last value, by the\n" +
    "last season, and by MSTL+ETS and ETS of the npm package @bsull/augurs where it is there.\n" +
    `Ratios below 1 are better than ${BASELINE}. Peers see gaps filled by straight lines, and\n` +
    "are told the season that was found, or the shortest that is declared.\n" + FILES_READ,
  takesPositionals: true,
  options: {
    ...SERIES_OPTIONS,
    horizon: {
      type: "string",
      value: "N",
      help: `Samples ahead (default ${HORIZON_DEFAULT}, at most a quarter of the series)`,
    },
    origins: { type: "string", value: "K", help: `Origins (default ${ORIGINS_DEFAULT})` },
    model: { type: "string", isMultiple: true, value: "NAME", help: "Model (default: all)" },
    ...RANGE_OPTIONS,
    ...SEASON_OPTION,
    html: { type: "string", value: "FILE", help: "Write tables and pictures as a page" },
    svg: { type: "string", value: "FOLDER", help: "Write each picture as a file there" },
  },
  async run(input, output) {
    const file = onlyFile(input);
    const models = input.texts("model").map((name) => oneOf("model", name, openableNames()));
    const seasonsS = seasonsOf(input);
    const segment = await readSeries(file, fileChoice(input), output.note);
    const range = rangeOf(input);
    const bounds = Object.fromEntries(segment.channels.map((name) => [name, range]));
    const plan = { ...planFrom(segment.timestampsNs.length, input), bounds, seasonsS };
    const subjects = await subjectsOf(models);
    const progress = await openProgress("Backtest", output.isProgressShown);
    const channels = runBacktest(
      segment,
      plan,
      subjects,
      (done, total) => progress.update(done, total),
    );
    progress.stop();
    const shown = models[0] ?? DEFAULT_MODEL;
    const page = input.text("html");
    if (page !== undefined) {
      await Deno.writeTextFile(page, backtestPage(file, channels, { shown, baseline: BASELINE }));
    }
    const pictures = input.text("svg");
    if (pictures !== undefined) await writePictures(pictures, channels, shown);
    if (input.isSet("json")) {
      output.print(JSON.stringify({ file, ...backtestReport(plan, channels) }));
      return EXIT_OK;
    }
    output.print(`${plan.origins.length} origins, ${plan.horizon} samples ahead`);
    for (const channel of channels) {
      const rows = channel.forecasters.map((one) => errorRow(one, baselineOf(channel)));
      output.print(`\n${channel.name}\n${formatTable(ERROR_HEADER, rows)}`);
    }
    output.print(
      `\nMAE ratio: to ${BASELINE}, below 1 is better. cover: share of values inside the 80\n` +
        "and 95 % intervals. ms: of one forecast. failed: forecasts that were refused.",
    );
    if (page !== undefined) output.print(`\nThe page is ${page}`);
    if (pictures !== undefined) output.print(`\nThe pictures are in ${pictures}`);
    return EXIT_OK;
  },
};
