/** `weights`: the networks of a folder: checks them, lists them, adds one. */
import { InvalidValueError } from "../base/errors.ts";
import { decodeWeights, encodeWeights } from "../models/neural/weights.ts";
import {
  manifestText,
  readManifest,
  readWeights,
  WEIGHTS_FOLDER,
  WEIGHTS_VARIABLE,
  type WeightsEntry,
  weightsEntry,
} from "../service/weights.ts";
import { type Command, type CommandOutput, EXIT_OK, UsageError } from "./command.ts";
import { formatTable } from "./table.ts";

/**
 * Puts a network into a folder as 16-bit floats, in place of one of the same name, and into its
 * manifest.
 *
 * @throws {InvalidValueError | SyntaxError} the file is no network
 */
export async function addWeights(folder: string, name: string, file: string): Promise<void> {
  const given = decodeWeights(await Deno.readFile(file));
  const bytes = encodeWeights(given, "f16");
  const entry = weightsEntry(name, bytes);
  const others = readManifest(folder).filter((other) => other.name !== name);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(`${folder}/${entry.file}`, bytes);
  const networks = [...others, entry].sort((a, b) => a.name < b.name ? -1 : 1);
  await Deno.writeTextFile(`${folder}/manifest.json`, manifestText(networks));
}

function print(folder: string, entries: readonly WeightsEntry[], output: CommandOutput): void {
  if (entries.length === 0) {
    output.print(`No networks in ${folder}; the other models need none`);
    return;
  }
  const rows = entries.map(({ name, kind, parameters, bytes, sha256 }) =>
    [name, kind, parameters, bytes, sha256].map(String)
  );
  output.print(formatTable(["name", "kind", "parameters", "bytes", "SHA-256"], rows));
}

/** The verb. */
export const weightsCommand: Command = {
  name: "weights",
  summary: "Check and list the networks that serve, or add one",
  usage: "[--folder FOLDER] [--add FILE.safetensors --name NAME]",
  description: "Holds each file to the manifest; a file that differs is refused by name.\n" +
    "--add rounds a file of weights to 16 bits and puts it into folder and manifest.\n" +
    `${WEIGHTS_VARIABLE} names the folder that serves; "none" = no networks.`,
  options: {
    folder: { type: "string", value: "FOLDER", help: "Default: the program's own, weights/" },
    add: { type: "string", value: "FILE", help: "File of weights, 16 or 32 bits" },
    name: { type: "string", value: "NAME", help: "Its name: what streams ask for as a model" },
  },
  async run(input, output) {
    const folder = input.text("folder") ?? WEIGHTS_FOLDER;
    const [add, name] = [input.text("add"), input.text("name")];
    if ((add === undefined) !== (name === undefined)) {
      throw new UsageError("--add and --name go together");
    }
    if (add !== undefined && name !== undefined) {
      if (!/^[a-z][a-z0-9_-]{0,62}$/.test(name)) {
        throw new InvalidValueError("name", name, "a name of a-z, 0-9, _ and -");
      }
      await addWeights(folder, name, add);
    }
    readWeights(folder);
    const entries = readManifest(folder);
    if (input.isSet("json")) output.print(JSON.stringify({ folder, networks: entries }));
    else print(folder, entries, output);
    return EXIT_OK;
  },
};
