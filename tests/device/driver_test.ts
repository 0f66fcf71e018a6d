import assert from "node:assert/strict";
import { inTurn, prepareLinux } from "../../src/device/driver.ts";

Deno.test("inTurn() begins a task when the one before is over, failed or not", async () => {
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = inTurn(async () => {
    seen.push("first begins");
    await gate.promise;
    seen.push("first ends");
    throw new Error("first failed");
  });
  const second = inTurn(() => Promise.resolve(seen.push("second")));
  await Promise.resolve();
  gate.resolve();
  await assert.rejects(first, /first failed/);
  await second;
  assert.deepEqual(seen, ["first begins", "first ends", "second"]);
});

Deno.test("prepareLinux() leaves what is set", () => {
  if (Deno.build.os !== "linux") return;
  const before = Deno.env.get("XDG_RUNTIME_DIR");
  Deno.env.set("XDG_RUNTIME_DIR", "/somewhere");
  prepareLinux();
  assert.equal(Deno.env.get("XDG_RUNTIME_DIR"), "/somewhere");
  Deno.env.delete("XDG_RUNTIME_DIR");
  prepareLinux();
  assert.ok(Deno.env.get("XDG_RUNTIME_DIR"));
  if (before !== undefined) Deno.env.set("XDG_RUNTIME_DIR", before);
});
