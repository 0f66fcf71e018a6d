import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

Deno.test("GET /v1/devices tells what jobs run on, as soon as that is known", async () => {
  const { send } = openFixture();
  const first = await send("GET", "/v1/devices");
  assert.equal(first.status, 200);
  assert.deepEqual(first.body, { mode: "cpu", state: "opening", error: null });
  const { body } = await send("GET", "/v1/devices");
  assert.equal(body.state, "ready");
  assert.equal(body.gpu, null);
  assert.equal(body.gpuUnused, "Jobs run in this thread");
  assert.deepEqual(body.cpu, { threads: 1, simdUnavailable: null });
});
