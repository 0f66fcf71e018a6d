import type { SourceRow } from "./pack.ts";

/** The table of real series for the model card, as Markdown. */
export function sourcesPage(rows: readonly SourceRow[]): string {
  const series = rows.reduce((sum, row) => sum + row.series, 0);
  const values = rows.reduce((sum, row) => sum + row.values, 0);
  return [
    "# Real series in pretraining",
    "",
    "Written by `driftline pretraining pack --page`. A source is here only if the licence it",
    "states lets works made from it ship under Apache-2.0. It ends before the first context of",
    "every evaluation window that was cut from it, in all of its columns: by the clock where it",
    "has one.",
    "",
    "| source | licence | series | values | ends before (the window that begins first) |",
    "| --- | --- | ---: | ---: | --- |",
    ...rows.map((row) =>
      `| ${row.source} | ${row.licence} | ${row.series} | ${row.values} | ${
        row.cuts.length === 0 ? "no window lies in it" : row.cuts.join("; ")
      } |`
    ),
    `| total | | ${series} | ${values} | |`,
    "",
  ].join("\n");
}
