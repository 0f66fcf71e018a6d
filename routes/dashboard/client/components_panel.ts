/// <reference lib="dom" />
/** The past of a channel taken apart: level, seasons, what passes soon, remainder. */
import type { ChannelComponentsShape } from "./api.ts";
import { byId, el } from "./dom.ts";
import { formatDuration, formatValue } from "./format.ts";
import { linePlot, type PlotLine, rangeOf } from "./line_plot.ts";

const HEIGHT = 64;

/** A drawing of the parts: its name, and its lines. */
export interface PartPlot {
  readonly name: string;
  readonly lines: readonly PlotLine[];
}

/** The parts that say something, in the order in which they are drawn. */
export function partPlots(parts: ChannelComponentsShape): PartPlot[] {
  const xs = parts.timestamps.map((timestamp) => Date.parse(timestamp));
  const line = (kind: string, ys: readonly (number | null)[]): PlotLine => ({ kind, xs, ys });
  const plots: PartPlot[] = [
    {
      name: "Measured, and signal",
      lines: [line("beyond", parts.values), line("crossed", parts.signal)],
    },
    { name: "Level", lines: [line("crossed", parts.level)] },
    ...parts.seasons.map(({ lengthS, values }) => ({
      name: `Season of ${formatDuration(lengthS)}`,
      lines: [line("crossed", values)],
    })),
    { name: "Short-lived", lines: [line("crossed", parts.shortTerm)] },
    { name: "Remainder", lines: [line("beyond", parts.remainder)] },
  ];
  return plots.filter(({ lines }) => {
    const range = rangeOf(lines);
    return range !== null && range[1] > range[0];
  });
}

/** Shows the parts, each over its own range. */
export function showComponents(parts: ChannelComponentsShape): void {
  const figures = partPlots(parts).map(({ name, lines }) => {
    const range = rangeOf(lines)!;
    const [low, high] = range;
    return el(
      "figure",
      { class: "part" },
      el(
        "figcaption",
        {},
        name,
        el("span", { class: "quiet" }, `${formatValue(low)} to ${formatValue(high)}`),
      ),
      linePlot(lines, range, HEIGHT),
    );
  });
  const none = el("p", { class: "none" }, "Nothing moves in the range shown.");
  byId("components").replaceChildren(...(figures.length === 0 ? [none] : figures));
}
