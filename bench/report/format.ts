/** How the page writes numbers, tables and where they come from. */
import type { Recorded } from "./stored.ts";

/** Stands where there is no result. */
export const MISSING = "_Nothing is stored._";

/** A Markdown table, all but the first column to the right. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => i === 0 ? "---" : "--:");
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

/** A number in so many significant digits, a dash where there is none. */
export function digits(value: number | undefined, count = 3): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  const rounded = Number(value.toPrecision(count));
  return rounded.toLocaleString("en", { maximumFractionDigits: 6, useGrouping: true });
}

/** A share. */
export function percent(value: number): string {
  return Number.isFinite(value) ? `${Math.round(100 * value)} %` : "–";
}

/** Where figures come from, for under their table. */
export function source(recorded: Recorded<unknown>): string {
  const { command, adapter, machine, runtime, date, commit } = recorded;
  const on = adapter === "none" ? machine : `${adapter} (${machine})`;
  return `\`${command}\` on ${on}, ${runtime}, ${date.slice(0, 10)} at ${commit}.`;
}
