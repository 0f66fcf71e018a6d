/// <reference lib="dom" />
/** What the next values come to together, and when they cross a threshold. */
import type { AggregateShape, AnswersShape, ThresholdShape } from "./api.ts";
import { byId, el } from "./dom.ts";
import { decimalsFor, formatFixed, formatRange, formatShare, formatValue } from "./format.ts";
import { linePlot } from "./line_plot.ts";
import { type Column, showTable } from "./table.ts";

type TimeOf = (timeMs: number) => string;

const NAMES = { total: "Total", mean: "Mean", max: "Highest", min: "Lowest" } as const;
const PLOT_HEIGHT = 90;

/** Cells of an aggregate's row: name, median, intervals of 80 and 95 %. */
export function aggregateCells({ aggregate, median, intervals }: AggregateShape): string[] {
  const [low, high] = intervals["80"] ?? [null, null];
  const decimals = decimalsFor((high ?? NaN) - (low ?? NaN));
  return [
    NAMES[aggregate],
    formatFixed(median, decimals),
    formatRange(intervals["80"], decimals),
    formatRange(intervals["95"], decimals),
  ];
}

/** What is known of a threshold, in words. */
export function crossingText(answer: ThresholdShape, timeOf: TimeOf): string {
  const { threshold, direction, crossed, probability, crossing } = answer;
  const side = direction === "up" ? "above" : "below";
  const share = crossed.at(-1) ?? 0;
  const most = probability.reduce((a, b) => Math.max(a, b), 0);
  const by = (key: string) => {
    const time = crossing[key] ?? null;
    return time === null ? null : timeOf(Date.parse(time));
  };
  const [early, even] = [by("0.1"), by("0.5")];
  const times = [
    ...(early === null ? [] : [`10 % by ${early}`]),
    ...(even === null ? [] : [`half by ${even}`]),
  ];
  const when = times.length === 0 ? "" : ` (${times.join(", ")})`;
  return `Passes ${side} ${formatValue(threshold)} in these times with probability ` +
    `${formatShare(share)}${when}; lies ${side} it at any one time with ${
      formatShare(most)
    } at most.`;
}

/** The columns of {@linkcode aggregateCells}. */
const COLUMNS: readonly Column<readonly string[]>[] = [
  { heading: "Of all times ahead", namesRow: true, cell: ([name]) => name! },
  { heading: "Median", kind: "num strong", cell: ([, median]) => median! },
  { heading: "80 %", kind: "num", cell: ([, , likely]) => likely! },
  { heading: "95 %", kind: "num", cell: ([, , , wide]) => wide! },
];

/** Shows what was answered; the threshold's part is empty where none was asked. */
export function showAnswers(
  answers: AnswersShape & { readonly timestamps: readonly string[] },
  channel: string,
  timeOf: TimeOf,
): void {
  const aggregates = answers.aggregates?.[channel] ?? [];
  showTable("answers-table", COLUMNS, aggregates.map(aggregateCells), { none: "No totals" });
  const asked = answers.thresholds?.[channel]?.[0];
  if (asked === undefined) return byId("crossing").replaceChildren();
  const xs = answers.timestamps.map((timestamp) => Date.parse(timestamp));
  const lines = [
    { kind: "crossed", xs, ys: asked.crossed },
    { kind: "beyond", xs, ys: asked.probability },
  ];
  byId("crossing").replaceChildren(
    el("p", {}, crossingText(asked, timeOf)),
    linePlot(lines, [0, 1], PLOT_HEIGHT),
    el(
      "ul",
      { class: "key", "aria-label": "Key" },
      el("li", {}, el("i", { class: "k-crossed" }), "has passed by then, 0 to 100 %"),
      el("li", {}, el("i", { class: "k-beyond" }), "lies beyond it then"),
    ),
  );
}
