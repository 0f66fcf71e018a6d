/** A whole backtest: forecasters on all channels of a series, and what is told of them. */
import { InvalidValueError } from "../../base/errors.ts";
import { modelNames } from "../../models/mod.ts";
import type {
  BacktestOutcome,
  BacktestPicture,
  BacktestReport,
  ForecasterReport,
} from "../../service/backtest_port.ts";
import { checkBacktestLength, originsOf } from "../../service/backtest_origins.ts";
import { numberShape } from "../../service/shapes.ts";
import { serveShippedWeights } from "../../service/weights.ts";
import type { Segment } from "../../signal/segment.ts";
import { formatTimestamp } from "../../signal/timestamp.ts";
import type { BoundsByChannel } from "../../stores/channel_range.ts";
import { drawPicture } from "../evaluate/picture.ts";
import { LEAD_GROUPS } from "../evaluate/score.ts";
import { BASELINE, openSubject, PEER_NAMES, type Subject } from "../evaluate/subject.ts";
import { type ForecasterErrors, measureForecaster } from "./measure.ts";
import { backtestPage, type ChannelBacktest, picturesOf } from "./report.ts";
import { trialAt } from "./trials.ts";

/** What is asked of each origin. */
export interface BacktestPlan {
  /** Samples ahead. */
  readonly horizon: number;
  /** Counts of samples that are known. */
  readonly origins: readonly number[];
  /** Bounds that models are told; default: none. */
  readonly bounds?: BoundsByChannel;
  /** Seasons in seconds that all are told; default: they are found. */
  readonly seasonsS?: readonly number[];
}

/** The models that are asked for, every one where none is, and the peers that are installed. */
export async function subjectsOf(models: readonly string[]): Promise<Subject[]> {
  serveShippedWeights();
  const names = models.length > 0 ? models : modelNames();
  const opened = await Promise.all([...new Set([...names, ...PEER_NAMES])].map(openSubject));
  return opened.filter((subject) => subject !== null);
}

/** @throws {InvalidValueError} too few samples for the horizon */
export function planOf(length: number, horizon: number, count: number): BacktestPlan {
  checkBacktestLength(length, horizon);
  return { horizon, origins: originsOf(length, horizon, count) };
}

function backtestChannel(
  segment: Segment,
  name: string,
  { horizon, origins, bounds = {}, seasonsS = [] }: BacktestPlan,
  subjects: readonly Subject[],
  onOrigin: () => void,
): ChannelBacktest {
  const range = Object.hasOwn(bounds, name) ? bounds[name]! : {};
  const trials = origins.map((origin) => trialAt(segment, name, { origin, horizon, seasonsS }))
    .filter((trial) => trial !== null)
    .map((trial) => ({ ...trial, ...range }))
    .filter(({ target }) => !target.every(Number.isNaN));
  if (trials.length === 0) {
    throw new InvalidValueError("channels", name, "one with values before and after an origin");
  }
  const forecasters = subjects.map((subject) => measureForecaster(subject, trials, onOrigin));
  return { name, trials, forecasters: forecasters.toSorted((a, b) => a.mae - b.mae) };
}

/**
 * Forecasts each channel from every origin by every subject.
 *
 * @param tell  told how many of the forecasts are made
 * @throws {InvalidValueError} a channel has no value before or after any origin
 */
export function runBacktest(
  segment: Segment,
  plan: BacktestPlan,
  subjects: readonly Subject[],
  tell: (done: number, total: number) => void,
): ChannelBacktest[] {
  const total = plan.origins.length * subjects.length * segment.channels.length;
  let done = 0;
  return segment.channels.map((name) =>
    backtestChannel(segment, name, plan, subjects, () => tell(++done, total))
  );
}

/** The forecaster of a channel that ratios are to. */
export function baselineOf({ forecasters }: ChannelBacktest): ForecasterErrors {
  return forecasters.find(({ name }) => name === BASELINE)!;
}

function forecasterReport(
  errors: ForecasterErrors,
  baseline: ForecasterErrors,
  { trials }: ChannelBacktest,
): ForecasterReport {
  const { name, isPeer, mae, wql, cover80, cover95, targetCount, failed, ms } = errors;
  return {
    name,
    isPeer,
    mae: numberShape(mae),
    maeRatio: numberShape(mae / baseline.mae),
    wql: numberShape(wql),
    coverage80: numberShape(cover80),
    coverage95: numberShape(cover95),
    targetCount,
    failed,
    ms,
    byLead: errors.leads.map(({ count, error, inside80 }, group) => ({
      lead: LEAD_GROUPS[group]!,
      count,
      mae: numberShape(error / count),
      coverage80: numberShape(inside80 / count),
    })).filter(({ count }) => count > 0),
    windows: trials.map((trial, i) => ({
      origin: formatTimestamp(trial.startNs + BigInt(Math.round(trial.origin * 1e9))),
      mae: errors.byOrigin[i]!.mase,
      coverage80: errors.byOrigin[i]!.inside80,
    })),
  };
}

/** What is told of a backtest. */
export function backtestReport(
  { horizon, origins }: BacktestPlan,
  channels: readonly ChannelBacktest[],
): BacktestReport {
  return {
    horizon,
    origins: [...origins],
    baseline: BASELINE,
    channels: channels.map((channel) => ({
      name: channel.name,
      forecasters: channel.forecasters.map((one) =>
        forecasterReport(one, baselineOf(channel), channel)
      ),
    })),
  };
}

/** The pictures of each channel as SVG. */
export function backtestPictures(
  channels: readonly ChannelBacktest[],
  shown: string,
): Record<string, Record<BacktestPicture, string>> {
  return Object.fromEntries(channels.map((channel) => {
    const [windows, errors, coverage] = picturesOf(channel, shown).map(drawPicture);
    return [channel.name, { windows: windows!, errors: errors!, coverage: coverage! }];
  }));
}

/** Report, page and pictures of a backtest. */
export function backtestOutcome(
  title: string,
  plan: BacktestPlan,
  channels: readonly ChannelBacktest[],
  shown: string,
): BacktestOutcome {
  return {
    report: backtestReport(plan, channels),
    page: backtestPage(title, channels, { shown, baseline: BASELINE }),
    pictures: backtestPictures(channels, shown),
  };
}
