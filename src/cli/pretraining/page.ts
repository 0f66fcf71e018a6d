import { GENERATORS, type Recipe } from "../../../datasets/pretraining/mod.ts";
import type { SourceRow } from "./pack.ts";

/** Each generator with its share of the synthetic series. */
export function generatorLines(recipe: Recipe): string[] {
  const weights = GENERATORS.map(({ name }) => recipe.generators[name] ?? 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return [
    "| generator | share | what it draws |",
    "| --- | ---: | --- |",
    ...GENERATORS.map(({ name, summary }, k) =>
      `| ${name} | ${(100 * weights[k]! / total).toFixed(1)} % | ${summary} |`
    ),
  ];
}

/** What pretraining sees, for the model card, as Markdown. */
export function sourcesPage(rows: readonly SourceRow[], recipe: Recipe): string {
  const series = rows.reduce((sum, row) => sum + row.series, 0);
  const values = rows.reduce((sum, row) => sum + row.values, 0);
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  return [
    "# Series of pretraining",
    "",
    "Written by `driftline pretraining pack --page`. The default recipe draws " +
    `${percent(recipe.realShare)} of the windows from real series, ` +
    `${percent(recipe.mixShare)} as convex mixtures of two or three series, the others from the ` +
    "generators of `datasets/pretraining`.",
    "",
    "## Generators",
    "",
    ...generatorLines(recipe),
    "",
    "## Real series",
    "",
    "A source is here only if the licence it states lets works made from it ship under " +
    "Apache-2.0. It ends before the first context of every evaluation window that was cut " +
    "from it, in all of its columns: by the clock where it has one.",
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
