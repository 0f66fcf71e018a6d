import assert from "node:assert/strict";
import { dashboard } from "../../../routes/dashboard/mod.ts";
import type { Assets } from "../../../routes/dashboard/assets.ts";

const assets: Assets = {
  root: "/assets/0123456789abcdef",
  files: new Map([["a.ts", {
    body: new TextEncoder().encode("export const a = 1;"),
    mediaType: "text/javascript; charset=utf-8",
  }]]),
  pages: new Map([
    ["index.html", { html: "<p>list</p>", etag: '"1"' }],
    ["stream.html", { html: "<p>stream</p>", etag: '"2"' }],
    ["alerts.html", { html: "<p>alerts</p>", etag: '"4"' }],
    ["models.html", { html: "<p>models</p>", etag: '"3"' }],
  ]),
};
const app = dashboard({ load: () => Promise.resolve(assets) });

Deno.test("dashboard() serves its pages under a policy of their own origin", async () => {
  const pages = [["/", "list"], ["/stream?id=a", "stream"], ["/models", "models"], [
    "/alerts",
    "alerts",
  ]] as const;
  for (const [path, text] of pages) {
    const response = await app.request(path);
    assert.equal(response.status, 200);
    assert.match(await response.text(), new RegExp(text));
    const policy = response.headers.get("content-security-policy")!;
    assert.match(policy, /default-src 'none'/);
    assert.ok(!policy.includes("unsafe"));
    assert.equal(response.headers.get("cache-control"), "no-cache");
  }
});

Deno.test("dashboard() answers 304 to a browser that has the page", async () => {
  for (const tag of ['"1"', 'W/"1"']) {
    const response = await app.request("/", { headers: { "If-None-Match": tag } });
    assert.equal(response.status, 304);
    assert.equal(await response.text(), "");
  }
  assert.equal((await app.request("/", { headers: { "If-None-Match": '"9"' } })).status, 200);
});

Deno.test("dashboard() lets assets be kept for ever, and serves no other version", async () => {
  const response = await app.request(`${assets.root}/a.ts`);
  assert.equal(response.headers.get("content-type"), "text/javascript; charset=utf-8");
  assert.match(response.headers.get("cache-control")!, /immutable/);
  assert.equal(await response.text(), "export const a = 1;");
  assert.equal((await app.request("/assets/feedfeedfeedfeed/a.ts")).status, 404);
  assert.equal((await app.request(`${assets.root}/b.ts`)).status, 404);
});

Deno.test("dashboard() reads its files once", async () => {
  let count = 0;
  const counting = dashboard({
    load: () => {
      count++;
      return Promise.resolve(assets);
    },
  });
  await Promise.all([counting.request("/"), counting.request("/stream")]);
  await counting.request("/");
  assert.equal(count, 1);
});
