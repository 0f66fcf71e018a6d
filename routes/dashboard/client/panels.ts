/// <reference lib="dom" />
/** The parts of a stream's page that are text: tiles, tables, bars. */
import type { AnomalyShape, ForecastPointShape, ForecastShape, StreamStateShape } from "./api.ts";
import { byId, el, tile } from "./dom.ts";
import {
  decimalsFor,
  formatBytes,
  formatCount,
  formatDuration,
  formatFixed,
  formatQuantity,
  formatRange,
  formatShare,
  formatValue,
} from "./format.ts";
import { type Column, showTable } from "./table.ts";

type TimeOf = (timeMs: number) => string;

/** The row of figures under the heading. */
export function showTiles(
  stream: StreamStateShape,
  channel: string,
  options: {
    readonly lastValue: number | null;
    readonly forecast: ForecastShape | null;
    /** Whether the forecast is not that of all that is known now. */
    readonly isThen: boolean;
    readonly alarmCount: string;
    readonly timeOf: TimeOf;
  },
): void {
  const { lastValue, forecast, isThen, alarmCount, timeOf } = options;
  const unit = stream.labels["unit"];
  const own = stream.perChannel[channel];
  const next = forecast?.channels[channel]?.[0];
  const seasons = (own?.seasons ?? stream.seasons).slice(0, 3).map(formatDuration);
  const coverage = (own?.coverage ?? stream.coverage).find(({ level }) => isLevel(level, 80));
  const last = stream.lastTimestamp;
  byId("tiles").replaceChildren(
    tile(
      "Last value",
      formatQuantity(lastValue, unit),
      last === null ? null : timeOf(Date.parse(last)),
    ),
    tile(
      isThen ? "Next value, then" : "Next value",
      formatQuantity(next?.median, unit),
      next === undefined ? null : `80 %: ${formatRange(next.intervals["80"])}`,
    ),
    tile("Samples", formatCount(stream.sampleCount), `one in ${formatDuration(stream.periodS)}`),
    tile("Seasons found", seasons.length === 0 ? "none" : seasons.join(", ")),
    tile(
      "Coverage of 80 %",
      formatShare(coverage?.value ?? null),
      coverage === undefined ? null : `${formatCount(coverage.count)} forecasts checked`,
    ),
    tile("Anomalies", alarmCount, "in the range shown"),
  );
}

/** Levels come as shares or in per cent. */
function isLevel(level: number, percent: number): boolean {
  return Math.abs((level <= 1 ? level * 100 : level) - percent) < 1e-6;
}

/** The forecast as a table, which a screen reader can read. */
export function showForecast(
  forecast: ForecastShape | null,
  channel: string,
  timeOf: TimeOf,
): void {
  const points = forecast?.channels[channel] ?? [];
  const [low, high] = points[0]?.intervals["80"] ?? [null, null];
  const decimals = decimalsFor((high ?? NaN) - (low ?? NaN));
  const columns: readonly Column<ForecastPointShape>[] = [
    { heading: "Time", cell: ({ timestamp }) => timeOf(Date.parse(timestamp)) },
    {
      heading: "Median",
      kind: "num strong",
      cell: ({ median }) => formatFixed(median, decimals),
    },
    {
      heading: "80 %",
      kind: "num",
      cell: ({ intervals }) => formatRange(intervals["80"], decimals),
    },
    {
      heading: "95 %",
      kind: "num quiet",
      cell: ({ intervals }) => formatRange(intervals["95"], decimals),
    },
  ];
  const none = "No forecast yet: it needs a few samples.";
  showTable("forecast-table", columns, points, { none });
  byId("forecast-origin").textContent = forecast === null
    ? ""
    : `from ${timeOf(Date.parse(forecast.origin))}`;
}

/** Value and expectation of an alarm in one channel, where the alarm names it. */
export function alarmValues(
  anomaly: AnomalyShape,
  channel: string,
): { value: number | null; expected: number | null } {
  const at = anomaly.channels.indexOf(channel);
  return { value: anomaly.values[at] ?? null, expected: anomaly.expected[at] ?? null };
}

/** Alarms, newest first; a press on a time shows it in the chart. */
export function showAnomalies(
  anomalies: readonly AnomalyShape[],
  channel: string,
  options: { readonly timeOf: TimeOf; readonly picked: (timeMs: number) => void },
): void {
  const { timeOf, picked } = options;
  const columns: readonly Column<AnomalyShape>[] = [
    {
      heading: "Time",
      cell({ timestamp }) {
        const timeMs = Date.parse(timestamp);
        const button = el("button", { type: "button" }, timeOf(timeMs));
        button.addEventListener("click", () => picked(timeMs));
        return button;
      },
    },
    {
      heading: "Value",
      kind: "num strong",
      cell: (anomaly) => formatValue(alarmValues(anomaly, channel).value),
    },
    {
      heading: "Expected",
      kind: "num",
      cell: (anomaly) => formatValue(alarmValues(anomaly, channel).expected),
    },
    { heading: "Score", kind: "num alarm", cell: ({ score }) => score.toFixed(1) },
  ];
  const none = "None in the range shown.";
  showTable("anomalies-table", columns, anomalies.toReversed(), { none });
  byId("anomalies-count").textContent = anomalies.length === 0 ? "" : formatCount(anomalies.length);
}

function bars(title: string, rows: readonly HTMLLIElement[]): HTMLElement {
  return el("div", { class: "bars" }, el("h3", {}, title), el("ul", {}, ...rows));
}

function bar(name: string, share: number, text: string, mark: number | null): HTMLLIElement {
  const fill = el("span", { class: "fill" });
  fill.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  const track = el("span", { class: "track", "aria-hidden": "true" }, fill);
  if (mark !== null) {
    const line = el("span", { class: "mark" });
    line.style.left = `calc(${100 * mark}% - 1px)`;
    track.append(line);
  }
  return el("li", {}, el("span", {}, name), track, el("span", { class: "num" }, text));
}

/** How the intervals held so far, and which member of the committee has the say. */
export function showModel(stream: StreamStateShape, channel: string): void {
  const own = stream.perChannel[channel];
  byId("model-name").textContent = stream.model;
  const unit = stream.labels["unit"];
  const coverage = (own?.coverage ?? [])
    .filter(({ value, count }) => value !== null && count > 0)
    .map(({ level, value, width }) => {
      const wanted = level <= 1 ? level : level / 100;
      const name = `${Math.round(wanted * 100)} %, ${formatQuantity(width, unit)} wide`;
      return bar(name, value!, formatShare(value), wanted);
    });
  byId("coverage").replaceChildren(
    coverage.length === 0
      ? el("p", { class: "none" }, "Coverage is known once forecasts have met their samples.")
      : bars("Live coverage; the mark is the level asked for", coverage),
  );
  const weights = Object.entries(own?.weights ?? {})
    .filter(([, weight]) => weight >= 0.0005)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 8)
    .map(([name, weight]) => bar(name, weight, formatShare(weight), null));
  byId("weights").replaceChildren(
    ...(weights.length === 0 ? [] : [bars("Weights of the committee", weights)]),
  );
}

/** What the answers on this page were computed from. */
export function showProof(stream: StreamStateShape, timeOf: TimeOf): void {
  const entries: [string, string | HTMLElement][] = [
    ["Model hash", el("code", {}, stream.modelHash)],
    ["State hash", el("code", {}, stream.stateHash)],
    ["State", formatBytes(stream.stateBytes)],
    [
      "Log",
      `${formatCount(stream.logOffset)} samples stored, ` +
      `${formatCount(stream.appliedOffset)} absorbed in order`,
    ],
    ["Created", timeOf(Date.parse(stream.createdAt))],
  ];
  byId("proof").replaceChildren(
    ...entries.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}
