import assert from "node:assert/strict";
import { makeGuard, makeHostGuard, URL_LENGTH_MAX } from "../../routes/_guard.ts";
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
  const guard = makeGuard(undefined, null);
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

/** A request that names its host as a browser does. */
const calling = (host: string) =>
  new Request("http://127.0.0.1:8733/v1/streams", { headers: { Host: host } });

Deno.test("makeHostGuard() lets in the names of this machine and those that are given", () => {
  const guard = makeHostGuard(["drift.example"]);
  const own = ["localhost", "LOCALHOST:8733", "a.localhost", "127.0.0.1:8733", "[::1]:8733"];
  for (const host of [...own, "drift.example", "drift.example.:80"]) guard(calling(host));
  guard(new Request("http://localhost:8733/"));
  assert.throws(() => guard(new Request("http://evil.example/")), { field: "Host" });
  const foreign = ["evil.example", "127.evil.example", "127.0.0.1.evil.example", "localhost.evil"];
  // One that was let in before lets in no other.
  for (const host of [...foreign, "drift.example.evil:8733", "10.0.0.1", "", "[::2]"]) {
    assert.throws(() => guard(calling(host)), { field: "Host", status: 403 }, host);
  }
});

Deno.test("a foreign host is a problem that says which names there are, but for health checks", async () => {
  const { app } = openFixture({ hosts: ["drift.example"] });
  const ask = (path: string, host: string) => app.request(path, { headers: { Host: host } });
  assert.equal((await ask("/v1/streams", "drift.example:8733")).status, 200);
  const refused = await ask("/v1/streams", "evil.example");
  const body = await refused.json();
  assert.deepEqual([refused.status, body.field, body.value], [403, "Host", "evil.example"]);
  assert.match(body.detail, /expected one of localhost, drift\.example; .*--hosts/);
  assert.equal((await ask("/", "evil.example")).status, 403);
  assert.equal((await ask("/healthz", "evil.example")).status, 200);
  const { app: open } = openFixture();
  assert.equal((await open.request("/v1/streams", { headers: { Host: "any" } })).status, 200);
});

Deno.test("a URL that is too long is a problem that names the limit", async () => {
  const { app } = openFixture();
  const path = (length: number) => {
    const begin = "http://localhost/v1/streams?after=";
    return begin + "a".repeat(length - begin.length);
  };
  const refused = await app.request(path(URL_LENGTH_MAX + 1));
  const { limitName, limit, field } = await refused.json();
  assert.deepEqual([refused.status, limitName, limit], [413, "URL_LENGTH_MAX", URL_LENGTH_MAX]);
  assert.equal(field, "url");
  assert.notEqual((await app.request(path(URL_LENGTH_MAX))).status, 413);
});
