import assert from "node:assert/strict";
import { DRAIN_MS_MAX, startService } from "../../src/cli/start_service.ts";
import { readConfig } from "../../src/service/config.ts";
import { silentLog } from "../../src/service/telemetry.ts";

Deno.test("startService() serves on a free port and lets go of it", async () => {
  const config = readConfig(
    { port: 0, store: "memory", workers: 1, device: "cpu" },
    () => undefined,
  );
  const running = await startService(config, silentLog);
  const page = await fetch(`${running.url}/readyz`);
  assert.deepEqual(await page.json(), { status: "ready" });
  const taken = readConfig(
    { port: new URL(running.url).port, store: "memory", workers: 1, device: "cpu" },
    () => undefined,
  );
  await assert.rejects(() => startService(taken, silentLog), Deno.errors.AddrInUse);
  await running.close();
  await assert.rejects(() => fetch(`${running.url}/readyz`), TypeError);
});

Deno.test("closing ends the listeners to events, which never end by themselves", async () => {
  const config = readConfig(
    { port: 0, store: "memory", workers: 1, device: "cpu" },
    () => undefined,
  );
  const running = await startService(config, silentLog);
  await (await fetch(`${running.url}/v1/streams/a`, { method: "PUT" })).body?.cancel();
  const listener = await fetch(`${running.url}/v1/streams/a/events`);
  const text = listener.text();
  await running.close();
  assert.match(await text, /listening/);
});

Deno.test("closing does not wait for bodies that never end", async () => {
  const config = readConfig(
    { port: 0, store: "memory", workers: 1, device: "cpu" },
    () => undefined,
  );
  const running = await startService(config, silentLog);
  const { hostname, port } = new URL(running.url);
  const slow = await Promise.all(["50", "999999"].map(async (length) => {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const head = `POST /v1/streams/a/observations HTTP/1.1\r\nHost: localhost\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{`;
    await connection.write(new TextEncoder().encode(head));
    return connection;
  }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const startMs = performance.now();
  await running.close();
  // 2 s for the answers, and room for a busy machine; without it, DRAIN_MS_MAX.
  assert.ok(performance.now() - startMs < DRAIN_MS_MAX / 2);
  const answer = new Uint8Array(1_000);
  for (const connection of slow) {
    const length = await connection.read(answer) ?? 0;
    assert.match(new TextDecoder().decode(answer.subarray(0, length)), /^HTTP\/1\.1 503 /);
    connection.close();
  }
});
