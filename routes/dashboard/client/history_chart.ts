/// <reference lib="dom" />
/** The past of one channel and the fan of its forecast. */
import type { Chart as ChartClass, ChartDataset, Plugin } from "chart.js";
import { chartOptions } from "./chart_options.ts";
import { formatRange, formatValue, type Zone } from "./format.ts";
import { type FanPoint, gapMs, type Mark, nearest, type Point, valueBounds } from "./series.ts";
import { Chart, colours, onThemeChange } from "./theme.ts";

/** What the chart shows. */
export interface HistoryView {
  readonly history: readonly Point[];
  readonly fan: readonly FanPoint[];
  readonly marks: readonly Mark[];
  /** The last sample that the forecast has seen; samples after it may have come since. */
  readonly originMs: number | null;
  /** Start of the time axis; null begins with the first point. */
  readonly fromMs: number | null;
}

const EMPTY: HistoryView = { history: [], fan: [], marks: [], originMs: null, fromMs: null };

/** Places of the lines among the datasets that `#fill` lists. */
const MEDIAN_DATASET = 4;
const HISTORY_DATASET = 5;

/** Samples further apart than this many pixels are drawn as dots. */
const DOT_SPACING = 7;

/** Time shown on either side of the only sample. */
const LONE_POINT_MS = 30_000;

export class HistoryChart {
  readonly #canvas: HTMLCanvasElement;
  readonly #zone: () => Zone;
  readonly #timeOf: (timeMs: number) => string;
  #chart: ChartClass<"line"> | undefined;
  #view = EMPTY;
  /** Time of the sample or forecast that the arrow keys have reached. */
  #cursorMs: number | null = null;
  /** A sample was clicked on, or Enter pressed on it. */
  onPick: (timeMs: number) => void = () => {};
  /** What was read by the arrow keys. */
  onRead: (text: string) => void = () => {};

  constructor(
    canvas: HTMLCanvasElement,
    options: { zone: () => Zone; timeOf: (timeMs: number) => string },
  ) {
    this.#canvas = canvas;
    this.#zone = options.zone;
    this.#timeOf = options.timeOf;
    onThemeChange(() => this.#rebuild());
    canvas.addEventListener("keydown", (event) => this.#onKey(event));
    canvas.addEventListener("blur", () => this.#moveCursor(null));
  }

  show(view: HistoryView): void {
    this.#view = view;
    this.redraw();
  }

  /** Draws again: the zone or the data changed. */
  redraw(): void {
    if (this.#chart === undefined) return this.#rebuild();
    this.#fill(this.#chart);
    this.#chart.update("none");
    // The samples may have moved to other places since.
    if (this.#cursorMs !== null) this.#pointAt(this.#chart, this.#cursorMs);
  }

  /** Reads out the sample or forecast nearest to a time, and moves the focus to the chart. */
  point(timeMs: number): void {
    this.#canvas.focus();
    this.#canvas.scrollIntoView({ block: "center" });
    this.#moveCursor(timeMs);
  }

  #rebuild(): void {
    this.#chart?.destroy();
    const look = colours();
    const options = chartOptions(look, this.#zone);
    options.plugins!.tooltip!.callbacks = {
      title: (items) => items.length === 0 ? "" : this.#timeOf(items[0]!.parsed.x!),
      label: (item) => this.#lines(item.parsed.x!),
    };
    // One label tells everything of its time, so only the first item of a tooltip speaks.
    options.onClick = ({ x }) => this.#pick(this.#chart?.scales["x"]?.getValueForPixel(x ?? NaN));
    options.plugins!.tooltip!.filter = (_item, index) => index === 0;
    this.#chart = new Chart<"line">(this.#canvas, {
      type: "line",
      data: { datasets: [] },
      options,
      plugins: [originLine(() => this.#originMs(), look.quiet)],
    });
    this.redraw();
  }

  #originMs(): number | null {
    return this.#view.fan.length === 0 ? null : this.#view.originMs;
  }

  /** The sample at the origin, where the fan begins; none where it is not shown. */
  #join(): Point[] {
    const { history, originMs } = this.#view;
    const at = originMs === null ? undefined : history[nearest(history, originMs)];
    return at === undefined || at.x !== originMs || at.y === null ? [] : [at];
  }

  #fill(chart: ChartClass<"line">): void {
    const { history, fan, marks, fromMs } = this.#view;
    const look = colours();
    const last = history.findLast((point) => point.y !== null);
    const join = this.#join();
    const bound = (name: keyof Omit<FanPoint, "x">) => [
      ...join,
      ...fan.map((point) => ({ x: point.x, y: point[name] })),
    ];
    const width = chart.chartArea?.width ?? 800;
    const isSparse = (history.length + fan.length) * DOT_SPACING < width;
    const plain = { pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0, borderWidth: 0 };
    const datasets: ChartDataset<"line", Point[]>[] = [
      { ...plain, data: bound("high95"), fill: { target: 1 }, backgroundColor: look.band95 },
      { ...plain, data: bound("low95") },
      { ...plain, data: bound("high80"), fill: { target: 3 }, backgroundColor: look.band80 },
      { ...plain, data: bound("low80") },
      {
        data: bound("median"),
        borderColor: look.accent,
        borderWidth: 2,
        borderDash: [5, 4],
        pointRadius: 0,
      },
      {
        data: [...history],
        borderColor: look.history,
        backgroundColor: look.history,
        borderWidth: 1.5,
        pointRadius: isSparse ? 2 : 0,
        spanGaps: gapMs(history),
      },
      {
        data: marks.map(({ x, y }) => ({ x, y })),
        showLine: false,
        pointRadius: 5.5,
        pointHoverRadius: 7,
        borderWidth: 2,
        borderColor: look.alarm,
        pointBackgroundColor: look.surface,
        pointBorderColor: look.alarm,
        order: -1,
      },
    ];
    chart.data.datasets = datasets as ChartDataset<"line">[];
    const bounds = valueBounds(history, fan, fromMs);
    if (bounds !== null) {
      chart.options.scales!["y"]!.min = bounds.low;
      chart.options.scales!["y"]!.max = bounds.high;
    }
    const x = chart.options.scales!["x"]!;
    const end = Math.max(fan.at(-1)?.x ?? -Infinity, last?.x ?? -Infinity);
    if (fromMs === null) delete x.min;
    else x.min = fromMs;
    if (end === -Infinity) delete x.max;
    else x.max = end;
    // One point alone has no span: the axis would reach back years.
    if (fromMs === null && fan.length === 0 && history.length === 1) {
      x.min = end - LONE_POINT_MS;
      x.max = end + LONE_POINT_MS;
    }
  }

  #lines(x: number): string[] {
    const { history, fan, marks } = this.#view;
    const mark = marks.find((candidate) => candidate.x === x);
    const alarm = mark === undefined ? [] : [`anomaly, score ${mark.score.toFixed(1)}`];
    const at = nearest(history, x);
    if (at >= 0 && history[at]!.x === x) return [formatValue(history[at]!.y), ...alarm];
    const ahead = fan[nearest(fan, x)];
    if (ahead === undefined || ahead.x !== x) return alarm;
    return [
      `median ${formatValue(ahead.median)}`,
      `80 %: ${formatRange([ahead.low80, ahead.high80])}`,
      `95 %: ${formatRange([ahead.low95, ahead.high95])}`,
    ];
  }

  /** Samples and forecasts as one row, as the arrow keys walk over them. */
  #places(): { x: number; dataset: number; index: number }[] {
    const { history, fan } = this.#view;
    // The median's first point joins it to the sample at the origin.
    const joined = this.#join().length;
    return [
      ...history.map(({ x }, index) => ({ x, dataset: HISTORY_DATASET, index })),
      ...fan.map(({ x }, index) => ({ x, dataset: MEDIAN_DATASET, index: index + joined })),
    ].sort((a, b) => a.x - b.x);
  }

  /** Tells of the sample nearest to a time; beyond the last one there is none. */
  #pick(timeMs: number | undefined): void {
    const { history } = this.#view;
    const last = history.at(-1);
    if (timeMs === undefined || last === undefined || timeMs > last.x) return;
    this.onPick(history[nearest(history, timeMs)]!.x);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === "Enter" && this.#cursorMs !== null) return this.#pick(this.#cursorMs);
    const places = this.#places();
    if (places.length === 0) return;
    const last = this.#view.history.at(-1)?.x ?? 0;
    const at = nearest(places, this.#cursorMs ?? last);
    const page = Math.max(1, Math.round(places.length / 20));
    const moves: Record<string, number> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageUp: at - page,
      PageDown: at + page,
      Home: 0,
      End: places.length - 1,
    };
    const next = event.key === "Escape" ? null : moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const index = next === null ? null : Math.min(places.length - 1, Math.max(0, next));
    this.#moveCursor(index === null ? null : places[index]!.x);
  }

  #moveCursor(timeMs: number | null): void {
    this.#cursorMs = timeMs;
    const chart = this.#chart;
    if (chart === undefined) return;
    if (timeMs === null) {
      chart.tooltip?.setActiveElements([], { x: 0, y: 0 });
      chart.update("none");
      return;
    }
    const x = this.#pointAt(chart, timeMs);
    if (x === null) return;
    this.#cursorMs = x;
    this.onRead([this.#timeOf(x), ...this.#lines(x)].join(", "));
  }

  /** Shows what is known of the place nearest to a time; returns its own time. */
  #pointAt(chart: ChartClass<"line">, timeMs: number): number | null {
    const places = this.#places();
    const place = places[nearest(places, timeMs)];
    if (place === undefined) return null;
    const { x = 0, y = 0 } = chart.getDatasetMeta(place.dataset).data[place.index] ?? {};
    chart.tooltip?.setActiveElements([{ datasetIndex: place.dataset, index: place.index }], {
      x,
      y,
    });
    chart.update("none");
    return place.x;
  }
}

/** A thin line where the known ends and the forecast begins. */
function originLine(originMs: () => number | null, colour: string): Plugin<"line"> {
  return {
    id: "origin",
    beforeDatasetsDraw(chart) {
      const time = originMs();
      const x = chart.scales["x"];
      if (time === null || x === undefined || time < x.min || time > x.max) return;
      const at = Math.round(x.getPixelForValue(time)) + 0.5;
      const { ctx, chartArea } = chart;
      ctx.save();
      ctx.strokeStyle = colour;
      ctx.globalAlpha = 0.55;
      ctx.setLineDash([2, 3]);
      ctx.beginPath();
      ctx.moveTo(at, chartArea.top);
      ctx.lineTo(at, chartArea.bottom);
      ctx.stroke();
      ctx.restore();
    },
  };
}
