/**
 * The pages in a real browser, over a real service: what they show, that a keyboard suffices, that
 * a phone's width does, and that nothing breaks their own policy.
 *
 * Needs Chromium (Debian: `apt-get install chromium`; `CHROMIUM` names another place); without it
 * these tests are skipped visibly.
 */
import assert from "node:assert/strict";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { planted } from "../../../datasets/synthetic.ts";
import { Client } from "../../../src/cli/demo/client.ts";
import { type RunningService, startService } from "../../../src/cli/start_service.ts";
import { readConfig } from "../../../src/service/config.ts";
import { openLog } from "../../../src/service/telemetry.ts";
import { CHROMIUM, hasChromium, PATIENCE_MS } from "../../_browser.ts";

const LENGTH = 420;
/** Sent live while the page is open. */
const LIVE_COUNT = 3;

const { segment } = planted({ seed: 3, length: LENGTH, streamId: "boiler/7 east" });
let running: RunningService;
let client: Client;
let context: BrowserContext;
let page: Page;
let folder = "";
let closeLog: () => Promise<void>;
/** What the browser complained of, and where it went. */
const complaints: string[] = [];
const origins = new Set<string>();

async function open(): Promise<void> {
  const config = readConfig(
    { store: "memory", port: 0, workers: 1, device: "cpu" },
    () => undefined,
  );
  const opened = await openLog("error");
  closeLog = opened.close;
  running = await startService(config, opened.log);
  client = new Client(running.url);
  await client.configure(segment.streamId, {
    horizon: 12,
    labels: { title: "Boiler 7", unit: "Cel" },
  });
  await client.send(segment, 0, LENGTH - LIVE_COUNT);
  folder = await Deno.makeTempDir();
  context = await chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: { width: 1280, height: 900 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context.setDefaultTimeout(PATIENCE_MS);
  page = context.pages()[0] ?? await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => origins.add(new URL(request.url()).origin));
}

async function close(): Promise<void> {
  await context.close();
  await running.close();
  await closeLog();
  await Deno.remove(folder, { recursive: true });
}

/** Share of the canvas' pixels that are drawn on. */
function inkShare(selector: string): Promise<number> {
  return page.locator(selector).evaluate((element) => {
    const canvas = element as unknown as {
      width: number;
      height: number;
      getContext(kind: "2d"): {
        getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray };
      };
    };
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let drawn = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) drawn++;
    return drawn / (width * height);
  });
}

async function overflowsSideways(): Promise<boolean> {
  return await page.evaluate(
    "document.documentElement.scrollWidth > document.documentElement.clientWidth",
  );
}

const STREAM = `stream?id=${encodeURIComponent(segment.streamId)}`;

const STEPS: readonly (readonly [name: string, run: () => Promise<void>])[] = [
  ["the list shows each stream with its last samples", async () => {
    await page.goto(running.url);
    const row = page.locator("#list a.row");
    await row.waitFor();
    assert.equal(await row.count(), 1);
    const text = await row.innerText();
    assert.ok(text.includes(segment.streamId) && text.includes("Boiler 7"), text);
    assert.ok(text.includes(String(LENGTH - LIVE_COUNT)), text);
    const path = await row.locator("svg path").getAttribute("d");
    assert.ok([...path!.matchAll(/[ML]/g)].length > 10, "the sparkline is empty");
  }],
  ["the keyboard alone leads from the list into a stream", async () => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.className"), "skip");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate("document.activeElement.id"), "filter");
    await page.keyboard.type("boil");
    await page.keyboard.press("ArrowDown");
    assert.equal(
      await page.evaluate("document.activeElement.dataset.id"),
      segment.streamId,
    );
    await page.keyboard.press("Enter");
    await page.locator("#body").waitFor();
    assert.equal(await page.locator("h1").innerText(), segment.streamId);
  }],
  ["the stream's page shows history, forecast and state", async () => {
    await page.locator("#forecast-table tbody tr").nth(11).waitFor();
    const first = await page.locator("#forecast-table tbody tr").first().innerText();
    assert.match(first, /\d … .*\d … /);
    assert.match(await page.locator("#proof").innerText(), /[0-9a-f]{64}/);
    const label = await page.locator("#history").getAttribute("aria-label");
    assert.match(label!, /^value: \d{2,} points, 12 forecast times, \d+ anomalies$/);
    // Lines and bands on an empty ground: a blank canvas has none, a filled one too much.
    const share = await inkShare("#history");
    assert.ok(share > 0.01 && share < 0.6, `${share} of the canvas is drawn on`);
  }],
  ["the arrow keys read the chart", async () => {
    await page.locator("#history").focus();
    await page.keyboard.press("ArrowLeft");
    const before = await page.locator("#reading").textContent();
    assert.match(before!, /2024, .*\d/);
    await page.keyboard.press("End");
    assert.match((await page.locator("#reading").textContent())!, /median .*80 %: /);
  }],
  ["samples arrive live", async () => {
    await page.locator('#live[data-state="open"]').waitFor();
    for (let at = LENGTH - LIVE_COUNT; at < LENGTH; at++) await client.send(segment, at, at + 1);
    await page.locator("#tiles", { hasText: String(LENGTH) }).waitFor();
    const canvas = page.locator('#innovations[aria-label*=" inside the 95 % band"]');
    await canvas.waitFor();
    assert.ok(await inkShare("#innovations") > 0.01);
    await page.locator("#forecast-origin", { hasText: "18 Jan 2024, 11:00" }).waitFor();
  }],
  ["what was forecast then is drawn over what came", async () => {
    const origin = await page.locator("#forecast-origin").innerText();
    await page.locator("#history").focus();
    await page.keyboard.press("Home");
    for (let i = 0; i < 15; i++) await page.keyboard.press("PageDown");
    await page.keyboard.press("Enter");
    await page.locator("#then", { hasText: "What is said as of" }).waitFor();
    const reading = (await page.locator("#reading").textContent())!;
    const then = await page.locator("#forecast-origin").innerText();
    assert.notEqual(then, origin);
    await page.locator("#tiles", { hasText: "Next value, then" }).waitFor();
    assert.ok(then.includes(reading.split(", ").slice(0, 2).join(", ")), `${then}, not ${reading}`);
    await page.locator("#now").click();
    await page.locator("#then", { hasText: "Click a sample" }).waitFor();
    assert.equal(await page.locator("#forecast-origin").innerText(), origin);
    assert.equal(await page.locator("#now").isVisible(), false);
    // A press of the mouse does the same.
    const box = (await page.locator("#history").boundingBox())!;
    await page.mouse.click(box.x + box.width * 0.6, box.y + box.height / 2);
    await page.locator("#now").click();
    assert.equal(await page.locator("#without").isVisible(), false);
  }],
  ["totals, crossings and components are there for the asking", async () => {
    await page.locator("#threshold").fill("1000000");
    await page.locator("#threshold").press("Enter");
    await page.locator("#answers-table tbody tr").nth(3).waitFor();
    assert.match(await page.locator("#answers-table").innerText(), /Total\s.*\d … /);
    assert.match(await page.locator("#crossing p").innerText(), /above .* probability 0\.0 %/);
    assert.equal(await page.locator("#crossing svg path").count(), 2);
    await page.locator("#take-apart").click();
    const parts = page.locator("#components figure");
    await parts.nth(1).waitFor();
    assert.match(await page.locator("#components").innerText(), /Level/);
    const path = await parts.first().locator("path").last().getAttribute("d");
    assert.ok([...path!.matchAll(/[ML]/g)].length > 50, "the signal is not drawn");
  }],
  ["the zone is chosen by the reader and kept", async () => {
    await page.locator("#zone").selectOption("local");
    await page.reload();
    await page.locator("#body").waitFor();
    assert.equal(await page.locator("#zone").inputValue(), "local");
    await page.locator("#zone").selectOption("utc");
  }],
  ["both pages fit a phone, light and dark", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${running.url}/${STREAM}`);
      await page.locator("#forecast-table tbody tr").nth(11).waitFor();
      assert.ok(!await overflowsSideways(), `the stream's page is too wide (${colorScheme})`);
      await page.goto(running.url);
      await page.locator("#list a.row").waitFor();
      assert.ok(!await overflowsSideways(), `the list is too wide (${colorScheme})`);
    }
  }],
  ["a stream without samples waits for its first, and channels can be chosen", async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await client.configure("pair", { horizon: 4, covariates: ["inside"] });
    await page.goto(`${running.url}/stream?id=pair`);
    await page.locator('.notice[data-kind="empty"]', { hasText: "No samples yet" }).waitFor();
    await page.locator('#live[data-state="open"]').waitFor();
    const { timestampsNs, values } = segment;
    const pair = {
      streamId: "pair",
      channels: ["inside", "outside"],
      timestampsNs,
      // A value is missing now and then.
      values: [values[0]!, values[0]!.map((value, i) => i % 7 === 0 ? NaN : value / 100)],
    };
    await client.send(pair, 0, 60);
    await page.locator("#channel").selectOption("outside");
    await page.locator('#history[aria-label^="outside: "]').waitFor();
    // Tiles follow the picture; the last value is the other channel's.
    await page.locator("#tiles dd").first().filter({ hasText: /^0\.\d/ }).waitFor();
    await page.locator("#without").selectOption("inside");
    await page.locator("#then", { hasText: "without inside" }).waitFor();
    await page.locator("#now").click();
    await page.locator("#then", { hasText: "Click a sample" }).waitFor();
    assert.equal(await page.locator("#without").inputValue(), "");
    assert.equal(await page.locator(".notice").count(), 0);
  }],
  ["the page of the models shows what serves, and jobs with their loss", async () => {
    await page.goto(running.url);
    await page.locator('nav a[href="/models"]').click();
    await page.locator("#models tbody tr", { hasText: "committee" }).waitFor();
    assert.match(await page.locator("#jobs").innerText(), /No jobs/);
    const metrics = [3, 2, 1].map((loss, i) => ({ step: i + 1, loss }));
    const job = {
      ...{ id: "0123456789abcdef", state: "running", model: "pumps", base: "neural" },
      ...{ source: { kind: "stream", id: "pump" }, channels: ["a"], rows: 2_000, step: 3 },
      ...{ steps: 1_200, heldOut: { before: 3, after: 0.5 }, metrics, evaluations: [] },
      ...{ device: "cpu", createdAt: new Date(1_772_352_000_000).toISOString(), error: null },
    };
    await page.route("**/v1/jobs", (route) => route.fulfill({ json: { jobs: [job] } }));
    const row = page.locator("#jobs tbody tr", { hasText: "pumps" });
    await row.waitFor();
    const text = await row.innerText();
    for (const part of ["from neural", "step 3 of 1,200", "0.5", "pump · 1 series · 2,000 rows"]) {
      assert.ok(text.includes(part), `"${part}" is not in "${text}"`);
    }
    assert.match((await row.locator("path").getAttribute("d"))!, /^M.*L/);
    await page.setViewportSize({ width: 360, height: 740 });
    assert.equal(await overflowsSideways(), false);
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.unroute("**/v1/jobs");
  }],
  ["the page of the alerts makes rules, and shows what opens, live", async () => {
    await page.goto(running.url);
    await page.locator('nav a[href="/alerts"]').click();
    await page.locator('#live[data-state="open"]').waitFor();
    await page.locator("#open", { hasText: "Nothing is open" }).waitFor();
    const field = (name: string) => page.locator(`#rule [name="${name}"]`);
    await field("name").fill("too warm");
    await field("prefix").fill("warm");
    assert.equal(await field("above").isVisible(), false);
    await field("kind").selectOption("value");
    await field("above").fill("30");
    await page.locator("#rule button").click();
    await page.locator("#rules tbody tr", { hasText: "value · above 30" }).waitFor();
    const nowNs = BigInt(Math.floor(performance.timeOrigin)) * 1_000_000n;
    const values = Float64Array.from({ length: 40 }, (_, i) => i < 39 ? 20 + i % 3 : 35);
    const timestampsNs = BigInt64Array.from(values, (_, i) => nowNs + BigInt(i) * 1_000_000_000n);
    const warm = { streamId: "warm", channels: ["value"], timestampsNs, values: [values] };
    await client.send(warm, 0, 40);
    const row = page.locator("#open tbody tr", { hasText: "value is 35, above 30" });
    await row.waitFor();
    await row.locator("svg.event line.mark").waitFor({ state: "attached" });
    assert.match((await row.locator("svg.event .value").getAttribute("d"))!, /^M.*L/);
    await row.getByText("Resolve").click();
    await page.locator("#closed tbody tr", { hasText: "person" }).waitFor();
    await page.setViewportSize({ width: 360, height: 740 });
    assert.equal(await overflowsSideways(), false);
    await page.setViewportSize({ width: 1280, height: 900 });
  }],
  ["nothing was loaded from elsewhere, and nothing complained", () => {
    assert.deepEqual([...origins], [running.url]);
    assert.deepEqual(complaints, []);
    return Promise.resolve();
  }],
  ["a stream that does not exist is said to be none", async () => {
    await page.goto(`${running.url}/stream?id=nobody`);
    const notice = page.locator('.notice[data-kind="error"]');
    await notice.waitFor();
    assert.match(await notice.innerText(), /No such stream/);
  }],
  ["a service that does not answer is said so, until it does", async () => {
    await page.route("**/v1/streams?*", (route) => route.abort());
    await page.goto(running.url);
    const notice = page.locator('.notice[data-kind="error"]');
    await notice.waitFor();
    assert.match(await notice.innerText(), /does not answer/);
    await page.unroute("**/v1/streams?*");
    await page.locator("#list a.row").first().waitFor();
    assert.equal(await notice.count(), 0);
  }],
];

Deno.test({
  name: "the dashboard works in a browser",
  ignore: !hasChromium(),
  // The browser's driver keeps its own timers and pipes until the process ends.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    await open();
    try {
      for (const [name, run] of STEPS) {
        if (!await t.step({ name, fn: run, sanitizeOps: false, sanitizeResources: false })) break;
      }
    } finally {
      await close();
    }
  },
});
