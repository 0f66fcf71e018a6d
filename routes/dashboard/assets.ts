import { stripTypeScriptTypes } from "node:module";
import { NotFoundError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";

/** A file as it is served. */
export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly mediaType: string;
}

/** The dashboard's files, read once. */
export interface Assets {
  /** Path under which the files are served; it changes with any of them. */
  readonly root: string;
  /** Scripts, styles and pictures by file name. */
  readonly files: ReadonlyMap<string, Asset>;
  /** Pages by file name, whole, with the root filled in, and the hash of each. */
  readonly pages: ReadonlyMap<string, { readonly html: string; readonly etag: string }>;
}

const CLIENT = new URL("./client/", import.meta.url);

// Named by a variable: the package is served to browsers, the server itself never runs it.
const CHART_PACKAGE = "chart.js";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  ts: "text/javascript; charset=utf-8",
};

async function chartScript(): Promise<Uint8Array<ArrayBuffer>> {
  // Only a package that has been loaded has a place in the cache to resolve to.
  await import(CHART_PACKAGE);
  return await Deno.readFile(new URL("chart.umd.min.js", import.meta.resolve(CHART_PACKAGE)));
}

/**
 * A page with the parts that it shares with others in their places (`<!-- _bar.html -->`), and the
 * link of the bar that leads to the page itself marked.
 *
 * @param texts  HTML files by name; those of parts begin with an underscore
 * @throws {NotFoundError} a part that is no file
 */
export function wholePage(name: string, texts: ReadonlyMap<string, string>): string {
  const path = name === "index.html" ? "/" : `/${name.replace(/\.html$/, "")}`;
  return texts.get(name)!.replace(/ *<!-- (_\w+\.html) -->\n/g, (_, part: string) => {
    const text = texts.get(part);
    if (text === undefined) throw new NotFoundError("part of a page", part);
    return text.replace(`<a href="${path}">`, `<a href="${path}" aria-current="page">`);
  });
}

/**
 * Reads the browser's side of the dashboard. There is no bundle: the browser loads our modules as
 * they are written, less their types (blanked in place, so that line numbers stay).
 */
export async function loadAssets(): Promise<Assets> {
  const files = new Map<string, Asset>();
  const pages = new Map<string, string>();
  const encoder = new TextEncoder();
  for await (const { name } of Deno.readDir(CLIENT)) {
    const text = await Deno.readTextFile(new URL(name, CLIENT));
    const ending = name.slice(name.lastIndexOf(".") + 1);
    if (ending === "html") {
      pages.set(name, text);
      continue;
    }
    const mediaType = MEDIA_TYPES[ending];
    if (mediaType === undefined) throw new NotFoundError("media type of", name);
    const body = encoder.encode(ending === "ts" ? stripTypeScriptTypes(text) : text);
    files.set(name, { body, mediaType });
  }
  files.set("chart.umd.js", { body: await chartScript(), mediaType: MEDIA_TYPES["js"]! });
  const hashes = [...files].map(([name, { body }]) => `${name} ${sha256Hex(body)}`).sort();
  const root = `/assets/${sha256Hex(hashes.join("\n")).slice(0, 16)}`;
  return {
    root,
    files,
    pages: new Map(
      [...pages.keys()].filter((name) => !name.startsWith("_")).map((name) => {
        const html = wholePage(name, pages).replaceAll("{{assets}}", root);
        return [name, { html, etag: `"${sha256Hex(html).slice(0, 24)}"` }];
      }),
    ),
  };
}
