/** The project's own source as text, for the tests of the house. */
import { globSync } from "node:fs";

export const ROOT = `${import.meta.dirname}/..`;

export interface SourceFile {
  /** Path from the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments and without the contents of strings and templates. */
  readonly code: string;
  /** Paths of the modules it names (static, dynamic, worker URL), resolved from the root. */
  readonly imports: readonly string[];
  /** Bare and `node:` specifiers that it names. */
  readonly packages: readonly string[];
}

/** Blanks comments, and the insides of strings too where `strings` is given. */
export function blank(text: string, strings: boolean): string {
  const pattern =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/g;
  return text.replace(pattern, (match) => {
    const comment = match.startsWith("//") || match.startsWith("/*");
    if (comment) return match.replace(/[^\n]/g, " ");
    return strings ? match[0] + match.slice(1, -1).replace(/[^\n]/g, " ") + match.at(-1) : match;
  });
}

function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

const SPECIFIER = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)"([^"\n]+)"/g;

function read(path: string): SourceFile {
  const text = Deno.readTextFileSync(`${ROOT}/${path}`);
  const uncommented = blank(text, false);
  const imports: string[] = [];
  const packages: string[] = [];
  for (const [, specifier] of uncommented.matchAll(SPECIFIER)) {
    if (specifier!.startsWith(".")) imports.push(resolve(path, specifier!));
    else packages.push(specifier!);
  }
  return { path, text, code: blank(text, true), imports, packages };
}

/** Files that match, relative to the root, in order. */
export function list(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT }).map((path) => path.replaceAll("\\", "/")).sort();
}

let cached: readonly SourceFile[] | undefined;

/** Every TypeScript file of the product: `main.ts`, `src`, `routes`, `datasets`. */
export function sources(): readonly SourceFile[] {
  cached ??= [
    "main.ts",
    ...list("src/**/*.ts"),
    ...list("routes/**/*.ts"),
    ...list("datasets/**/*.ts"),
  ]
    .filter((path) => path === "main.ts" ? list("main.ts").length > 0 : true)
    .map(read);
  return cached;
}

/** Members that a hub (`mod.ts`) of a plug-in folder names, as paths. */
export function membersOf(hub: SourceFile): string[] {
  const folder = hub.path.slice(0, hub.path.lastIndexOf("/"));
  return hub.imports.filter((path) => path.startsWith(`${folder}/`));
}
