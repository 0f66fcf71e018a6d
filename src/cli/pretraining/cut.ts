/** Keeps every sample from the first context of an evaluation window on out of pretraining. */
import { InvalidValueError } from "../../base/errors.ts";
import type { RealTable } from "./tables.ts";

/** What of a window says where it lies. */
export interface EvaluationWindow {
  readonly id: string;
  readonly task: string;
  /** Column, or the `series` of a long table; "value" where there is only one. */
  readonly series: string;
  readonly context: readonly (number | null)[];
}

/** Relative difference below which two printed values are the same. */
const SAME = 1e-5;

/** Share of the known samples that must be the same where a context is found. */
const SAME_SHARE = 0.98;

/** Samples that are compared before the whole context is. */
const PROBE = 8;

function isSame(a: number, b: number | null): boolean {
  if (b === null || Number.isNaN(b) || Number.isNaN(a)) return true;
  return Math.abs(a - b) <= SAME * (Math.abs(a) + Math.abs(b)) + 1e-9;
}

/** First row at which the context lies in the values; -1 where it does not. */
export function findContext(values: Float64Array, context: readonly (number | null)[]): number {
  for (let from = 0; from + context.length <= values.length; from++) {
    let i = 0;
    while (i < PROBE && i < context.length && isSame(values[from + i]!, context[i]!)) i++;
    if (i < Math.min(PROBE, context.length)) continue;
    let same = 0;
    let known = 0;
    let missing = 0;
    for (i = 0; i < context.length; i++) {
      if (Number.isNaN(values[from + i]!)) missing++;
      if (context[i] === null || Number.isNaN(values[from + i]!)) continue;
      known++;
      if (isSame(values[from + i]!, context[i]!)) same++;
    }
    if (2 * missing < context.length && same >= SAME_SHARE * known) return from;
  }
  return -1;
}

/** The column that a window was cut from. */
function columnOf(tables: readonly RealTable[], series: string) {
  for (const table of tables) {
    if (table.name === series && table.columns.size === 1) {
      return { table, values: [...table.columns.values()][0]! };
    }
    const values = table.columns.get(series);
    if (table.name === "" && values !== undefined) return { table, values };
  }
  // A table of one column holds its only series, whatever its name.
  const [table] = tables;
  if (tables.length === 1 && table!.columns.size === 1) {
    return { table: table!, values: [...table!.columns.values()][0]! };
  }
  return undefined;
}

/** Where the source ends for pretraining. */
export interface Cut {
  /** The window whose context begins first. */
  readonly window: string;
  /** Rows from here on are out, in the table of that window. */
  readonly row: number;
  /** Instants from here on are out, in every table of the source; null without a clock. */
  readonly timeMs: number | null;
}

/**
 * The earliest start of a context, over all windows and all tables of a source.
 *
 * @throws {InvalidValueError} a window is found in no table: then nothing of the source is safe
 */
export function earliestCut(
  tables: readonly RealTable[],
  windows: readonly EvaluationWindow[],
): Cut | null {
  let cut: Cut | null = null;
  for (const { id, series, context } of windows) {
    const found = columnOf(tables, series);
    const row = found === undefined ? -1 : findContext(found.values, context);
    if (row < 0) throw new InvalidValueError("window", id, "a context that lies in its source");
    const timeMs = found!.table.timesMs?.[row] ?? null;
    const isEarlier = cut === null ||
      (timeMs !== null && cut.timeMs !== null ? timeMs < cut.timeMs : row < cut.row);
    if (isEarlier) cut = { window: id, row, timeMs };
  }
  return cut;
}

/**
 * Rows of a table that pretraining may see: all without a cut; else those before its instant, in
 * every column and in sister tables too, or before its row where there is no clock.
 */
export function rowsAllowed({ timesMs, columns }: RealTable, cut: Cut | null): number {
  const count = [...columns.values()][0]?.length ?? 0;
  if (cut === null) return count;
  if (timesMs === null || cut.timeMs === null) return Math.min(count, cut.row);
  // Clocks may repeat themselves: the first row at or after the instant ends what is allowed.
  const row = timesMs.findIndex((time) => time >= cut.timeMs!);
  return row < 0 ? count : row;
}
