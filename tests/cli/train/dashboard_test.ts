import assert from "node:assert/strict";
import { serveTraining } from "../../../src/cli/train/dashboard.ts";
import { TrainingFeed } from "../../../src/service/training_feed.ts";

Deno.test("serveTraining() serves on loopback and closes with watchers open", async () => {
  const feed = new TrainingFeed({ output: "runs/a", device: "cpu", steps: 10, parameters: 3 });
  const page = serveTraining(0, feed);
  assert.match(page.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const snapshot = await (await fetch(`${page.url}/v1/training`)).json();
  assert.equal(snapshot.state, "running");
  const watching = fetch(`${page.url}/v1/training/events`).then((response) => response.text());
  // The end is told only to those who have come.
  while (!feed.isWatched) await new Promise((resolve) => setTimeout(resolve, 5));
  feed.end("finished");
  await page.close();
  assert.match(await watching, /event: end\ndata: \{"state":"finished"\}/);
});
