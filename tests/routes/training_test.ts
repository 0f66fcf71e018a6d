import assert from "node:assert/strict";
import { createTrainingApp } from "../../routes/training.ts";
import { TrainingFeed } from "../../src/service/training_feed.ts";

const line = (step: number) => ({ step, loss: 2, rate: 0.1, samplesPerS: 1, elapsedS: 2 });
const open = () => {
  const feed = new TrainingFeed({ output: "runs/a", device: "cpu", steps: 10, parameters: 3 });
  return { feed, app: createTrainingApp(feed) };
};
const BASE = "http://127.0.0.1:1";

Deno.test("GET training events begins with all that is known and ends with the training", async () => {
  const { feed, app } = open();
  feed.add(line(1));
  const response = await app.request(`${BASE}/v1/training/events`);
  assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
  const text = response.text();
  feed.add(line(2));
  feed.end("finished");
  const events = (await text).split("\n\n").filter((block) => block.startsWith("event"));
  const parsed = events.map((block) => ({
    event: /^event: (.*)$/m.exec(block)![1],
    data: JSON.parse(/^data: (.*)$/m.exec(block)![1]!),
  }));
  assert.deepEqual(parsed.map(({ event }) => event), ["snapshot", "metrics", "end"]);
  assert.deepEqual(parsed[1]!.data, line(2));
  const { metrics } = await (await app.request(`${BASE}/v1/training`)).json();
  assert.deepEqual(metrics, [line(1), line(2)]);
});

Deno.test("the training's page and its files are served, and nothing else", async () => {
  const { app } = open();
  const page = await app.request(`${BASE}/`);
  assert.equal(page.status, 200);
  const html = await page.text();
  assert.match(html, /<h1>Training<\/h1>/);
  for (const [, path] of html.matchAll(/(?:src|href)="(\/assets[^"]+)"/g)) {
    assert.equal((await app.request(`${BASE}${path}`)).status, 200, path);
  }
  assert.equal((await app.request(`${BASE}/stream`)).status, 404);
});

Deno.test("a name of another site that points here is refused", async () => {
  const { app } = open();
  assert.equal((await app.request("http://attacker.example/v1/training")).status, 403);
  assert.equal((await app.request("http://localhost:1/v1/training")).status, 200);
});
