import assert from "node:assert/strict";
import { silentLog } from "../../src/service/telemetry.ts";
import { openFixture } from "./_fixture.ts";

const LINES = "cpu,host=a usage=1.5,idle=2i 1700000000\ncpu,host=a usage=1.6 1700000060\n";

for (const path of ["/write?db=d&rp=r", "/api/v2/write?org=o&bucket=b"]) {
  Deno.test(`POST ${path} stores line protocol, a series a stream`, async () => {
    const { app, send } = openFixture();
    // As Influx's own clients send it, whatever the content type says.
    const response = await app.request(`${path}&precision=s`, {
      method: "POST",
      body: LINES,
      headers: { "Content-Type": "application/x-www-form-urlencoded", Authorization: "Token x" },
    });
    assert.equal(response.status, 204);
    const { body } = await send("GET", "/v1/streams/cpu%2Chost%3Da/observations");
    assert.deepEqual(body.channels, { usage: [1.5, 1.6], idle: [2, null] });
    assert.equal(body.timestamps[1], "2023-11-14T22:14:20Z");
  });
}

Deno.test("POST /write gives a series the name that the other protocols know it by", async () => {
  const { app, send } = openFixture();
  const lines = "oven🔥,site=21\\ °C v=1 1\nbad<>,site=a v=1 1\n";
  assert.equal((await app.request("/write", { method: "POST", body: lines })).status, 204);
  const { body } = await send("GET", "/v1/streams");
  // A name has symbols and emoji; of what it cannot hold the bytes are written out.
  const named = body.streams.map(({ id }: { id: string }) => id);
  assert.deepEqual(named, ["bad%3C%3E,site=a", "oven🔥,site=21 °C"]);
  const path = `/v1/streams/${encodeURIComponent(named[1]!)}/observations`;
  const more = await send("POST", path, { timestamps: [1], channels: { v: [2] } });
  assert.equal(more.status, 200, JSON.stringify(more.body));
  assert.equal((await send("GET", path)).body.count, 2);
});

Deno.test("POST /write names a bad field's line and stores nothing", async () => {
  const { app, send } = openFixture();
  const response = await app.request("/write", { method: "POST", body: "m a=1 1\nm a=x 2\n" });
  assert.equal(response.status, 400);
  const problem = await response.json();
  assert.equal(problem.protocol, "line_protocol");
  assert.match(problem.detail, /[Ll]ine 2/);
  // The members that InfluxDB's own clients read and log.
  assert.deepEqual([problem.error, problem.message], [problem.detail, problem.detail]);
  assert.equal(problem.code, "malformed-body");
  assert.equal((await send("GET", "/v1/streams/none")).body.message, undefined);
  assert.equal((await send("GET", "/v1/streams")).body.streams.length, 0);
});

Deno.test("POST /write refuses an unknown precision and takes lines without a time", async () => {
  const { app, send } = openFixture();
  const hours = await app.request("/write?precision=h", { method: "POST", body: "m a=1 1\n" });
  assert.equal(hours.status, 400);
  assert.equal((await hours.json()).field, "precision");
  const now = await app.request("/write", { method: "POST", body: "m a=1\n" });
  assert.equal(now.status, 204);
  const { body } = await send("GET", "/v1/streams/m");
  assert.equal(body.lastTimestamp, "2023-11-14T22:13:20Z");
});

Deno.test("POST /write tells the unit that a time was likely meant in", async () => {
  const { app } = openFixture();
  const body = "m a=1 1795392000000000000\n";
  const response = await app.request("/write?precision=ms", { method: "POST", body });
  assert.equal(response.status, 400);
  const { detail } = await response.json();
  assert.match(detail, /Line 1: Timestamp is .+; with the precision ns it is 2026-11-23T00:00:00Z/);
});

Deno.test("POST /write logs times that were likely meant in a coarser unit", async () => {
  const told: Record<string, unknown>[] = [];
  const { app } = openFixture({
    log: { ...silentLog, warning: (_, fields = {}) => told.push(fields) },
  });
  const write = (path: string) => app.request(path, { method: "POST", body: "m a=1 1795392000\n" });
  assert.equal((await write("/write?precision=s")).status, 204);
  assert.equal(told.length, 0);
  assert.equal((await write("/api/v2/write")).status, 204);
  assert.equal((await write("/api/v2/write")).status, 204);
  assert.deepEqual(told.map(({ stream }) => stream), ["m"], "one line a second");
  assert.match(String(told.at(0)?.note), /as integers of ns; with precision=s they are 2026-11-23/);
});

Deno.test("GET and HEAD /ping answer with the version that clients look for", async () => {
  const { app } = openFixture();
  for (const method of ["GET", "HEAD"]) {
    const response = await app.request("/ping", { method });
    assert.equal(response.status, 204);
    assert.match(response.headers.get("X-Influxdb-Version")!, /^1\./);
  }
});
