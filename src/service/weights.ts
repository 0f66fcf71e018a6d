/**
 * The networks that come with the program: files of weights in a folder, and a manifest that says
 * what each must be. A file that is not what the manifest says is refused by name; a folder without
 * a manifest has no networks, and everything else works as it does.
 */
import { z } from "zod";
import { InvalidValueError, LimitError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../models/backbone_config.ts";
import { NETWORK_BYTES_MAX, setModel } from "../models/mod.ts";
import { decodeWeights, neuralCount } from "../models/neural/weights.ts";
import { parseBy } from "../base/parse.ts";

/** Where the program's own weights lie. */
export const WEIGHTS_FOLDER = `${import.meta.dirname}/../../weights`;

/** Environment variable with another folder; `none` = no networks. */
export const WEIGHTS_VARIABLE = "DRIFTLINE_WEIGHTS";

/** Format and version of a manifest. */
export const MANIFEST_FORMAT = "driftline-weights/1";

/** Bytes of all files of a folder. */
export const WEIGHTS_BYTES_MAX = NETWORK_BYTES_MAX;

/** Bytes of a manifest. */
const MANIFEST_BYTES_MAX = 2 ** 16;

const hash = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal");

const entrySchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, "a name of a-z, 0-9, _ and -"),
  file: z.string().regex(/^[a-z0-9_-]+\.safetensors$/, "a file beside the manifest"),
  kind: z.enum(["s5", "mamba"]),
  parameters: z.int().min(1),
  bytes: z.int().min(1),
  sha256: hash,
  configHash: hash,
});

const schema = z.strictObject({
  format: z.literal(MANIFEST_FORMAT, MANIFEST_FORMAT),
  networks: z.array(entrySchema),
});

/** What a manifest says of one network. */
export type WeightsEntry = z.infer<typeof entrySchema>;

/** What a manifest has to say of a file. @throws as `decodeWeights` does */
export function weightsEntry(name: string, bytes: Uint8Array): WeightsEntry {
  const { config } = decodeWeights(bytes);
  return {
    name,
    file: `${name}.safetensors`,
    kind: config.kind,
    parameters: neuralCount(config),
    bytes: bytes.length,
    sha256: sha256Hex(bytes),
    configHash: sha256Hex(canonicalJson(config)),
  };
}

/** The text of a manifest. */
export function manifestText(networks: readonly WeightsEntry[]): string {
  return `${JSON.stringify({ format: MANIFEST_FORMAT, networks }, null, 2)}\n`;
}

function readIfThere(path: string, bytesMax: number): Uint8Array<ArrayBuffer> | null {
  try {
    const { size } = Deno.statSync(path);
    if (size > bytesMax) throw new LimitError(path, bytesMax, size, "bytes");
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * What the manifest of a folder says; nothing where there is none.
 *
 * @throws {InvalidValueError} a field is unknown, missing or wrong, or a name is there twice
 */
export function readManifest(folder: string): WeightsEntry[] {
  const path = `${folder}/manifest.json`;
  const bytes = readIfThere(path, MANIFEST_BYTES_MAX);
  if (bytes === null) return [];
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new InvalidValueError(path, "its text", "JSON");
  }
  const { networks } = parseBy(schema, json, path);
  networks.forEach(({ name }, i) => {
    if (networks.findIndex((other) => other.name === name) === i) return;
    throw new InvalidValueError(`${path}.networks[${i}].name`, name, "a name that is there once");
  });
  return networks;
}

/** One file, held to what the manifest says of it. */
function readEntry(folder: string, entry: WeightsEntry): Uint8Array<ArrayBuffer> {
  const path = `${folder}/${entry.file}`;
  const bytes = readIfThere(path, entry.bytes);
  if (bytes === null) throw new InvalidValueError(path, undefined, "the file of the manifest");
  const sha256 = sha256Hex(bytes);
  if (sha256 !== entry.sha256) {
    throw new InvalidValueError(`${path}.sha256`, sha256, `${entry.sha256}, the manifest's`);
  }
  const actual = weightsEntry(entry.name, bytes);
  for (const field of ["kind", "parameters", "bytes", "configHash"] as const) {
    if (actual[field] === entry[field]) continue;
    const wanted = `${entry[field]}, the manifest's`;
    throw new InvalidValueError(`${path}.${field}`, actual[field], wanted);
  }
  return bytes;
}

/**
 * The networks of a folder, by name; none where there is no manifest.
 *
 * @throws {InvalidValueError} the manifest or a file is not what it has to be
 * @throws {LimitError} the files are larger than {@linkcode WEIGHTS_BYTES_MAX} together
 * @throws {SyntaxError} a file is no safetensors file
 */
export function readWeights(folder: string): Map<string, Uint8Array<ArrayBuffer>> {
  const entries = readManifest(folder);
  const size = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  if (size > WEIGHTS_BYTES_MAX) {
    throw new LimitError("WEIGHTS_BYTES_MAX", WEIGHTS_BYTES_MAX, size, "bytes");
  }
  return new Map(entries.map((entry) => [entry.name, readEntry(folder, entry)]));
}

/** The networks of a folder, the program's own unless another is named; of `none` none. */
export function shippedWeights(
  folder: string | undefined,
): Map<string, Uint8Array<ArrayBuffer>> {
  return folder === "none" ? new Map() : readWeights(folder || WEIGHTS_FOLDER);
}

/** The folder that the environment names; the program's own where it names none. */
export function weightsFolder(): string {
  const named = Deno.env.get(WEIGHTS_VARIABLE) ?? "";
  return named === "" || named === "none" ? WEIGHTS_FOLDER : named;
}

let isServing = false;

/** Serves the networks that the environment names in this thread, once. Throws as they do. */
export function serveShippedWeights(): void {
  if (isServing) return;
  const shipped = shippedWeights(Deno.env.get(WEIGHTS_VARIABLE));
  for (const [name, bytes] of shipped) setModel(name, bytes);
  isServing = true;
}
