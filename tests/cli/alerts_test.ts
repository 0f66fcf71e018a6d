import assert from "node:assert/strict";
import { alertsCommand } from "../../src/cli/alerts.ts";
import { openAlerts } from "../service/alerts/_alerts.ts";
import { run } from "./_run.ts";

async function withServer<T>(
  app: { fetch(request: Request): Response | Promise<Response> },
  use: (url: string) => Promise<T>,
): Promise<T> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => app.fetch(request),
  );
  try {
    return await use(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("alerts lists what is open, what was closed, and the rules", async () => {
  const { app, rule, post } = openAlerts();
  const nothing = await withServer(app, (url) => run(alertsCommand, "--url", url, "--rules"));
  assert.equal(nothing.out, "No alert is open.\n\nNo rule.");
  await rule({ name: "hot", severity: "critical", condition: { kind: "value", above: 10 } });
  await post([11], "kiln");
  await post([11, 1], "oven");
  await withServer(app, async (url) => {
    const open = await run(alertsCommand, "--url", url);
    assert.equal(open.code, 0, open.error);
    assert.match(open.out, /^alert .*\n-+.*\n[0-9a-f]{24} +kiln +critical +open .*above 10\s*$/);
    const all = await run(alertsCommand, "--url", url, "--state", "all", "--rules");
    assert.match(all.out, /oven +critical +closed/);
    assert.match(all.out, /\n\nrule .*\n-+.*\n[0-9a-f]{16} +hot +on +critical +value +-\s*$/);
    const json = JSON.parse((await run(alertsCommand, "--url", url, "--json")).out);
    assert.deepEqual(json.alerts.map((alert: any) => alert.stream), ["kiln"]);
    assert.equal((await run(alertsCommand, "--url", url, "--state", "shut")).code, 2);
  });
});

Deno.test("alerts says why it has nothing to list", async () => {
  const nobody = await run(alertsCommand, "--url", "http://127.0.0.1:1");
  assert.equal(nobody.code, 1);
  assert.match(nobody.error, /^http:\/\/127\.0\.0\.1:1 does not tell its alerts: /);
  assert.equal((await run(alertsCommand, "--url", "nowhere")).code, 2);
});
