/** Series for pretraining: packs the real ones, draws a sheet of what is trained on. */
import { DEFAULT_RECIPE, parsePack, parseRecipe } from "../../datasets/pretraining/mod.ts";
import { sha256Hex } from "../base/hash.ts";
import { serveShippedWeights } from "../service/weights.ts";
import {
  type Command,
  type CommandInput,
  type CommandOutput,
  EXIT_OK,
  UsageError,
} from "./command.ts";
import { packSources, readWindows } from "./pretraining/pack.ts";
import { makeGateTable } from "./pretraining/make_gate_table.ts";
import { sourcesPage } from "./pretraining/page.ts";
import { contactSheet } from "./pretraining/sheet.ts";
import { PackageFolder, packagesOf } from "./pretraining/package_folder.ts";
import { PACKAGE_SOURCES } from "./pretraining/package_sources.ts";
import { REAL_SOURCES } from "./pretraining/sources.ts";

/** Processes that make one table side by side, and how long each may take. */
export const GATE_PARTS_MAX = 1_024;
const GATE_SECONDS_MAX = 100_000;

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

async function gate(input: CommandInput, output: CommandOutput): Promise<number> {
  const real = input.text("real");
  serveShippedWeights();
  const whole = (name: string, least: number, most: number, otherwise: number) =>
    input.wholeNumber(name, { least, most }) ?? otherwise;
  const parts = whole("parts", 1, GATE_PARTS_MAX, 1);
  const made = await makeGateTable({
    folder: needed(input, "output"),
    real: real === undefined ? null : parsePack(await Deno.readFile(real)),
    seed: whole("seed", 0, 2 ** 31 - 1, 1),
    part: whole("part", 0, parts - 1, 0),
    parts,
    seconds: whole("seconds", 1, GATE_SECONDS_MAX, 60),
    every: whole("every", 1, GATE_SECONDS_MAX, 60),
  });
  output.print(
    input.isSet("json") ? JSON.stringify(made) : `${made.rows} rows, ${made.failed} failed`,
  );
  return EXIT_OK;
}

const ACTIONS: Readonly<Record<string, typeof pack>> = { pack, preview, gate };

/** `driftline pretraining pack | preview | gate`. */
export const pretrainingCommand: Command = {
  name: "pretraining",
  summary:
    "Pack real series for pretraining, draw a sheet of them, or tabulate the committee on them",
  usage: "pack --data DIR [--packages DIR] --windows FILE --output FILE | " +
    "preview --output FILE.svg | gate --output DIR",
  description: [
    "pack writes every series of DIR whose licence allows it into one file, cut before the first",
    "context of the evaluation windows of its source; --packages adds the series of published",
    "packages, which docs/pretraining_data.md says how to fetch. preview draws series of the",
    "recipe, with the real ones where --real names a pack, as an SVG picture. gate runs the",
    "committee on windows of the same series and writes what its weights are learned from: what",
    "each member forecast, how it erred before, and what came.",
  ].join("\n"),
  options: {
    data: { type: "string", value: "DIR", help: "Folder of the real series" },
    windows: { type: "string", value: "FILE", help: "Evaluation windows, JSON lines" },
    packages: { type: "string", value: "DIR", help: "pack: folder of the fetched packages too" },
    output: { type: "string", value: "FILE", help: "File to write; gate: folder" },
    page: {
      type: "string",
      value: "FILE",
      help: "pack: also the tables of the model card, Markdown",
    },
    real: { type: "string", value: "FILE", help: "preview, gate: packed real series" },
    recipe: { type: "string", value: "FILE", help: "preview: a recipe, JSON" },
    generator: { type: "string", value: "NAME", help: "preview: one generator alone, unchanged" },
    seed: { type: "string", value: "N", help: "preview, gate: seed of the draws; default 1" },
    count: { type: "string", value: "N", help: "preview: how many series; default 60" },
    seconds: { type: "string", value: "N", help: "gate: begin windows for so long; default 60" },
    every: { type: "string", value: "N", help: "gate: seconds between files; default 60" },
    part: { type: "string", value: "K", help: "gate: which of the parts, from 0; default 0" },
    parts: { type: "string", value: "N", help: "gate: processes that share the work; default 1" },
  },
  takesPositionals: true,
  async run(input: CommandInput, output: CommandOutput): Promise<number> {
    const [name, ...more] = input.positionals;
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined || more.length > 0) {
      throw new UsageError(`"${input.positionals.join(" ")}" is not one of: pack, preview, gate`);
    }
    return await action(input, output);
  },
};
