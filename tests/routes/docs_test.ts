import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

Deno.test("/docs is served from this origin under a strict policy", async () => {
  const { app } = openFixture();
  const response = await app.request("/docs");
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-security-policy")!, /default-src 'none'/);
  const page = await response.text();
  assert.doesNotMatch(page, /https?:/);
  assert.doesNotMatch(page, /<script>|\son\w+=/, "no inline script");
  for (const [, path] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const asset = await app.request(path!);
    assert.equal(asset.status, 200, path);
    assert.ok((await asset.arrayBuffer()).byteLength > 100, path);
  }
});

Deno.test("/docs serves its own files only, and not again what is known", async () => {
  const { app } = openFixture();
  const asset = await app.request("/docs/swagger-ui.css");
  await asset.body?.cancel();
  assert.match(asset.headers.get("content-type")!, /^text\/css/);
  const again = await app.request("/docs/swagger-ui.css", {
    headers: { "If-None-Match": asset.headers.get("etag")! },
  });
  assert.equal(again.status, 304);
  for (const file of ["package.json", "..%2Fpackage.json", "index.html"]) {
    const response = await app.request(`/docs/${file}`);
    assert.equal(response.status, 404, file);
    await response.body?.cancel();
  }
});
