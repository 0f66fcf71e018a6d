import assert from "node:assert/strict";

const MAIN = `${import.meta.dirname}/../../main.ts`;

async function driftline(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

Deno.test("the command line lists its verbs, and each has a help", async () => {
  const overview = await driftline("--help");
  assert.equal(overview.code, 0);
  const verbs = [...overview.out.matchAll(/^ {2}(\w+) {2,}\S/gm)].map(([, name]) => name!);
  for (const verb of ["serve", "forecast", "detect", "backtest", "import", "doctor", "goldens"]) {
    assert.ok(verbs.includes(verb), verb);
  }
  for (const help of await Promise.all(verbs.map((verb) => driftline(verb, "--help")))) {
    assert.equal(help.code, 0, help.error);
    assert.match(help.out, /^Usage: driftline \w+/m);
    assert.match(help.out, /--json/);
  }
});

Deno.test("the command line takes a task's dashes before and behind its own options", async () => {
  for (const args of [["weights", "--", "--json"], ["weights", "--json", "--", "--json"]]) {
    const ran = await driftline(...args);
    assert.equal(ran.code, 0, ran.error);
    assert.ok(JSON.parse(ran.out));
  }
  const name = await driftline("forecast", "--json", "--", "-none.csv");
  assert.equal(name.code, 1);
  assert.match(name.error, /-none\.csv/);
});

Deno.test("the command line tells wrong usage by exit code 2", async () => {
  const none = await driftline();
  assert.deepEqual([none.code, none.out], [2, ""]);
  const unknown = await driftline("toString");
  assert.equal(unknown.code, 2);
  assert.match(unknown.error, /"toString" is no verb/);
});
