/** Tidiness as a test: dead files, missing mirrors, long lines and files, words we do not use. */
import assert from "node:assert/strict";
import { list, ROOT, type SourceFile, sources } from "./_source.ts";

const LINE_LENGTH_MAX = 100;
/** Beyond this a file has more than one purpose. */
const FILE_LINES_MAX = 500;
/** Beyond this a function does more than its name says. */
const FUNCTION_LINES_MAX = 70;

Deno.test("every module is reached from main.ts", () => {
  const byPath = new Map(sources().map((file) => [file.path, file]));
  const reached = new Set<string>();
  const open = ["main.ts"];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    open.push(...file.imports);
  }
  const dead = sources()
    .map((file) => file.path)
    // The browser's side is the root of a bundle of its own.
    .filter((path) => !reached.has(path) && !path.startsWith("routes/dashboard/client/"));
  assert.deepEqual(dead, []);
});

/**
 * Types alone cannot be tested; workers and hubs are tested through what starts or reads them, and
 * `_helpers` of a plug-in folder through the laws of its members.
 */
function needsMirror(file: SourceFile): boolean {
  if (/(^|\/)(mod|main)\.ts$|_worker\.ts$|\/(client|_helpers)\//.test(file.path)) return false;
  return /^export (async )?(function|class|abstract class|enum)\b/m.test(file.code);
}

function mirrorOf(path: string): string {
  return `tests/${path.replace(/^src\//, "").replace(/\.ts$/, "_test.ts")}`
    .replace(/\/_([a-z_]+_test\.ts)$/, "/$1");
}

Deno.test("every module with behaviour has its mirror under tests/", () => {
  const missing = sources()
    .filter(needsMirror)
    .map((file) => mirrorOf(file.path))
    .filter((path) => list(path).length === 0);
  assert.deepEqual(missing, []);
});

Deno.test("no test mirrors a file that is gone", () => {
  const paths = new Set([
    ...sources().map((file) => mirrorOf(file.path)),
    ...list("bench/**/*.ts").map(mirrorOf),
  ]);
  const shared =
    /(^|\/)((?:\w+_)?laws|variants|goldens|identities|crash|architecture|tidy|docs|e2e|browser|state_layout)_test\.ts$/;
  const orphans = list("tests/**/*_test.ts").filter((path) =>
    !paths.has(path) && !shared.test(path)
  );
  assert.deepEqual(orphans, []);
});

Deno.test(`no source line is longer than ${LINE_LENGTH_MAX} characters`, () => {
  const long: string[] = [];
  const paths = [...sources().map((file) => file.path), ...list("shaders/**/*.wgsl")];
  for (const path of paths) {
    Deno.readTextFileSync(`${ROOT}/${path}`).split("\n").forEach((line, i) => {
      if (line.length > LINE_LENGTH_MAX && !line.includes("http")) long.push(`${path}:${i + 1}`);
    });
  }
  assert.deepEqual(long, []);
});

Deno.test(`no source file is longer than ${FILE_LINES_MAX} lines`, () => {
  const long = sources()
    .map((file) => `${file.path}: ${file.text.split("\n").length}`)
    .filter((entry) => Number(entry.split(": ")[1]) > FILE_LINES_MAX);
  assert.deepEqual(long, []);
});

interface FunctionLines {
  /** Of its first line, from 0 on. */
  readonly first: number;
  readonly lines: number;
}

/**
 * Functions, methods and arrow functions of more than one line, as the formatter lays them out: each
 * ends at the first line of closing brackets that is indented as its first line is.
 */
function functionsOf(text: string): FunctionLines[] {
  const statement = /^ *(?:\} )?(?:if|for|while|switch|catch|return|throw|await)\b/;
  const method = /^ *(?:(?:static|async|get|set) )*\*?#?\w+\(/;
  const lines = text.split("\n");
  const found: FunctionLines[] = [];
  lines.forEach((line, first) => {
    if (!/[{(]$/.test(line)) return;
    const indent = line.search(/\S/);
    const level = lines.slice(first + 1).filter((later) => later.search(/\S/) === indent);
    const isSaid = /\bfunction\b|=>/.test(line);
    // What is called looks like a method, but no block follows.
    const head = line.endsWith(" {") ? line : level[0] ?? "";
    if (!isSaid && !(method.test(line) && !statement.test(line) && head.endsWith(" {"))) return;
    const end = level.find((later) => /^ *[})\]]+[;,]?$/.test(later));
    if (end !== undefined) found.push({ first, lines: lines.indexOf(end, first + 1) - first + 1 });
  });
  return found;
}

Deno.test("functionsOf() finds functions of every form and their lines", () => {
  const text = [
    "export function plain(",
    "  a: number,",
    "): number {",
    "  if (a > 0) {",
    "    return a;",
    "  }",
    "  const inner = (b: number) => {",
    "    return b;",
    "  };",
    "  return inner(a);",
    "}",
    "class Holder {",
    "  get #value(): number {",
    "    return 1;",
    "  }",
    "",
    "  async method({ a }: {",
    "    a: number;",
    "  }): Promise<number> {",
    "    return await a;",
    "  }",
    "}",
    "called({",
    "  a,",
    "}, 1);",
  ].join("\n");
  assert.deepEqual(functionsOf(text), [
    { first: 0, lines: 11 },
    { first: 6, lines: 3 },
    { first: 12, lines: 3 },
    { first: 16, lines: 5 },
  ]);
});

Deno.test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, () => {
  const long: string[] = [];
  let count = 0;
  for (const { path, text } of sources()) {
    for (const { first, lines } of functionsOf(text)) {
      count++;
      if (lines > FUNCTION_LINES_MAX) long.push(`${path}:${first + 1}: ${lines}`);
    }
  }
  assert.ok(count > 5000, `${count} functions found`);
  assert.deepEqual(long, []);
});

Deno.test("only the command line writes to the console", () => {
  const allowed = /^(main\.ts|src\/cli\/|routes\/dashboard\/client\/)/;
  const broken = sources()
    .filter((file) => /\bconsole\./.test(file.code) && !allowed.test(file.path))
    .map((file) => file.path);
  assert.deepEqual(broken, []);
});

/** Words that hide a defect or say nothing; a to-do names its issue. */
const BANNED: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\b(TODO|FIXME|XXX)(?!\(#\d+\))/, instead: "TODO(#issue)" },
  { pattern: /\b(obviously|basically|simply put)\b/i, instead: "nothing" },
  { pattern: /\b(whitelist|blacklist)\b/i, instead: "allowlist, denylist" },
  { pattern: /\bnot implemented\b/i, instead: "the implementation" },
];

/** Beyond this many entry points a shader's head says what each is for. */
const UNTOLD_ENTRIES_MAX = 2;

Deno.test("every shader begins with what it computes, and one of many passes with each", () => {
  const shaders = list("shaders/**/*.wgsl").map((path) => {
    const text = Deno.readTextFileSync(`${ROOT}/${path}`);
    return { path, text, head: /^(?:\/\/.*\n)+/.exec(text)?.[0] ?? "" };
  });
  const untold = shaders.filter(({ head }) => head === "").map(({ path }) => path);
  for (const { path, text, head } of shaders) {
    const entries = [...text.matchAll(/^@compute.*\nfn (\w+)/gm)].map(([, name]) => name!);
    if (entries.length <= UNTOLD_ENTRIES_MAX) continue;
    // The passes of a shader that is in parts are told by the one that imports them.
    const line = `#import ${path.slice("shaders/".length, -".wgsl".length)}\n`;
    const importing = shaders.filter((other) => other.text.includes(line));
    const told = [head, ...importing.map((other) => other.head)].join("\n");
    for (const entry of entries) {
      const name = new RegExp(`\\b${entry.replace(/_backward$/, "(_backward)?")}\\b`);
      if (!name.test(told)) untold.push(`${path}: ${entry}`);
    }
  }
  assert.deepEqual(untold, []);
});

Deno.test("no banned words", () => {
  const found: string[] = [];
  for (const file of sources()) {
    file.text.split("\n").forEach((line, i) => {
      for (const { pattern, instead } of BANNED) {
        if (pattern.test(line)) found.push(`${file.path}:${i + 1}: write ${instead}`);
      }
    });
  }
  assert.deepEqual(found, []);
});

Deno.test("every document begins with one heading", () => {
  const pages = [...list("*.md"), ...list("docs/**/*.md")];
  assert.ok(pages.length > 5);
  for (const path of pages) {
    const first = Deno.readTextFileSync(`${ROOT}/${path}`).split("\n")[0]!;
    assert.match(first, /^# \S/, `${path} begins with "${first}"`);
  }
});

Deno.test("every exported symbol of src has a docstring", () => {
  const exported =
    /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|class|interface|type|const|enum) (\w+)/;
  const bare: string[] = [];
  for (const file of sources().filter((candidate) => candidate.path.startsWith("src/"))) {
    const lines = file.text.split("\n");
    lines.forEach((line, i) => {
      const name = exported.exec(line)?.[1];
      if (name === undefined) return;
      const overload = lines[i - 1]?.startsWith(`export function ${name}`) === true ||
        lines.slice(0, i).some((before) => before.startsWith(`export function ${name}(`));
      if (!overload && !lines[i - 1]?.trimEnd().endsWith("*/")) {
        bare.push(`${file.path}:${i + 1} ${name}`);
      }
    });
  }
  assert.deepEqual(bare, []);
});
