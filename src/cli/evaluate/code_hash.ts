import { sha256Hex } from "../../base/hash.ts";

const SPECIFIER = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)"(\.[^"\n]+\.ts)"/g;

/**
 * SHA-256 over modules and all that they import from this repository: results of equal hash come
 * from the same code.
 *
 * @param entries  the modules to begin with
 */
export async function codeHash(entries: readonly URL[]): Promise<string> {
  const texts = new Map<string, string>();
  const open = entries.map(({ href }) => href);
  for (let href = open.pop(); href !== undefined; href = open.pop()) {
    if (texts.has(href)) continue;
    const text = await Deno.readTextFile(new URL(href));
    texts.set(href, text);
    for (const [, specifier] of text.matchAll(SPECIFIER)) open.push(new URL(specifier!, href).href);
  }
  // The folder that the repository lies in is left out, so names are by what is unique in them.
  const sorted = [...texts.entries()].toSorted(([a], [b]) => a < b ? -1 : 1);
  return sha256Hex(sorted.map(([, text]) => text).join("\0"));
}
