/**
 * The documents are run: every fenced TypeScript block is executed from the root of the repository,
 * every `deno task` that a page names exists, every link to a file leads somewhere.
 */
import assert from "node:assert/strict";
import { verbNamed } from "../src/cli/mod.ts";
import { list, ROOT } from "./_source.ts";

const PAGES = [...list("*.md"), ...list("docs/**/*.md")];
const text = (path: string) => Deno.readTextFileSync(`${ROOT}/${path}`);

interface Block {
  readonly page: string;
  readonly line: number;
  readonly code: string;
}

function blocks(language: string): Block[] {
  const fence = new RegExp("^```" + language + "\\n([\\s\\S]*?)^```", "gm");
  return PAGES.flatMap((page) => {
    const body = text(page);
    return [...body.matchAll(fence)].map((match) => ({
      page,
      line: body.slice(0, match.index).split("\n").length,
      code: match[1]!,
    }));
  });
}

for (const { page, line, code } of blocks("ts")) {
  Deno.test(`the TypeScript block at ${page}:${line} runs`, async () => {
    // The block stands at the root, so that it names modules as "./src/...".
    const path = await Deno.makeTempFile({ dir: ROOT, prefix: ".run_", suffix: ".ts" });
    await Deno.writeTextFile(path, code);
    try {
      const { code: status, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--check", path],
        cwd: ROOT,
        env: { NO_COLOR: "1" },
      }).output();
      assert.equal(status, 0, new TextDecoder().decode(stderr));
    } finally {
      await Deno.remove(path);
    }
  });
}

Deno.test("every task that a document names exists", () => {
  const { tasks } = JSON.parse(text("deno.json")) as { tasks: Record<string, unknown> };
  const unknown: string[] = [];
  for (const page of PAGES) {
    for (const [, name] of text(page).matchAll(/\b(?:deno(?:@[\d.]+)?) task ([a-z][a-z:]*)/g)) {
      if (!(name! in tasks)) unknown.push(`${page}: deno task ${name}`);
    }
  }
  assert.deepEqual(unknown, []);
});

/** Tasks that a page calls, with the rest of each command. */
function calls(page: string): { task: string; rest: string }[] {
  const whole = text(page).replaceAll(/\\\n\s*/g, "");
  const call = /\bdeno(?:@[\d.]+)? task ([a-z][a-z:]*)([^\n`#|&;]*)/g;
  return [...whole.matchAll(call)].map(([, task, rest]) => ({ task: task!, rest: rest! }));
}

Deno.test("every verb and option of a command that a document names exists", async () => {
  const { tasks } = JSON.parse(text("deno.json")) as { tasks: Record<string, { command: string }> };
  const unknown: string[] = [];
  let count = 0;
  for (const page of PAGES) {
    for (const { task, rest } of calls(page)) {
      const [, verb] = /^deno run .*main\.ts(?: ([a-z]+))?/.exec(tasks[task]?.command ?? "") ?? [];
      const name = task === "driftline" ? /^(?: --)? ([a-z]+)\b/.exec(rest)?.[1] : verb;
      if (name === undefined) continue;
      const command = await verbNamed(name);
      const known = new Set([...Object.keys(command?.options ?? {}), "json", "help"]);
      const options = [...rest.matchAll(/ --([a-z][a-z-]*)/g)].map(([, option]) => option!);
      if (command === null) unknown.push(`${page}: ${name}`);
      for (const option of options.filter((one) => !known.has(one))) {
        unknown.push(`${page}: ${name} --${option}`);
      }
      count += options.length;
    }
  }
  assert.deepEqual(unknown, []);
  assert.ok(count > 10, `only ${count} options were found`);
});

Deno.test("every link of a document leads to a file", () => {
  const broken: string[] = [];
  for (const page of PAGES) {
    const folder = page.includes("/") ? page.slice(0, page.lastIndexOf("/")) : ".";
    for (const [, target] of text(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
      try {
        Deno.statSync(`${ROOT}/${folder}/${target}`);
      } catch {
        broken.push(`${page} -> ${target}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

/** Names that links may give the headings of a page, as hosts of repositories make them. */
function anchors(body: string): Set<string> {
  const headings = body.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.*)$/gm);
  const plain = Array.from(
    headings,
    ([, text]) => text!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1"),
  );
  const kept = plain.map((text) => text.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}_\- ]/gu, ""));
  return new Set(kept.map((text) => text.replaceAll(" ", "-")));
}

Deno.test("every anchor of a link is a heading of its page", () => {
  assert.deepEqual(
    anchors("# One, *two*: `three`\n\n```\n# none\n```\n## [A b](c.md)\n"),
    new Set(["one-two-three", "a-b"]),
  );
  const broken: string[] = [];
  let count = 0;
  for (const page of PAGES) {
    const folder = page.slice(0, page.lastIndexOf("/") + 1);
    for (const [, path, anchor] of text(page).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)) {
      const target = path === "" ? page : `${folder}${path}`;
      if (!target.endsWith(".md")) continue;
      count++;
      if (!anchors(text(target)).has(anchor!)) broken.push(`${page} -> ${path}#${anchor}`);
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(count > 50, `only ${count} anchors were found`);
});

Deno.test("every file that a document names in code exists", () => {
  const broken: string[] = [];
  for (const page of PAGES.filter((path) => path !== "CHANGELOG.md")) {
    for (
      const [, path] of text(page).matchAll(
        /`((?:src|routes|shaders|datasets|tests|docs)\/[\w./]+\.\w+)`/g,
      )
    ) {
      if (!path!.includes("NAME") && list(path!).length === 0) broken.push(`${page}: ${path}`);
    }
  }
  assert.deepEqual(broken, []);
});
