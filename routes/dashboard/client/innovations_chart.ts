/// <reference lib="dom" />
/** One-step errors in standard deviations: white and inside the band when the model is right. */
import type { Chart as ChartClass, ChartDataset, Plugin } from "chart.js";
import { chartOptions } from "./chart_options.ts";
import type { Zone } from "./format.ts";
import type { Innovation } from "./series.ts";
import { Chart, colours, onThemeChange } from "./theme.ts";

/** Half the band: 95 % of a standard normal. */
const BAND = 1.96;
/** Errors beyond are drawn at the edge, so that one of them does not flatten the rest. */
const SHOWN_MAX = 6;

/** Clamps to what the panel shows. */
export function shownInnovation(z: number): number {
  return Math.max(-SHOWN_MAX, Math.min(SHOWN_MAX, z));
}

export class InnovationsChart {
  readonly #canvas: HTMLCanvasElement;
  readonly #zone: () => Zone;
  readonly #timeOf: (timeMs: number) => string;
  #chart: ChartClass<"line"> | undefined;
  #innovations: readonly Innovation[] = [];

  constructor(
    canvas: HTMLCanvasElement,
    options: { zone: () => Zone; timeOf: (timeMs: number) => string },
  ) {
    this.#canvas = canvas;
    this.#zone = options.zone;
    this.#timeOf = options.timeOf;
    onThemeChange(() => this.#rebuild());
  }

  show(innovations: readonly Innovation[]): void {
    this.#innovations = innovations;
    this.redraw();
  }

  /** Draws again: the zone or the data changed. */
  redraw(): void {
    if (this.#chart === undefined) return this.#rebuild();
    this.#fill(this.#chart);
    this.#chart.update("none");
    this.#canvas.setAttribute("aria-label", this.#description());
  }

  #description(): string {
    const count = this.#innovations.length;
    if (count === 0) return "No innovations yet";
    const inside = this.#innovations.filter(({ z }) => Math.abs(z) <= BAND).length;
    return `${count} innovations, ${(100 * inside / count).toFixed(0)} % inside the 95 % band`;
  }

  #rebuild(): void {
    this.#chart?.destroy();
    const look = colours();
    const options = chartOptions(look, this.#zone);
    options.scales!["y"]!.min = -SHOWN_MAX;
    options.scales!["y"]!.max = SHOWN_MAX;
    options.plugins!.tooltip!.callbacks = {
      title: (items) => items.length === 0 ? "" : this.#timeOf(items[0]!.parsed.x!),
      label: (item) => {
        const innovation = this.#innovations[item.dataIndex];
        return innovation === undefined ? "" : `${innovation.z.toFixed(2)} standard deviations`;
      },
    };
    this.#chart = new Chart<"line">(this.#canvas, {
      type: "line",
      data: { datasets: [] },
      options,
      plugins: [band(look.band95), stems(look)],
    });
    this.redraw();
  }

  #fill(chart: ChartClass<"line">): void {
    const look = colours();
    const isAlarm = (index: number) => this.#innovations[index]?.isAlarm === true;
    const dataset: ChartDataset<"line"> = {
      data: this.#innovations.map(({ x, z }) => ({ x, y: shownInnovation(z) })),
      showLine: false,
      // The dots at the edge are shown whole.
      clip: false,
      pointRadius: ({ dataIndex }) => isAlarm(dataIndex) ? 4.5 : 2,
      pointBackgroundColor: ({ dataIndex }) => isAlarm(dataIndex) ? look.surface : look.accent,
      pointBorderColor: ({ dataIndex }) => isAlarm(dataIndex) ? look.alarm : look.accent,
      pointBorderWidth: ({ dataIndex }) => isAlarm(dataIndex) ? 2 : 0,
    };
    chart.data.datasets = [dataset];
    // Without a point the axis would show the first milliseconds of 1970.
    chart.options.scales!["x"]!.display = this.#innovations.length > 0;
  }
}

function band(colour: string): Plugin<"line"> {
  return {
    id: "band",
    beforeDatasetsDraw({ ctx, chartArea, scales }) {
      const y = scales["y"]!;
      const top = y.getPixelForValue(BAND);
      ctx.save();
      ctx.fillStyle = colour;
      ctx.fillRect(chartArea.left, top, chartArea.width, y.getPixelForValue(-BAND) - top);
      ctx.restore();
    },
  };
}

/** A line from zero to each point: the sign is seen at a glance. */
function stems({ accent, quiet }: { accent: string; quiet: string }): Plugin<"line"> {
  return {
    id: "stems",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea, scales } = chart;
      const zero = Math.round(scales["y"]!.getPixelForValue(0)) + 0.5;
      ctx.save();
      ctx.strokeStyle = quiet;
      ctx.globalAlpha = 0.5;
      ctx.beginPath();
      ctx.moveTo(chartArea.left, zero);
      ctx.lineTo(chartArea.right, zero);
      ctx.stroke();
      ctx.strokeStyle = accent;
      ctx.beginPath();
      for (const { x, y } of chart.getDatasetMeta(0).data) {
        ctx.moveTo(x, zero);
        ctx.lineTo(x, y);
      }
      ctx.stroke();
      ctx.restore();
    },
  };
}
