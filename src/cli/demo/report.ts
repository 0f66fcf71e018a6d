import { formatTable } from "../table.ts";
import type { DemoResult } from "./replay.ts";

/** Anomalies that are listed, the rarest; all are counted. */
const SHOWN_ANOMALIES = 6;

function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  const decimals = Math.abs(value) >= 1_000 ? 1 : 2;
  return value.toLocaleString("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

function interval(bounds: readonly (number | null)[] | undefined): string {
  return `${number(bounds?.[0])} … ${number(bounds?.[1])}`;
}

function share(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** `2010-12-31T08:00:00Z` as `2010-12-31 08:00`, midnight as the date alone. */
function time(timestamp: string): string {
  const [date, clock] = timestamp.split("T");
  return clock === "00:00:00Z" ? date! : `${date} ${clock!.slice(0, 5)}`;
}

/** Indented, so that the headings of the series stand out. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return formatTable(header, rows).replaceAll(/^/gm, "    ");
}

function forecastTable({ forecast }: DemoResult): string {
  return table(
    ["Time (UTC)", "Median", "80 % interval", "95 % interval"],
    forecast.map(({ timestamp, median, intervals }) => [
      time(timestamp),
      number(median),
      interval(intervals["80"]),
      interval(intervals["95"]),
    ]),
  );
}

function anomalyTable({ anomalies, channel }: DemoResult): string {
  const shown = anomalies
    .toSorted((a, b) => (a.p ?? 1) - (b.p ?? 1))
    .slice(0, SHOWN_ANOMALIES)
    .toSorted((a, b) => a.timestamp < b.timestamp ? -1 : 1);
  return table(
    ["Anomaly (UTC)", "Value", "Expected", "Reason", "p"],
    shown.map(({ timestamp, channels, values, expected, reason, p }) => {
      const at = Math.max(0, channels.indexOf(channel));
      const sample = [time(timestamp), number(values[at]), number(expected[at])];
      return [...sample, reason ?? "-", p?.toExponential(0) ?? "-"];
    }),
  );
}

/** What the replay of one series showed, as text. */
export function reportOf(result: DemoResult): string {
  const { backtest: score, anomalies } = result;
  const against = (1 - score.mase / score.seasonalNaiveMase) * 100;
  const lines = [
    `${result.title} (stream ${result.id})`,
    `  Source: ${result.source}. Licence: ${result.licence}.`,
    `  ${result.sampleCount.toLocaleString("en")} samples of ${result.channel} [${result.unit}], ` +
    `${time(result.firstTimestamp)} to ${time(result.lastTimestamp)}, ` +
    `replayed in ${result.elapsedS.toFixed(1)} s.`,
    "",
    forecastTable(result),
    "",
    `  Held out: ${score.origins} origins, ${score.horizon} leads each, each forecast before it ` +
    `was sent.`,
    `  MASE ${score.mase.toFixed(3)}; seasonal naive (season of ${result.seasonLength}) ` +
    `${score.seasonalNaiveMase.toFixed(3)}; last value ${score.lastValueMase.toFixed(3)}. ` +
    `${Math.abs(against).toFixed(0)} % ${against >= 0 ? "below" : "above"} seasonal naive.`,
    `  Coverage: ${share(score.coverage80)} inside the 80 % interval, ` +
    `${share(score.coverage95)} inside the 95 % interval.`,
    "",
  ];
  if (anomalies.length === 0) lines.push("  No anomaly was flagged.", "");
  else {
    const most = anomalies.length > SHOWN_ANOMALIES ? `, the ${SHOWN_ANOMALIES} rarest:` : ":";
    const noun = anomalies.length === 1 ? "anomaly" : "anomalies";
    lines.push(
      `  ${anomalies.length} ${noun} flagged${most}`,
      anomalyTable(result),
      "  p: how often a clean stream has such an alarm, a sample.",
      "",
    );
  }
  return lines.join("\n");
}
