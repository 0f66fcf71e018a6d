/// <reference lib="dom" />
/** The loss of a training over its steps. */
import type { Chart as ChartClass, ChartDataset } from "chart.js";
import { chartOptions } from "./chart_options.ts";
import { formatCount, formatValue } from "./format.ts";
import { Chart, colours, onThemeChange } from "./theme.ts";

/** A loss after a step. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export class LossChart {
  readonly #canvas: HTMLCanvasElement;
  #chart: ChartClass<"line"> | undefined;
  #training: readonly LossPoint[] = [];
  #evaluations: readonly LossPoint[] = [];

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    onThemeChange(() => this.#rebuild());
  }

  show(training: readonly LossPoint[], evaluations: readonly LossPoint[]): void {
    this.#training = training;
    this.#evaluations = evaluations;
    if (this.#chart === undefined) return this.#rebuild();
    this.#fill(this.#chart);
  }

  #description(): string {
    const last = this.#training.at(-1);
    if (last === undefined) return "No loss yet";
    const first = this.#training[0]!;
    return `Loss from ${formatValue(first.loss)} to ${formatValue(last.loss)} at step ${last.step}`;
  }

  #rebuild(): void {
    this.#chart?.destroy();
    const look = colours();
    const options = chartOptions(look, () => "utc");
    options.scales!["x"] = {
      type: "linear",
      bounds: "data",
      border: { color: look.line },
      grid: { color: look.line, drawTicks: false, drawOnChartArea: false },
      ticks: { color: look.quiet, maxRotation: 0, padding: 8, precision: 0 },
    };
    options.plugins!.tooltip!.callbacks = {
      title: (items) => items.length === 0 ? "" : `step ${formatCount(items[0]!.parsed.x!)}`,
      label: (item) => formatValue(item.parsed.y),
    };
    this.#chart = new Chart<"line">(this.#canvas, {
      type: "line",
      data: { datasets: [] },
      options,
    });
    this.#fill(this.#chart);
  }

  #fill(chart: ChartClass<"line">): void {
    const look = colours();
    const line = (points: readonly LossPoint[]): ChartDataset<"line">["data"] =>
      points.map(({ step, loss }) => ({ x: step, y: loss }));
    chart.data.datasets = [
      {
        data: line(this.#training),
        borderColor: look.history,
        borderWidth: 1.5,
        pointRadius: this.#training.length === 1 ? 2 : 0,
      },
      {
        data: line(this.#evaluations),
        borderColor: look.accent,
        borderWidth: 1.5,
        borderDash: [4, 3],
        pointRadius: 2.5,
        pointBackgroundColor: look.accent,
      },
    ];
    chart.update("none");
    this.#canvas.setAttribute("aria-label", this.#description());
  }
}
