/**
 * The page of a training in a real browser: what it shows, that lines come live, how it ends, and
 * that nothing breaks its policy. Needs Chromium, as the dashboard's own test does.
 */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { serveTraining } from "../../../src/cli/train/dashboard.ts";
import { TrainingFeed } from "../../../src/service/training_feed.ts";
import { CHROMIUM, hasChromium, PATIENCE_MS } from "../../_browser.ts";

const line = (step: number) => ({
  step,
  loss: 2 / step,
  rate: 0.003,
  gradientNorm: 0.5,
  samplesPerS: 4321,
  elapsedS: step / 10,
  accuracy: 0.5,
});

Deno.test({
  name: "the page of a training shows its loss as it falls, and how it ended",
  ignore: !hasChromium(),
  // The browser's pipes close after the test.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const feed = new TrainingFeed({
      output: "runs/a",
      device: "cpu",
      steps: 100,
      parameters: 12_345,
    });
    for (let step = 1; step <= 40; step++) feed.add(line(step));
    feed.add({ step: 40, evaluation: { loss: 0.07, accuracy: 0.75 } });
    const server = serveTraining(0, feed);
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    const complaints: string[] = [];
    try {
      const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
      page.setDefaultTimeout(PATIENCE_MS);
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(server.url);
      await page.getByText("runs/a · cpu · 12,345 parameters").waitFor();
      await page.getByText("evaluation 75.0 %").waitFor();
      const chart = page.getByRole("img", { name: /^Loss from/ });
      assert.equal(await chart.getAttribute("aria-label"), "Loss from 2 to 0.05 at step 40");
      feed.add(line(50));
      await page.getByRole("img", { name: /at step 50$/ }).waitFor();
      feed.end("finished");
      await page.getByText("finished").waitFor();
      assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
      await server.close();
    }
  },
});
