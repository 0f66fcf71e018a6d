/** Series for pretraining: packs the real ones, draws a sheet of what is trained on. */
import { DEFAULT_RECIPE, parsePack, parseRecipe } from "../../datasets/pretraining/mod.ts";
import { sha256Hex } from "../base/hash.ts";
import {
  type Command,
  type CommandInput,
  type CommandOutput,
  EXIT_OK,
  UsageError,
} from "./command.ts";
import { packSources, readWindows } from "./pretraining/pack.ts";
import { sourcesPage } from "./pretraining/page.ts";
import { contactSheet } from "./pretraining/sheet.ts";
import { PackageFolder, packagesOf } from "./pretraining/package_folder.ts";
import { PACKAGE_SOURCES } from "./pretraining/package_sources.ts";
import { REAL_SOURCES } from "./pretraining/sources.ts";

/** Series on one sheet at most. */
export const SHEET_SERIES_MAX = 2_000;

function needed(input: CommandInput, name: string): string {
  const text = input.text(name);
  if (text === undefined) throw new UsageError(`--${name} is missing`);
  return text;
}

async function pack(input: CommandInput, output: CommandOutput): Promise<number> {
  const [data, file] = [needed(input, "data"), needed(input, "output")];
  const windows = await readWindows(needed(input, "windows"));
  const fetched = input.text("packages");
  const packages = fetched === undefined ? null : new PackageFolder(fetched);
  packages?.requireAll(packagesOf(PACKAGE_SOURCES));
  const sources = packages === null ? REAL_SOURCES : [...REAL_SOURCES, ...PACKAGE_SOURCES];
  const { bytes, series, rows } = await packSources(data, windows, sources, packages);
  await Deno.writeFile(file, bytes);
  const page = input.text("page");
  if (page !== undefined) {
    await Deno.writeTextFile(page, sourcesPage(rows, DEFAULT_RECIPE, sources));
  }
  const values = rows.reduce((sum, row) => sum + row.values, 0);
  const sha256 = sha256Hex(bytes);
  output.print(
    input.isSet("json")
      ? JSON.stringify({ file, sha256, bytes: bytes.length, series: series.length, values, rows })
      : `${file}: ${series.length} series, ${values} values, ${bytes.length} bytes, ` +
        `sha256 ${sha256}`,
  );
  return EXIT_OK;
}

async function preview(input: CommandInput, output: CommandOutput): Promise<number> {
  const file = needed(input, "output");
  const real = input.text("real");
  const recipeFile = input.text("recipe");
  const recipe = recipeFile === undefined
    ? DEFAULT_RECIPE
    : parseRecipe(JSON.parse(await Deno.readTextFile(recipeFile)));
  const sheet = contactSheet({
    recipe: real === undefined ? { ...recipe, realShare: 0 } : recipe,
    real: real === undefined ? null : parsePack(await Deno.readFile(real)),
    seed: input.wholeNumber("seed", { least: 0, most: Number.MAX_SAFE_INTEGER }) ?? 1,
    count: input.wholeNumber("count", { least: 1, most: SHEET_SERIES_MAX }) ?? 60,
    generator: input.text("generator"),
  });
  await Deno.writeTextFile(file, sheet);
  output.note(`${file} written`);
  return EXIT_OK;
}

const ACTIONS: Readonly<Record<string, typeof pack>> = { pack, preview };

/** `driftline pretraining pack | preview`. */
export const pretrainingCommand: Command = {
  name: "pretraining",
  summary: "Pack real series for pretraining, or draw a sheet of what is trained on",
  usage: "pack --data DIR [--packages DIR] --windows FILE --output FILE | " +
    "preview --output FILE.svg",
  description: [
    "pack writes every series of DIR whose licence allows it into one file, cut before the first",
    "context of the evaluation windows of its source; --packages adds the series of published",
    "packages, which docs/pretraining_data.md says how to fetch. preview draws series of the",
    "recipe, with the real ones where --real names a pack, as an SVG picture.",
  ].join("\n"),
  options: {
    data: { type: "string", value: "DIR", help: "Folder of the real series" },
    windows: { type: "string", value: "FILE", help: "Evaluation windows, JSON lines" },
    packages: { type: "string", value: "DIR", help: "pack: folder of the fetched packages too" },
    output: { type: "string", value: "FILE", help: "File to write" },
    page: {
      type: "string",
      value: "FILE",
      help: "pack: also the tables of the model card, Markdown",
    },
    real: { type: "string", value: "FILE", help: "preview: packed real series" },
    recipe: { type: "string", value: "FILE", help: "preview: a recipe, JSON" },
    generator: { type: "string", value: "NAME", help: "preview: one generator alone, unchanged" },
    seed: { type: "string", value: "N", help: "preview: seed of the draws; default 1" },
    count: { type: "string", value: "N", help: "preview: how many series; default 60" },
  },
  takesPositionals: true,
  async run(input: CommandInput, output: CommandOutput): Promise<number> {
    const [name, ...more] = input.positionals;
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined || more.length > 0) {
      throw new UsageError(`"${input.positionals.join(" ")}" is not one of: pack, preview`);
    }
    return await action(input, output);
  },
};
