import assert from "node:assert/strict";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, runVerb } from "../../src/cli/command.ts";
import { tasksCommand } from "../../src/cli/tasks.ts";
import { parseRuns } from "../../src/cli/tasks/report.ts";

async function call(args: readonly string[]) {
  const out: string[] = [];
  const errors: string[] = [];
  const code = await runVerb(tasksCommand, args, {
    out: (line) => out.push(line),
    error: (line) => errors.push(line),
  });
  return { code, out: out.join("\n"), error: errors.join("\n") };
}

Deno.test("tasks trains, keeps the results, and shows them again from the file", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/results.json`;
  try {
    const choice = ["--task", "delay", "--member", "s4d, start lin", "--device", "cpu"];
    const args = [...choice, "--limit-s", "1", "--commit", "abc", "--output", file, "--json"];
    const { code, out } = await call(args);
    assert.equal(code, EXIT_OK);
    const runs = parseRuns(await Deno.readTextFile(file), file);
    assert.deepEqual(JSON.parse(out), { runs });
    assert.equal(runs.length, 1);
    assert.equal(runs[0]!.commit, "abc");
    const { figure } = runs[0]!.tests[0]!;
    assert.ok(figure !== null && figure > 0 && figure < 2);
    const page = `${folder}/page.md`;
    const again = await call(["--from", file, "--page", page]);
    assert.equal(again.code, EXIT_OK);
    assert.match(again.out, /delay\s+s4d, start lin\s+small\s+256/);
    assert.match(await Deno.readTextFile(page), /^# The papers' tasks\n/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tasks says what it does not know", async () => {
  const cases = [
    [["--task", "no-such"], /--task is "no-such", expected one of selective-copying/],
    [["--member", "no-such"], /--member is "no-such", expected one of s4d/],
    [["--size", "huge"], /--size is "huge"/],
    [["--device", "abacus"], /--device is "abacus"/],
    [["--seeds", "0"], /--seeds is "0"/],
    [["--seeds", "2", "--seed", "2"], /--seed and --seeds exclude each other/],
    [["--task", "delay", "--member", "mamba"], /No row of size small/],
    [["delay"], /"delay" is no option/],
  ] as const;
  for (const [args, message] of cases) {
    const { code, error } = await call(args);
    assert.equal(code, EXIT_USAGE);
    assert.match(error, message);
  }
});

Deno.test("tasks finds out before it trains that the results cannot be kept", async () => {
  const { code, out, error } = await call(["--task", "delay", "--output", "/no/such/folder.json"]);
  assert.equal(code, EXIT_FAILED);
  assert.equal(out, "");
  assert.match(error, /^Failed: No such file or directory.*folder\.json.*$/);
});

Deno.test("tasks skips recordings that are not there, and says so", async () => {
  const before = Deno.env.get("DRIFTLINE_SHARED");
  Deno.env.set("DRIFTLINE_SHARED", "/no/such/folder");
  try {
    const { code, out, error } = await call(["--task", "speech-digits", "--device", "cpu"]);
    assert.equal(code, EXIT_OK);
    assert.match(error, /speech-digits is skipped: No folder of recordings/);
    assert.doesNotMatch(out, /speech-digits/);
  } finally {
    if (before === undefined) Deno.env.delete("DRIFTLINE_SHARED");
    else Deno.env.set("DRIFTLINE_SHARED", before);
  }
});

Deno.test("the page of the tasks is the one that the kept results give", async () => {
  const root = `${import.meta.dirname}/../..`;
  const page = await Deno.makeTempFile();
  try {
    const { code } = await call(["--from", `${root}/bench/results/tasks.json`, "--page", page]);
    assert.equal(code, EXIT_OK);
    const kept = await Deno.readTextFile(`${root}/docs/tasks.md`);
    assert.equal(await Deno.readTextFile(page), kept);
  } finally {
    await Deno.remove(page);
  }
});
