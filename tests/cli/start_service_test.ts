import assert from "node:assert/strict";
import { startService } from "../../src/cli/start_service.ts";
import { readConfig } from "../../src/service/config.ts";
import { silentLog } from "../../src/service/telemetry.ts";

Deno.test("startService() serves on a free port and lets go of it", async () => {
  const config = readConfig({ port: 0, store: "memory", workers: 1 }, () => undefined);
  const running = await startService(config, silentLog);
  const page = await fetch(`${running.url}/readyz`);
  assert.deepEqual(await page.json(), { status: "ready" });
  const taken = readConfig(
    { port: new URL(running.url).port, store: "memory", workers: 1 },
    () => undefined,
  );
  await assert.rejects(() => startService(taken, silentLog), Deno.errors.AddrInUse);
  await running.close();
  await assert.rejects(() => fetch(`${running.url}/readyz`), TypeError);
});

Deno.test("closing ends the listeners to events, which never end by themselves", async () => {
  const config = readConfig({ port: 0, store: "memory", workers: 1 }, () => undefined);
  const running = await startService(config, silentLog);
  await (await fetch(`${running.url}/v1/streams/a`, { method: "PUT" })).body?.cancel();
  const listener = await fetch(`${running.url}/v1/streams/a/events`);
  const text = listener.text();
  await running.close();
  assert.match(await text, /listening/);
});
