import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { readBody } from "../../routes/_body.ts";
import { BODY_STALL_MS_MAX, BodyWatch } from "../../routes/_body_watch.ts";
import { problemResponse } from "../../routes/_problem.ts";

/** A request whose body begins and then sends nothing more. */
function stalled(headers: Record<string, string> = {}): Request {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(gzipSync("time").subarray(0, 10)),
  });
  return new Request("http://127.0.0.1/", { method: "POST", body, headers });
}

const closed = { name: "RequestError", status: 503 };

const KINDS = [{}, { "Content-Length": "9" }, { "Content-Encoding": "gzip" }];

Deno.test("a body that stalls is a 408 that names the limit", async () => {
  for (const headers of KINDS) {
    const request = stalled(headers as Record<string, string>);
    const error = await readBody(request, "TEXT_MAX", 100, { stallMs: 20 })
      .then(() => null, (reason: unknown) => reason);
    const response = problemResponse(error);
    assert.equal(response.status, 408);
    assert.equal(response.headers.get("connection"), "close");
    const problem = await response.json();
    assert.equal(problem.type, "urn:driftline:problem:request-timeout");
    assert.match(problem.detail, /BODY_STALL_MS_MAX is 20/);
  }
});

Deno.test("a body that keeps coming may take longer than it may stall", async () => {
  // Forty times as long as a piece takes, so that a busy machine does not look like a stall.
  const stallMs = 800;
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (sent++ < 45) controller.enqueue(Uint8Array.of(1));
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const request = new Request("http://127.0.0.1/", { method: "POST", body });
  assert.equal((await readBody(request, "TEXT_MAX", 100, { stallMs })).length, 45);
});

Deno.test("bodies that are not whole are given up when the service closes", async () => {
  for (const headers of KINDS) {
    const closing = new AbortController();
    const request = stalled(headers as Record<string, string>);
    const read = readBody(request, "TEXT_MAX", 100, { closing: closing.signal });
    setTimeout(() => closing.abort(), 5);
    await assert.rejects(read, closed);
  }
  const whole = new Request("http://127.0.0.1/", { method: "POST", body: "late" });
  await assert.rejects(
    readBody(whole, "TEXT_MAX", 100, { closing: AbortSignal.abort() }),
    closed,
  );
});

Deno.test("BodyWatch passes on what comes, and why it does not", async () => {
  assert.equal(BODY_STALL_MS_MAX, 30_000);
  const watch = new BodyWatch({ stallMs: 1_000 });
  assert.equal(await watch.wait(Promise.resolve(7)), 7);
  await assert.rejects(watch.wait(Promise.reject(new TypeError("cut"))), TypeError);
  watch.close();
});
