/**
 * The architecture as a test on text: the import rule, the plug-in rule, the effects rule and the
 * twins (docs/architecture.md).
 */
import assert from "node:assert/strict";
import { list, membersOf, type SourceFile, sources } from "./_source.ts";

/** Rank of each folder. A module imports its own folder and strictly lower ranks. */
const RANKS: Readonly<Record<string, number>> = {
  "src/base": 0,
  "src/signal": 10,
  "src/tensor": 10,
  "src/ssm": 20,
  "src/device": 20,
  "src/protocols": 20,
  "src/detectors": 20,
  "src/stores": 20,
  "src/ops": 30,
  "src/autodiff": 40,
  "datasets": 40,
  "src/layers": 50,
  "src/models": 60,
  "src/training": 70,
  "src/streams": 70,
  "src/service": 80,
  "src/cli": 90,
  "routes": 90,
  "main.ts": 100,
};

/** The command line starts the service, so it may also name the hub of the routes. */
const DOORS: Readonly<Record<string, string>> = { "src/cli": "routes/app.ts" };

function folderOf(path: string): string {
  const folder = Object.keys(RANKS).find((name) => path === name || path.startsWith(`${name}/`));
  assert.ok(folder, `${path} lies in no folder that has a rank`);
  return folder;
}

Deno.test("every module imports its own folder and strictly lower ranks only", () => {
  const broken: string[] = [];
  for (const file of sources()) {
    const from = folderOf(file.path);
    for (const target of file.imports) {
      if (!target.endsWith(".ts")) continue;
      const to = folderOf(target);
      if (to === from || DOORS[from] === target) continue;
      if (RANKS[to]! >= RANKS[from]!) broken.push(`${file.path} -> ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

/** Files on circles of imports, each with the file that leads on; types count, too. */
function circles(files: readonly Pick<SourceFile, "path" | "imports">[]): string[] {
  const open = new Map(files.map(({ path, imports }) => [path, new Set(imports)]));
  // What imports nothing that is left, or itself alone, lies on no circle; nor what stands on it.
  for (let before = -1; before !== open.size;) {
    before = open.size;
    for (const [path, imports] of open) {
      if (![...imports].some((target) => target !== path && open.has(target))) open.delete(path);
    }
  }
  return [...open.keys()].filter((path) => {
    // Files that only import a circle are left, too: those on it come back to themselves.
    const seen = new Set<string>();
    const ahead = [...open.get(path)!];
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      if (next === path) return true;
      if (seen.has(next) || !open.has(next)) continue;
      seen.add(next);
      ahead.push(...open.get(next)!);
    }
    return false;
  });
}

Deno.test("no files import each other in a circle, for types neither", () => {
  const of = (path: string, ...imports: string[]) => ({ path, imports });
  const found = circles([of("a", "b"), of("b", "c"), of("c", "b"), of("d", "a"), of("e")]);
  assert.deepEqual(found, ["b", "c"]);
  // A worker is a program of its own, and may name what started it.
  const files = sources().filter(({ path }) => !path.endsWith("_worker.ts"));
  assert.deepEqual(circles(files), []);
});

const PLUGIN_FOLDERS = [
  "src/ops",
  "src/layers",
  "src/protocols",
  "src/detectors",
  "src/stores",
  "datasets",
];

Deno.test("a plug-in never imports a sibling plug-in", () => {
  const broken: string[] = [];
  for (const folder of PLUGIN_FOLDERS) {
    const hub = sources().find((file) => file.path === `${folder}/mod.ts`);
    if (hub === undefined) continue;
    const contract = contractOf(folder);
    const members = membersOf(hub).filter((path) => path !== contract);
    for (const path of members) {
      const file = sources().find((candidate) => candidate.path === path)!;
      for (const target of file.imports) {
        if (members.includes(target) && target !== path) broken.push(`${path} -> ${target}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

/** The contract of a plug-in folder is named as the folder in the singular. */
function contractOf(folder: string): string {
  const name = folder.slice(folder.lastIndexOf("/") + 1).replace(/s$/, "");
  return `${folder}/${name}.ts`;
}

Deno.test("every plug-in folder has its contract and its hub", () => {
  for (const folder of PLUGIN_FOLDERS) {
    for (const path of [contractOf(folder), `${folder}/mod.ts`]) {
      assert.ok(sources().some((file) => file.path === path), `${path} is missing`);
    }
  }
});

interface Effect {
  readonly name: string;
  readonly pattern: RegExp;
  /** Folders or files that own the effect. */
  readonly owners: readonly string[];
}

const EFFECTS: readonly Effect[] = [
  {
    name: "Deno's own interface",
    pattern: /\bDeno\.(?!errors\b)/,
    owners: [
      "main.ts",
      "src/cli",
      "src/device",
      "src/stores",
      "src/service",
      "datasets",
      "routes/dashboard",
      "routes/docs.ts",
    ],
  },
  { name: "the GPU", pattern: /\bnavigator\.gpu\b/, owners: ["src/device"] },
  {
    name: "the clock",
    pattern: /\bDate\.now\(|\bperformance\.now\(|\bnew Date\(\s*\)/,
    owners: ["src/base/clock.ts", "src/device", "src/cli", "main.ts", "routes/dashboard/client"],
  },
  {
    name: "unseeded randomness",
    pattern: /\bMath\.random\(|\brandomUUID\(|\bgetRandomValues\(/,
    owners: ["src/service", "src/cli"],
  },
];

const PACKAGE_OWNERS: Readonly<Record<string, readonly string[]>> = {
  "@bsull/augurs": ["src/cli/peers"],
  hono: ["routes", "main.ts"],
  "@hono/zod-openapi": ["routes"],
  "node:sqlite": ["src/stores"],
  "prom-client": ["src/service"],
  "@logtape/logtape": ["src/service", "src/cli"],
  "chart.js": ["routes/dashboard/client"],
  "cli-progress": ["src/cli"],
  "cli-table3": ["src/cli"],
  "xz-decompress": ["src/cli/pretraining"],
};

function isOwned(path: string, owners: readonly string[]): boolean {
  return owners.some((owner) => path === owner || path.startsWith(`${owner}/`));
}

Deno.test("effects stay in the folders that own them", () => {
  const broken: string[] = [];
  for (const file of sources()) {
    for (const { name, pattern, owners } of EFFECTS) {
      if (pattern.test(file.code) && !isOwned(file.path, owners)) {
        broken.push(`${file.path} uses ${name}`);
      }
    }
    for (const specifier of file.packages) {
      const name = Object.keys(PACKAGE_OWNERS).find((key) =>
        specifier === key || specifier.startsWith(`${key}/`)
      );
      if (name !== undefined && !isOwned(file.path, PACKAGE_OWNERS[name]!)) {
        broken.push(`${file.path} imports ${specifier}`);
      }
    }
    if (readsShaders(file) && !isOwned(file.path, ["src/device"])) {
      broken.push(`${file.path} reads a shader`);
    }
  }
  assert.deepEqual(broken, []);
});

function readsShaders(file: SourceFile): boolean {
  return file.imports.some((path) => path.endsWith(".wgsl") || path.startsWith("shaders"));
}

Deno.test("every shader has an op and a test of its name", () => {
  // The passes of an op's backward may lie in a shader of their own, by the same name.
  const paths = [...list("shaders/*.wgsl"), ...list("shaders/backward/*.wgsl")];
  assert.ok(paths.length > 0, "no shader found");
  for (const path of paths) {
    const name = path.slice(path.lastIndexOf("/") + 1, -".wgsl".length);
    assert.equal(list(`src/ops/${name}.ts`).length, 1, `src/ops/${name}.ts is missing`);
    assert.equal(list(`tests/ops/${name}_test.ts`).length, 1, `tests/ops/${name}_test.ts missing`);
  }
});
