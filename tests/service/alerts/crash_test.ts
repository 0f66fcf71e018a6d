/** Alerts of a service that is killed: told all the same, each once, to a webhook that fails first. */
import assert from "node:assert/strict";
import { withFolder } from "../../stores/_stores.ts";
import { ServiceProcess } from "../../streams/_crash.ts";
import { SECRET } from "./_alerts.ts";

const VARIABLES = {
  DRIFTLINE_PRIVATE_WEBHOOKS: "1",
  DRIFTLINE_WORKERS: "1",
  DRIFTLINE_DEVICE: "cpu",
  DRIFTLINE_WEIGHTS: "none",
};
const PATIENCE_MS = 60_000;
const NORMAL = 400;

async function post(service: ServiceProcess, path: string, body: unknown): Promise<any> {
  const response = await fetch(service.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

/** Asks again until the answer is there. */
async function until<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    assert.ok(performance.now() < endMs, "it did not come in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("alerts survive kill -9: a flag in the log, an open alert, a message under way", () =>
  withFolder(async (folder) => {
    const refused: string[] = [];
    const accepted: string[] = [];
    let isUp = false;
    const hook = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      (isUp ? accepted : refused).push(request.headers.get("webhook-id")!);
      return new Response(null, { status: isUp ? 204 : 503 });
    });
    const webhook = { url: `http://127.0.0.1:${hook.addr.port}/`, secret: SECRET };
    let service = await ServiceProcess.start(folder, VARIABLES);
    const alertsOf = async (kind: string) => {
      const { alerts } = await service.get<{ alerts: any[] }>("/v1/alerts");
      return alerts.filter((alert) => alert.kind === kind);
    };
    try {
      const limit = { kind: "value", above: 1_000 };
      await post(service, "/v1/alerts/rules", { condition: limit, webhook, maxAgeS: null });
      await post(service, "/v1/alerts/rules", { condition: { kind: "anomaly" }, maxAgeS: null });
      const startMs = Date.parse("2026-01-01T00:00:00Z");
      const values = Array.from({ length: NORMAL }, (_, i) => 20 + Math.sin(i * 12.9898) * 3);
      const timestamps = values.map((_, i) => startMs + i * 60_000);
      const path = "/v1/streams/s/observations";
      await post(service, `${path}?wait=applied`, { timestamps, values });
      assert.deepEqual([await alertsOf("value"), await alertsOf("anomaly")], [[], []]);

      // Acknowledged, and killed at once: what follows from it has to be found in the log.
      const endMs = startMs + NORMAL * 60_000;
      await post(service, path, { timestamps: [endMs], values: [5_000] });
      await service.kill();
      service = await ServiceProcess.start(folder, VARIABLES);
      await until(() => refused[0]);
      const opened = await until(async () => (await alertsOf("anomaly"))[0]);
      const [high] = await alertsOf("value");
      assert.deepEqual([high.state, high.values, opened.channels], ["open", [5_000], ["value"]]);

      // The message waits for its next attempt.
      await service.kill();
      isUp = true;
      service = await ServiceProcess.start(folder, VARIABLES);
      await until(() => accepted[0]);
      assert.deepEqual(new Set([...refused, ...accepted]), new Set([`msg_${high.id}_opened`]));
      assert.deepEqual((await alertsOf("value")).map(({ id }) => id), [high.id]);
      assert.deepEqual((await alertsOf("anomaly")).map(({ id }) => id), [opened.id]);
      await post(service, `${path}?wait=applied`, { timestamps: [endMs + 60_000], values: [20] });
      await until(() => accepted.find((id) => id === `msg_${high.id}_closed`));
      assert.deepEqual((await alertsOf("value")).map(({ state }) => state), ["closed"]);
    } finally {
      await service.stop();
      await hook.shutdown();
    }
  }));
