/** A backtest as an HTML page of its own: tables, and pictures of windows, errors and coverage. */
import { formatTimestamp } from "../../signal/timestamp.ts";
import { drawPicture, type Picture } from "../evaluate/picture.ts";
import { LEAD_GROUPS, SCORED_QUANTILES } from "../evaluate/score.ts";
import type { Trial } from "../evaluate/settings.ts";
import { formatNumber } from "../table.ts";
import type { ForecasterErrors } from "./measure.ts";

/** What was measured of one channel. */
export interface ChannelBacktest {
  readonly name: string;
  readonly trials: readonly Trial[];
  /** Best first. */
  readonly forecasters: readonly ForecasterErrors[];
}

/** Heading of the tables. */
export const ERROR_HEADER: readonly string[] = [
  "forecaster",
  "MAE",
  "MAE ratio",
  "WQL",
  "cover 80",
  "cover 95",
  "ms",
  "failed",
];

/** Cells of one forecaster's row; ratios are to another's error. */
export function errorRow(errors: ForecasterErrors, baseline: ForecasterErrors): string[] {
  const { name, mae, wql, cover80, cover95, ms, failed } = errors;
  const figures = [mae, mae / baseline.mae, wql, cover80, cover95, ms];
  const cells = figures.map((value) => formatNumber(Number(value.toPrecision(DIGITS))));
  return [name, ...cells, String(failed)];
}

const DIGITS = 4;
const WIDTH = SCORED_QUANTILES.length;
const [LOW, MEDIAN, HIGH] = [1, 5, 9];
/** Samples of the history that the picture shows at most. */
const HISTORY_MAX = 1500;
const TIME_TICKS = 4;
/** Forecasters that the pictures show. */
const SHOWN_MAX = 5;

function thinned(points: readonly (readonly [number, number])[]) {
  const stride = Math.ceil(points.length / HISTORY_MAX);
  return points.filter((_, i) => (points.length - 1 - i) % stride === 0);
}

function timeTicks(trial: Trial, low: number, high: number): (readonly [number, string])[] {
  return Array.from({ length: TIME_TICKS + 1 }, (_, i) => {
    const slot = low + (high - low) * i / TIME_TICKS;
    const ns = trial.startNs + BigInt(Math.round(slot * trial.slotS * 1e9));
    return [slot, formatTimestamp(ns).slice(0, 16)] as const;
  });
}

/** The newest of the history, and each origin's median and 80 % interval. */
export function windowsPicture(
  { name, trials }: ChannelBacktest,
  { name: model, rows }: ForecasterErrors,
): Picture {
  const newest = trials.at(-1)!;
  const from = trials[0]!.origin - (newest.asked.at(-1)! - trials[0]!.origin) / 4;
  const history: [number, number][] = [];
  newest.slots.forEach((slot, i) => {
    if (slot >= from) history.push([slot, newest.values[i]!]);
  });
  newest.asked.forEach((slot, i) => history.push([slot, newest.target[i]!]));
  const medians: [number, number][] = [];
  const bands = trials.flatMap((trial, origin) => {
    const own = rows[origin];
    if (own === null || own === undefined) return [];
    const at = (lead: number, q: number) => own[lead * WIDTH + q]!;
    // A gap between the forecasts of two origins.
    medians.push([trial.origin, NaN]);
    return [Array.from(trial.asked, (slot, lead) => {
      medians.push([slot, at(lead, MEDIAN)]);
      return [slot, at(lead, LOW), at(lead, HIGH)] as const;
    })];
  });
  return {
    title: `${name}: measured, and forecast by ${model} with its 80 % interval`,
    xLabel: "",
    yLabel: name,
    ticks: timeTicks(newest, history[0]![0], history.at(-1)![0]),
    marks: [],
    bands,
    series: [{ name: "measured", points: thinned(history) }, { name: model, points: medians }],
  };
}

function byLeadPicture(
  { name, forecasters }: ChannelBacktest,
  what: { readonly title: string; readonly marks: readonly number[] },
  figure: (sums: { count: number; error: number; inside80: number }) => number,
): Picture {
  const groups = [...LEAD_GROUPS.keys()].filter((g) => forecasters[0]!.leads[g]!.count > 0);
  return {
    title: `${name}: ${what.title}`,
    xLabel: "lead, sampling periods (first of the group)",
    yLabel: what.title,
    ticks: groups.map((g) => [Math.log2(LEAD_GROUPS[g]!), String(LEAD_GROUPS[g])]),
    marks: what.marks,
    series: forecasters.slice(0, SHOWN_MAX).map(({ name: forecaster, leads }) => ({
      name: forecaster,
      points: groups.map((g) => [Math.log2(LEAD_GROUPS[g]!), figure(leads[g]!)] as const),
    })),
  };
}

/** The pictures of a channel: windows of one forecaster, errors and coverage by lead of several. */
export function picturesOf(channel: ChannelBacktest, shown: string): Picture[] {
  const forecaster = channel.forecasters.find(({ name }) => name === shown) ??
    channel.forecasters[0]!;
  return [
    windowsPicture(channel, forecaster),
    byLeadPicture(
      channel,
      { title: "mean absolute error by lead", marks: [] },
      ({ count, error }) => error / count,
    ),
    byLeadPicture(
      channel,
      { title: "share of targets inside the 80 % interval", marks: [0.8] },
      ({ count, inside80 }) => inside80 / count,
    ),
  ];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function htmlTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return `<table>${line(header, "th")}${rows.map((row) => line(row, "td")).join("\n")}</table>`;
}

const STYLE = "body{font:15px system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}" +
  "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px " +
  "solid #8884}td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}" +
  "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}";

/**
 * The page.
 *
 * @param shown     forecaster whose windows are drawn
 * @param baseline  forecaster whose error the ratios are to
 */
export function backtestPage(
  file: string,
  channels: readonly ChannelBacktest[],
  { shown, baseline }: { readonly shown: string; readonly baseline: string },
): string {
  const sections = channels.map((channel) => {
    const { name, trials, forecasters } = channel;
    const other = forecasters.find((one) => one.name === baseline)!;
    const pictures = picturesOf(channel, shown).map(drawPicture).join("\n");
    return `<h2>${escaped(name)}</h2>\n<p>${trials.length} origins, ${trials[0]!.asked.length} ` +
      `samples ahead; ratios below 1 are better than ${escaped(baseline)}.</p>\n` +
      `${htmlTable(ERROR_HEADER, forecasters.map((one) => errorRow(one, other)))}\n${pictures}`;
  });
  const title = escaped(`Backtest of ${file}`);
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${title}</title>` +
    `<style>${STYLE}</style>\n<h1>${title}</h1>\n${sections.join("\n")}\n</html>\n`;
}
