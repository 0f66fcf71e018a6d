/** `weights`: the networks of a folder: checks them, lists them, adds one. */
import { InvalidValueError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { averageWeights } from "../models/neural/average.ts";
import { decodeWeights, encodeWeights } from "../models/neural/weights.ts";
import {
  manifestText,
  readManifest,
  readWeights,
  WEIGHTS_VARIABLE,
  type WeightsEntry,
  weightsEntry,
  weightsFolder,
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

/**
 * Writes the mean of networks into a file of 32-bit floats, which names the files by their SHA-256.
 *
 * @throws {InvalidValueError | SyntaxError} a file is no network, or of another form
 */
export async function averageFiles(files: readonly string[], output: string): Promise<void> {
  const bytes = await Promise.all(files.map((file) => Deno.readFile(file)));
  const mean = averageWeights(bytes.map(decodeWeights));
  const averageOf = bytes.map((file) => sha256Hex(file));
  await Deno.writeFile(output, encodeWeights({ ...mean, averageOf }, "f32"));
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
  summary: "Check and list the networks that serve, add one, or take the mean of some",
  usage: "[--folder FOLDER] [--add FILE.safetensors --name NAME]\n" +
    "       driftline weights --average A.safetensors B.safetensors ... --output FILE",
  description: "Holds each file to the manifest; a file that differs is refused by name.\n" +
    "--add rounds a file of weights to 16 bits and puts it into folder and manifest.\n" +
    "--average writes the mean of networks that went on from the same weights (f64, then\n" +
    "32 bits); one with another configuration or version is refused by the field.\n" +
    `${WEIGHTS_VARIABLE} names the folder that serves; "none" = no networks.`,
  options: {
    folder: { type: "string", value: "FOLDER", help: "Default: what serves, else weights/" },
    add: { type: "string", value: "FILE", help: "File of weights, 16 or 32 bits" },
    name: { type: "string", value: "NAME", help: "Its name: what streams ask for as a model" },
    average: {
      type: "string",
      isMultiple: true,
      value: "FILE",
      help: "Files of weights, two at least; more may follow without --average",
    },
    output: { type: "string", value: "FILE", help: "Where the mean goes" },
  },
  takesPositionals: true,
  async run(input, output) {
    const folder = input.text("folder") ?? weightsFolder();
    const averaged = [...input.texts("average"), ...input.positionals];
    const to = input.text("output");
    if (input.texts("average").length === 0 && input.positionals.length > 0) {
      throw new UsageError(`"${input.positionals[0]}" is no option`);
    }
    if ((to === undefined) !== (averaged.length === 0)) {
      throw new UsageError("--average and --output go together");
    }
    if (to !== undefined) {
      await averageFiles(averaged, to);
      output.print(
        input.isSet("json")
          ? JSON.stringify({ output: to, networks: averaged.length })
          : `The mean of ${averaged.length} networks is in ${to}`,
      );
      return EXIT_OK;
    }
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
