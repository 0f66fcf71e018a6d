import assert from "node:assert/strict";
import { serveCommand } from "../../src/cli/serve.ts";
import { run, withFolder } from "./_run.ts";

const MAIN = `${import.meta.dirname}/../../main.ts`;

Deno.test("serve prints its address, and a signal ends it with exit code 0", async () => {
  await withFolder(async (data) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, "serve", "--port", "0", "--data", data],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    assert.match(value!, /^Driftline serves at http:\/\/127\.0\.0\.1:\d+\n$/);
    child.kill("SIGINT");
    await reader.cancel();
    const log = new TextDecoder().decode((await child.stderr.getReader().read()).value);
    assert.equal(JSON.parse(log.split("\n")[0]!).level, "INFO");
    assert.equal((await child.status).code, 0);
  });
});

Deno.test("serve says in one line why it cannot start", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/file`;
    await Deno.writeTextFile(file, "");
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, "serve", "--port", "0", "--data", file],
    }).output();
    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stderr), /^Cannot serve at .* from ".*\/file": .+\n$/);
  });
});

Deno.test("serve refuses settings that it cannot take", async () => {
  const bad = await run(serveCommand, "--port", "70000");
  assert.equal(bad.code, 2);
  assert.match(bad.error, /--port is "70000"/);
  const open = await run(serveCommand, "--host", "0.0.0.0");
  assert.equal(open.code, 2);
  assert.match(open.error, /DRIFTLINE_TOKEN/);
  assert.equal((await run(serveCommand, "extra")).code, 2);
});
