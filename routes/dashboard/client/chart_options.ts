/// <reference lib="dom" />
/** What both charts share: a time axis in the reader's zone, quiet grids, no animation. */
import type { ChartOptions } from "chart.js";
import type { Zone } from "./format.ts";
import { formatValue } from "./format.ts";
import type { Colours } from "./theme.ts";
import { timeTicks } from "./time_axis.ts";
import { valueTicks } from "./value_axis.ts";

/** Pixels that a label takes with the room beside it. */
const TICK_WIDTH = 52;
/** More would be restless. */
const TICKS_MAX = 14;

/** Pixels that a label takes upwards with the room beside it. */
const TICK_HEIGHT = 30;
/** More would be restless. */
const VALUE_TICKS_MAX = 6;

/** Left edge of the plots, so that both charts' times stand above each other. */
const AXIS_WIDTH = 58;

interface Font {
  readonly size: number;
  readonly family: string;
}

/** What a chart library writes into while it lays an axis out. */
interface LaidAxis {
  readonly min: number;
  readonly max: number;
  width: number;
  readonly height: number;
  ticks: unknown;
}

/** Round times of the zone; their labels are made with the ticks. */
function timeAxis(colours: Colours, font: Font, zone: () => Zone) {
  const labels = new Map<number, string>();
  return {
    type: "linear",
    bounds: "data",
    border: { color: colours.line },
    grid: { color: colours.line, drawTicks: false, drawOnChartArea: false },
    afterBuildTicks: (axis: LaidAxis) => {
      const countMax = Math.min(TICKS_MAX, Math.max(2, Math.floor(axis.width / TICK_WIDTH)));
      const ticks = timeTicks(axis.min, axis.max, countMax, zone());
      labels.clear();
      for (const { value, label } of ticks) labels.set(value, label);
      axis.ticks = ticks.map(({ value }) => ({ value }));
    },
    ticks: {
      color: colours.quiet,
      font,
      maxRotation: 0,
      autoSkip: false,
      padding: 8,
      callback: (value: number | string) => labels.get(Number(value)) ?? "",
    },
  };
}

function valueAxis(colours: Colours, font: Font) {
  return {
    type: "linear",
    bounds: "data",
    border: { display: false },
    grid: { color: colours.line, drawTicks: false },
    ticks: {
      color: colours.quiet,
      font,
      padding: 8,
      autoSkip: false,
      callback: (value: number | string) => formatValue(Number(value)),
    },
    afterBuildTicks: (axis: LaidAxis) => {
      const room = Math.max(2, Math.floor(axis.height / TICK_HEIGHT));
      const countMax = Math.min(VALUE_TICKS_MAX, room);
      axis.ticks = valueTicks(axis.min, axis.max, countMax).map((value) => ({ value }));
    },
    afterFit: (axis: LaidAxis) => {
      axis.width = Math.max(axis.width, AXIS_WIDTH);
    },
  };
}

/** Options of a line chart over time. */
export function chartOptions(colours: Colours, zone: () => Zone): ChartOptions<"line"> {
  const font = { size: 11, family: getComputedStyle(document.body).fontFamily };
  const scales: unknown = { x: timeAxis(colours, font, zone), y: valueAxis(colours, font) };
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    parsing: false,
    normalized: true,
    interaction: { mode: "nearest", axis: "x", intersect: false },
    layout: { padding: { right: 10, top: 6 } },
    scales: scales as NonNullable<ChartOptions<"line">["scales"]>,
    plugins: {
      legend: { display: false },
      tooltip: {
        backgroundColor: colours.surface,
        borderColor: colours.line,
        borderWidth: 1,
        titleColor: colours.text,
        bodyColor: colours.text,
        titleFont: { ...font, weight: 600 },
        bodyFont: font,
        padding: 10,
        displayColors: false,
        cornerRadius: 8,
      },
    },
  };
}
