import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

interface SentEvent {
  readonly event: string;
  readonly data: any;
}

/** Reads events until `count` of them have come. */
async function readEvents(response: Response, count: number): Promise<SentEvent[]> {
  const events: SentEvent[] = [];
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (events.length < count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) events.push({ event, data: JSON.parse(data) });
    }
  }
  await reader.cancel();
  return events;
}

Deno.test("GET events tells samples, anomalies and forecasts as they come", async () => {
  const { app, send, service } = openFixture();
  await send("POST", "/v1/streams/a/observations", { timestamps: [0], values: [1] });
  const response = await app.request("/v1/streams/a/events");
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
  assert.equal(service.events.subscriberCount, 1);
  await send("POST", "/v1/streams/b/observations", { timestamps: [0], values: [7] });
  await send("POST", "/v1/streams/a/observations", {
    timestamps: [1000, 2000],
    values: [2, 5_000],
  });
  const events = await readEvents(response, 4);
  assert.deepEqual(events.map(({ event }) => event), ["sample", "sample", "anomaly", "forecast"]);
  assert.deepEqual(events[1]!.data, {
    timestamp: "1970-01-01T00:00:02Z",
    values: { value: 5_000 },
    expected: { value: null },
    scale: { value: null },
    score: 1,
  });
  assert.equal(events[2]!.data.timestamp, "1970-01-01T00:00:02Z");
  assert.equal(events[3]!.data.origin, "1970-01-01T00:00:02Z");
  assert.equal(service.events.subscriberCount, 0, "a listener that leaves is forgotten");
});

Deno.test("GET events ends when the stream is deleted", async () => {
  const { app, send, service } = openFixture();
  await send("PUT", "/v1/streams/a", {});
  const response = await app.request("/v1/streams/a/events");
  const ended = response.text();
  await send("DELETE", "/v1/streams/a");
  assert.match(await ended, /listening/);
  assert.equal(service.events.subscriberCount, 0);
});

Deno.test("GET events of no stream is a 404", async () => {
  const { send } = openFixture();
  assert.equal((await send("GET", "/v1/streams/none/events")).status, 404);
});
