import assert from "node:assert/strict";
import { Hono } from "hono";
import { sendEvents, writeEvent } from "../../routes/_live.ts";
import { EventHub } from "../../src/service/events.ts";

function openLive(open?: Parameters<typeof sendEvents>[2]["open"]) {
  const hub = new EventHub();
  const app = new Hono();
  app.get("/", (c) => {
    const subscription = hub.subscribe("a");
    const leave = () => hub.unsubscribe("a", subscription);
    return sendEvents(c, subscription, open === undefined ? { leave } : { leave, open });
  });
  return { hub, ask: () => app.request("/") };
}

Deno.test("sendEvents() says that it listens, sends events as JSON, and leaves at the end", async () => {
  const { hub, ask } = openLive();
  const response = await ask();
  assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
  hub.publish("a", { kind: "sample", data: { value: 1 } });
  hub.close();
  assert.equal(await response.text(), ': listening\n\nevent: sample\ndata: {"value":1}\n\n');
  assert.equal(hub.subscriberCount, 0);
});

Deno.test("sendEvents() ends where its opening says that nothing follows", async () => {
  const { hub, ask } = openLive(async (stream) => {
    await writeEvent(stream, "end", { state: "finished" });
    return false;
  });
  const response = await ask();
  assert.equal(await response.text(), 'event: end\ndata: {"state":"finished"}\n\n');
  assert.equal(hub.subscriberCount, 0);
});

Deno.test("sendEvents() gives the subscription back when the listener leaves", async () => {
  const { hub, ask } = openLive();
  const reader = (await ask()).body!.getReader();
  await reader.read();
  assert.equal(hub.subscriberCount, 1);
  await reader.cancel();
  assert.equal(hub.subscriberCount, 0);
  hub.close();
});
