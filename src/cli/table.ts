/** Rows as aligned text: the first column to the left, numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]) {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ").trimEnd();
  return [line(header), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)]
    .join("\n");
}

/** Units of a duration with their seconds; a year is the mean one of the Julian calendar. */
const UNITS = [["y", 31_557_600], ["d", 86_400], ["h", 3_600], ["min", 60]] as const;

/** What a duration that was measured may lie off a whole number of a unit, as a share of it. */
const WHOLE_SHARE = 2e-4;

/** A duration as people read it, in the largest unit of which it is nearly a whole number. */
export function formatDuration(seconds: number): string {
  for (const [unit, size] of UNITS) {
    const whole = Math.round(seconds / size);
    if (whole > 0 && Math.abs(seconds - whole * size) <= WHOLE_SHARE * seconds) {
      return `${whole} ${unit}`;
    }
  }
  return `${formatNumber(seconds)} s`;
}

/** A number as people read it: up to six significant digits, a dash where there is none. */
export function formatNumber(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : "-";
}
