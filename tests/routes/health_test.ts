import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

Deno.test("/healthz answers always, /readyz until the shutdown begins", async () => {
  const { send, service } = openFixture();
  assert.equal((await send("GET", "/healthz")).status, 200);
  assert.equal((await send("GET", "/readyz")).status, 200);
  service.beginShutdown();
  assert.equal((await send("GET", "/healthz")).status, 200);
  assert.equal((await send("GET", "/readyz")).status, 503);
});

Deno.test("/metrics counts samples and requests in Prometheus text format", async () => {
  const { app, send } = openFixture();
  await send("POST", "/v1/streams/a/observations", { timestamps: [1, 2], values: [1, 2] });
  await send("GET", "/v1/streams/none");
  const response = await app.request("/metrics");
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split("\n");
  for (
    const line of [
      'driftline_samples_total{outcome="accepted"} 2',
      'driftline_http_requests_total{method="GET",status="404"} 1',
      'driftline_http_requests_total{method="POST",status="200"} 1',
      "driftline_store_streams 1",
      "driftline_engine_states 1",
      'driftline_interval_coverage{level="0.8"} 0.79',
      'driftline_interval_targets{level="0.8"} 10',
      'driftline_interval_relative_width{level="0.8"} 0.5',
      "driftline_unapplied_samples 0",
    ]
  ) {
    assert.ok(lines.includes(line), line);
  }
});
