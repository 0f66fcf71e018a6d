import { DEFAULT_MODEL, modelNames } from "../models/mod.ts";
import { numberShape } from "../service/shapes.ts";
import { serveShippedWeights } from "../service/weights.ts";
import type { Segment } from "../signal/segment.ts";
import { FORECAST_TIMES_MAX } from "../streams/engine.ts";
import { type ForecasterErrors, measureForecaster } from "./backtest/measure.ts";
import { backtestPage, type ChannelBacktest, ERROR_HEADER, errorRow } from "./backtest/report.ts";
import { originsOf, trialAt } from "./backtest/trials.ts";
import { type Command, type CommandInput, EXIT_OK, UsageError } from "./command.ts";
import { LEAD_GROUPS } from "./evaluate/score.ts";
import { BASELINE, openSubject, PEER_NAMES, type Subject } from "./evaluate/subject.ts";
import { openProgress } from "./progress.ts";
import { CSV_OPTIONS, csvChoice, onlyFile, readSeries } from "./series_file.ts";
import { formatTable } from "./table.ts";

const HORIZON_DEFAULT = 24;
const ORIGINS_DEFAULT = 8;
const ORIGINS_MAX = 10_000;

/** The models that are asked for, every one where none is, and the peers that are installed. */
async function subjectsOf(models: readonly string[]): Promise<Subject[]> {
  serveShippedWeights();
  const names = models.length > 0 ? models : modelNames();
  const opened = await Promise.all([...new Set([...names, ...PEER_NAMES])].map(openSubject));
  return opened.filter((subject) => subject !== null);
}

/** What is asked of each origin. */
interface Plan {
  readonly horizon: number;
  readonly origins: readonly number[];
}

function planOf(segment: Segment, input: CommandInput): Plan {
  const asked = input.wholeNumber("horizon", { least: 1, most: FORECAST_TIMES_MAX });
  const count = input.wholeNumber("origins", { least: 1, most: ORIGINS_MAX }) ?? ORIGINS_DEFAULT;
  const length = segment.timestampsNs.length;
  const horizon = asked ?? Math.max(1, Math.min(HORIZON_DEFAULT, Math.floor(length / 4)));
  const origins = originsOf(length, horizon, count);
  if (origins.length === 0) {
    throw new UsageError(`${length} samples are too few for a horizon of ${horizon}`);
  }
  return { horizon, origins };
}

function backtestChannel(
  segment: Segment,
  name: string,
  { horizon, origins }: Plan,
  subjects: readonly Subject[],
  onOrigin: () => void,
): ChannelBacktest {
  const trials = origins.map((origin) => trialAt(segment, name, { origin, horizon }))
    .filter((trial) => trial !== null)
    .filter(({ target }) => !target.every(Number.isNaN));
  if (trials.length === 0) {
    throw new UsageError(`Channel "${name}" has no value before or after any origin`);
  }
  const forecasters = subjects.map((subject) => measureForecaster(subject, trials, onOrigin));
  return { name, trials, forecasters: forecasters.toSorted((a, b) => a.mae - b.mae) };
}

function baselineOf({ forecasters }: ChannelBacktest): ForecasterErrors {
  return forecasters.find(({ name }) => name === BASELINE)!;
}

function jsonOf(file: string, { horizon, origins }: Plan, channels: readonly ChannelBacktest[]) {
  const shape = (errors: ForecasterErrors, baseline: ForecasterErrors) => {
    const { name, isPeer, mae, wql, cover80, cover95, targetCount, failed, ms, leads } = errors;
    return {
      name,
      isPeer,
      mae,
      maeRatio: mae / baseline.mae,
      wql,
      coverage80: cover80,
      coverage95: cover95,
      targetCount,
      failed,
      ms,
      byLead: leads.map(({ count, error, inside80 }, group) => ({
        lead: LEAD_GROUPS[group],
        count,
        mae: error / count,
        coverage80: inside80 / count,
      })).filter(({ count }) => count > 0),
    };
  };
  const finite = (_: string, value: unknown) =>
    typeof value === "number" ? numberShape(value) : value;
  return JSON.stringify(
    {
      file,
      horizon,
      origins,
      baseline: BASELINE,
      channels: channels.map((channel) => ({
        name: channel.name,
        forecasters: channel.forecasters.map((one) => shape(one, baselineOf(channel))),
      })),
    },
    finite,
  );
}

/** `backtest`: how well every model would have forecast a file, beside what others would pick. */
export const backtestCommand: Command = {
  name: "backtest",
  summary: "Forecast a CSV file from past origins, beside naive forecasts and peers",
  usage: "FILE.csv[.gz] [--horizon N] [--origins K] [--model NAME]… [--html PAGE.html]",
  description:
    "From each of K origins in the last half of the series the next N samples are forecast with\n" +
    "only what was known there: by the committee and its members, by the last value, by the\n" +
    "last season, and by MSTL+ETS and ETS of the npm package @bsull/augurs where it is there.\n" +
    `Ratios below 1 are better than ${BASELINE}. Peers see gaps filled by straight lines, and\n` +
    "are told the season that was found.",
  takesPositionals: true,
  options: {
    ...CSV_OPTIONS,
    horizon: {
      type: "string",
      value: "N",
      help: `Samples ahead (default ${HORIZON_DEFAULT}, at most a quarter of the series)`,
    },
    origins: { type: "string", value: "K", help: `Origins (default ${ORIGINS_DEFAULT})` },
    model: { type: "string", isMultiple: true, value: "NAME", help: "Model (default: all)" },
    html: { type: "string", value: "FILE", help: "Write tables and pictures as a page" },
  },
  async run(input, output) {
    const file = onlyFile(input);
    const models = input.texts("model");
    const segment = await readSeries(file, csvChoice(input));
    const plan = planOf(segment, input);
    const subjects = await subjectsOf(models);
    const progress = await openProgress("Backtest", output.isProgressShown);
    const total = plan.origins.length * subjects.length * segment.channels.length;
    let done = 0;
    const channels = segment.channels.map((name) =>
      backtestChannel(segment, name, plan, subjects, () => progress.update(++done, total))
    );
    progress.stop();
    const page = input.text("html");
    if (page !== undefined) {
      const shown = models[0] ?? DEFAULT_MODEL;
      const names = { shown, baseline: BASELINE };
      await Deno.writeTextFile(page, backtestPage(file, channels, names));
    }
    if (input.isSet("json")) {
      output.print(jsonOf(file, plan, channels));
      return EXIT_OK;
    }
    output.print(`${plan.origins.length} origins, ${plan.horizon} samples ahead`);
    for (const channel of channels) {
      const rows = channel.forecasters.map((one) => errorRow(one, baselineOf(channel)));
      output.print(`\n${channel.name}\n${formatTable(ERROR_HEADER, rows)}`);
    }
    if (page !== undefined) output.print(`\nThe page is ${page}`);
    return EXIT_OK;
  },
};
