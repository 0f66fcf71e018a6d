/// <reference lib="dom" />
import type { Chart as ChartClass } from "chart.js";

/** Chart.js, which the page loads as a classic script before the modules. */
export const Chart = (globalThis as unknown as { Chart: typeof ChartClass }).Chart;

/** The colours of the stylesheet, for what is drawn on a canvas. */
export interface Colours {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly surface: string;
  readonly accent: string;
  readonly band80: string;
  readonly band95: string;
  readonly history: string;
  readonly alarm: string;
}

/** Reads the colours that hold now: the system may turn dark while the page is open. */
export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"),
    quiet: of("quiet"),
    line: of("line"),
    surface: of("surface"),
    accent: of("accent"),
    band80: of("band-80"),
    band95: of("band-95"),
    history: of("history"),
    alarm: of("alarm"),
  };
}

/** Calls `changed` when the system turns dark or light. */
export function onThemeChange(changed: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
