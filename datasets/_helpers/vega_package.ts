/** Files of the npm package `vega-datasets`, read from Deno's package cache. */
import { InvalidValueError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";

/** Package and version as deno.json pins it; the manifest names it. */
export const VEGA_PACKAGE = "vega-datasets@3.2.1";

// Named by a variable, so that Deno fetches its 18 MB only when a data set is really asked for.
const SPECIFIER = "vega-datasets";

async function packageRoot(): Promise<URL> {
  // Only a package that has been loaded has a place in the cache to resolve to.
  await import(SPECIFIER);
  return new URL("../", import.meta.resolve(SPECIFIER));
}

/**
 * Text of `data/<file>` of the package.
 *
 * @param file    name of the file
 * @param sha256  its expected hash, hexadecimal
 * @throws {InvalidValueError} the file has another hash
 */
export async function readVegaFile(file: string, sha256: string): Promise<string> {
  const bytes = await Deno.readFile(new URL(`data/${file}`, await packageRoot()));
  const actual = sha256Hex(bytes);
  if (actual !== sha256) {
    throw new InvalidValueError(`sha256 of ${file}`, actual, `"${sha256}" (${VEGA_PACKAGE})`);
  }
  return new TextDecoder().decode(bytes);
}

/** What the package's own `datapackage.json` says of a file. */
export interface VegaResource {
  readonly path: string;
  readonly licenses?: readonly { readonly title: string; readonly path?: string }[];
  readonly sources?: readonly { readonly title: string; readonly path?: string }[];
}

/** The package's description of `file`, or undefined where it has none. */
export async function vegaResource(file: string): Promise<VegaResource | undefined> {
  const text = await Deno.readTextFile(new URL("datapackage.json", await packageRoot()));
  const { resources } = JSON.parse(text) as { resources: VegaResource[] };
  return resources.find((resource) => resource.path === file);
}
