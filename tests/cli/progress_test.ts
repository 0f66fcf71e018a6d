import assert from "node:assert/strict";

async function standardError(script: string): Promise<string> {
  const url = new URL("../../src/cli/progress.ts", import.meta.url).href;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", `import { openProgress } from ${JSON.stringify(url)}; ${script}`],
    cwd: `${import.meta.dirname}/../..`,
  }).output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stderr);
}

Deno.test("openProgress() draws nothing for short work, nor where it is not wanted", async () => {
  const script = `const bar = await openProgress("Working", true);
    const silent = await openProgress("Silent", false);
    for (let i = 0; i <= 10; i++) { bar.update(i, 10); silent.update(i, 10); }
    bar.stop(); silent.stop();`;
  assert.equal(await standardError(script), "");
});

Deno.test("openProgress() shows how far long work has come", async () => {
  const script = `const bar = await openProgress("Working", true);
    await new Promise((resolve) => setTimeout(resolve, 600));
    bar.update(5, 10); bar.stop();`;
  assert.match(await standardError(script), /Working .* 5\/10/);
});
