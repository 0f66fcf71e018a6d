import assert from "node:assert/strict";
import { commitOf, compareWith, formatComparison, shareOfLess } from "../../bench/compare.ts";
import { hasHistory } from "./_history.ts";

/** Trees of comparisons under way. */
async function worktrees(): Promise<string[]> {
  const { stdout } = await new Deno.Command("git", { args: ["worktree", "list"] }).output();
  const all = new TextDecoder().decode(stdout).split("\n");
  return all.filter((line) => line.includes("driftline_compare_"));
}

/** A test that needs git and this repository's history: a fresh machine may have neither. */
function historyTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasHistory, fn });
}

historyTest("commitOf() refuses a revision that is none", async () => {
  await assert.rejects(commitOf("no-such-revision"), {
    name: "RangeError",
    message: '--compare "no-such-revision" is no revision of this repository',
  });
});

historyTest("compareWith() times both trees in turns and leaves nothing behind", async () => {
  const before = await worktrees();
  const found = await compareWith("HEAD", "small", (name) => name === "add small");
  assert.deepEqual(found.skipped, []);
  assert.equal(found.rows[0]!.name, "add small");
  assert.equal(found.rows[0]!.device, "cpu");
  for (const { baseMs, hereMs } of found.rows) assert.ok(baseMs > 0 && hereMs > 0);
  assert.deepEqual(await worktrees(), before);
  assert.match(formatComparison(found), /add small +cpu/);
});

historyTest("compareWith() says so of a revision that is too old for this bench", async () => {
  const { stdout } = await new Deno.Command("git", {
    args: ["rev-list", "--max-parents=0", "HEAD"],
  }).output();
  const [first] = new TextDecoder().decode(stdout).trim().split("\n");
  // A shallow clone has one commit, which is this one.
  const { stdout: here } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"] }).output();
  if (new TextDecoder().decode(here).trim() === first) return;
  await assert.rejects(compareWith(first!, "small", () => true), {
    name: "ComparisonError",
    message: /^[0-9a-f]{40} cannot run this bench: error/,
  });
  assert.deepEqual(await worktrees(), []);
});

Deno.test("commitOf() says that it needs git", async () => {
  const path = Deno.env.get("PATH");
  try {
    Deno.env.set("PATH", "");
    await assert.rejects(commitOf("HEAD"), {
      name: "ComparisonError",
      message: "--compare needs git",
    });
  } finally {
    if (path !== undefined) Deno.env.set("PATH", path);
  }
});

Deno.test("formatComparison() says which is faster", () => {
  const text = formatComparison({
    revision: "abc",
    adapter: "none",
    rows: [
      { name: "a", device: "cpu", baseMs: 1, hereMs: 0.5, wins: 1 },
      { name: "b", device: "cpu", baseMs: 1, hereMs: 1.01, wins: 0.4 },
      { name: "c", device: "cpu", baseMs: 1, hereMs: 2, wins: 0 },
    ],
    skipped: [{ name: "d", problem: "no such op" }],
  });
  assert.match(text, /a +cpu +1 +0.5 +0.500 +100 % +faster/);
  assert.match(text, /b +cpu +1 +1.01 +1.010 +40 %\n/);
  assert.match(text, /c .* slower/);
  assert.match(text, /not compared: d: no such op/);
  assert.match(text, /geometric mean 1.003/);
});

Deno.test("shareOfLess() counts pairs, and a tie half", () => {
  assert.equal(shareOfLess([1, 2], [3, 4]), 1);
  assert.equal(shareOfLess([3, 4], [1, 2]), 0);
  assert.equal(shareOfLess([1, 4], [2, 3]), 0.5);
  assert.equal(shareOfLess([1], [1, 2]), 0.75);
});

Deno.test("formatComparison() calls a difference one where least times and turns agree", () => {
  const verdictOf = (hereMs: number, wins: number) => {
    const row = { name: "add", device: "cpu", baseMs: 1, hereMs, wins };
    const found = { revision: "HEAD", adapter: "none", rows: [row], skipped: [] };
    return /(faster|slower)/.exec(formatComparison(found))?.[1];
  };
  assert.equal(verdictOf(0.9, 0.96), "faster");
  assert.equal(verdictOf(0.9, 0.8), undefined);
  assert.equal(verdictOf(0.98, 1), undefined);
  assert.equal(verdictOf(1.1, 0.04), "slower");
  assert.equal(verdictOf(1.1, 0.2), undefined);
  assert.equal(verdictOf(1.02, 0), undefined);
});
