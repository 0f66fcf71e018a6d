import assert from "node:assert/strict";
import { openAlerts } from "../service/alerts/_alerts.ts";

async function withAlerts() {
  const opened = openAlerts();
  const first = await opened.rule({ name: "a", condition: { kind: "value", above: 10 } });
  await opened.rule({ name: "b", condition: { kind: "value", above: 20 } });
  await opened.post([11], "x");
  await opened.post([21], "y");
  await opened.post([1], "x");
  return { ...opened, first };
}

Deno.test("GET /v1/alerts lists the newest first, by state, stream, rule and time", async () => {
  const { list, first, send } = await withAlerts();
  const names = async (query: string) =>
    (await list(query)).map((alert) => `${alert.rule.name} ${alert.stream}`).sort();
  assert.deepEqual(await names(""), ["a x", "a y", "b y"]);
  assert.deepEqual(await names("?state=open"), ["a y", "b y"]);
  assert.deepEqual(await names("?state=closed"), ["a x"]);
  assert.deepEqual(await names("?stream=y"), ["a y", "b y"]);
  assert.deepEqual(await names(`?rule=${first.id}&state=open`), ["a y"]);
  assert.equal((await list("?limit=2")).length, 2);
  const [newest] = await list("?stream=y");
  // The one of x was closed later.
  const since = Date.parse(newest.updatedAt) + 1;
  assert.deepEqual(await names(`?since=${since}`), ["a x"]);
  assert.equal((await send("GET", "/v1/alerts?state=shut")).body.field, "state");
  assert.equal((await send("GET", "/v1/alerts?limit=0")).status, 400);
});

Deno.test("an alert is told, acknowledged, resolved, and has its messages", async () => {
  const { list, send } = await withAlerts();
  const [{ id }] = await list("?state=open");
  assert.equal((await send("GET", `/v1/alerts/${id}`)).body.id, id);
  const seen = await send("POST", `/v1/alerts/${id}/acknowledge`);
  assert.deepEqual([seen.status, seen.body.acknowledged], [200, true]);
  const closed = await send("POST", `/v1/alerts/${id}/resolve`);
  assert.deepEqual([closed.status, closed.body.state], [200, "closed"]);
  assert.deepEqual((await send("GET", `/v1/alerts/${id}/deliveries`)).body, { deliveries: [] });
  for (const path of ["", "/deliveries"]) {
    assert.equal((await send("GET", `/v1/alerts/none${path}`)).status, 404);
  }
  for (const path of ["/acknowledge", "/resolve"]) {
    assert.equal((await send("POST", `/v1/alerts/none${path}`)).status, 404);
  }
});

Deno.test("GET /v1/alerts/events tells changes as they come", async () => {
  const { app, rule, post, service } = openAlerts();
  await rule({ condition: { kind: "value", above: 10 } });
  const response = await app.request("/v1/alerts/events");
  assert.match(response.headers.get("content-type")!, /event-stream/);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value!;
  await post([11]);
  while (!/data: .*\n\n/.test(text)) text += (await reader.read()).value;
  const data = JSON.parse(/data: (.*)/.exec(text)![1]!);
  assert.deepEqual([data.state, data.values], ["open", [11]]);
  service.beginShutdown();
  await reader.cancel();
});
