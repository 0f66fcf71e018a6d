/** How the page writes numbers, tables and where they come from. */
import type { Recorded, Stored } from "./stored.ts";

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
  const { adapter, machine } = recorded;
  return sourceOn(adapter === "none" ? machine : `${adapter} (${machine})`, recorded);
}

/** The same of figures in which no GPU took part, whatever the machine has. */
export function cpuSource(recorded: Recorded<unknown>): string {
  return sourceOn(recorded.machine, recorded);
}

function sourceOn(place: string, { command, runtime, date, commit }: Recorded<unknown>): string {
  return `\`${command}\` on ${place}, ${runtime}, ${date.slice(0, 10)} at ${commit}.`;
}

/** A machine's processor, without the count of its threads. */
function processorOf(machine: string): string {
  return machine.replace(/ x\d+$/, "");
}

/**
 * The same of figures of a GPU beside those of its host's CPU, with a warning where the models'
 * table was taken on another CPU.
 */
export function hostSource(recorded: Recorded<unknown>, { models }: Stored): string {
  const own = processorOf(recorded.machine);
  const other = models === undefined ? own : processorOf(models.machine);
  if (own === other) return source(recorded);
  return `${
    source(recorded)
  } **Another CPU** (${own}) than that of the models' table (${other}): ` +
    "figures of a CPU compare within a table only.";
}
