import assert from "node:assert/strict";
import { makeGuard } from "../../routes/_guard.ts";
import { openFixture } from "./_fixture.ts";

const TOKEN = "0123456789abcdef0123";

Deno.test("with a token set every path but the health checks asks for it", async () => {
  const { app } = openFixture({ token: TOKEN });
  const status = async (path: string, authorization?: string) => {
    const headers: Record<string, string> = authorization === undefined
      ? {}
      : { Authorization: authorization };
    return (await app.request(path, { headers })).status;
  };
  assert.equal(await status("/healthz"), 200);
  for (const path of ["/v1/streams", "/metrics", "/openapi.json", "/docs"]) {
    assert.equal(await status(path), 401, path);
  }
  assert.equal(await status("/v1/streams", `Bearer ${TOKEN}`), 200);
  assert.equal(await status("/v1/streams", `Token ${TOKEN}`), 200);
  assert.equal(await status("/v1/streams", `Basic ${btoa(`me:${TOKEN}`)}`), 200);
  for (
    const wrong of [
      "Bearer",
      `Bearer ${TOKEN}x`,
      `Digest ${TOKEN}`,
      "Basic %%%",
      `Basic ${btoa("me:")}`,
    ]
  ) {
    assert.equal(await status("/v1/streams", wrong), 401, wrong);
  }
  const refused = await app.request("/v1/streams");
  assert.match(refused.headers.get("www-authenticate")!, /^Bearer/);
  assert.equal((await refused.json()).field, "Authorization");
});

Deno.test("makeGuard() refuses writes that a page of another site makes a browser send", () => {
  const guard = makeGuard(undefined);
  const request = (method: string, site?: string) =>
    new Request("http://127.0.0.1/v1/observations", {
      method,
      headers: site === undefined ? {} : { "Sec-Fetch-Site": site },
    });
  for (const site of ["cross-site", "same-site"]) {
    assert.throws(() => guard(request("POST", site), "/"), /another site/);
    guard(request("GET", site), "/");
  }
  for (const site of [undefined, "same-origin", "none"]) guard(request("POST", site), "/");
});
