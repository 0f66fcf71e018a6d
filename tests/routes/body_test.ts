import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  decodeRequest,
  parseJson,
  readBody,
  REQUEST_BYTES_MAX,
  REQUESTS_BYTES_MAX,
} from "../../routes/_body.ts";
import { LimitError, OverloadError, ProtocolError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { csv } from "../../src/protocols/csv.ts";

function request(body: BodyInit, headers: Record<string, string> = {}): Request {
  return new Request("http://127.0.0.1/", { method: "POST", body, headers });
}

/** A body that stops in the middle until it is let go. */
function stuck(bytes: number): { body: ReadableStream<Uint8Array>; release: () => void } {
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (sent < bytes) {
        sent += 1 << 20;
        controller.enqueue(new Uint8Array(1 << 20));
        return;
      }
      await released;
      controller.close();
    },
  }, { highWaterMark: 0 });
  return { body, release };
}

Deno.test("readBody() reads a whole body up to its limit", async () => {
  const text = "x".repeat(300_000);
  assert.equal((await readBody(request(text), "TEXT_MAX", 300_000)).length, 300_000);
  await assert.rejects(() => readBody(request(text), "TEXT_MAX", 299_999), LimitError);
  assert.equal((await readBody(new Request("http://127.0.0.1/"), "TEXT_MAX", 10)).length, 0);
});

Deno.test("decodeRequest() hashes the body as it is inflated", async () => {
  const text = "timestamp,v\n1,2\n3,4\n";
  const packed = request(new Uint8Array(gzipSync(text)), { "Content-Encoding": "gzip" });
  const decoded = await decodeRequest(packed, csv, { streamId: "a", isHashed: true });
  assert.equal(decoded.bodyHash, sha256Hex(text));
  assert.deepEqual([...decoded.segments[0]!.values[0]!], [2, 4]);
  const plain = await decodeRequest(request(text), csv, { streamId: "a", isHashed: false });
  assert.equal(plain.bodyHash, undefined);
});

Deno.test("a body that breaks off is the sender's fault", async () => {
  for (const headers of [{}, { "Content-Length": "9" }, { "Content-Encoding": "gzip" }]) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(gzipSync("abc").subarray(0, 4)),
      pull: (controller) => controller.error(new Deno.errors.BadResource("connection closed")),
    });
    const broken = request(body, headers as Record<string, string>);
    await assert.rejects(() => readBody(broken, "TEXT_MAX", 100), {
      ...{ name: "RequestError", status: 400 },
      message: "The body broke off before its end",
    });
  }
  // What was charged for it is given back.
  assert.equal((await readBody(request("next"), "TEXT_MAX", 100)).length, 4);
});

Deno.test("bodies in work share one budget, and give it back", async () => {
  const count = REQUESTS_BYTES_MAX / REQUEST_BYTES_MAX;
  const holders = Array.from({ length: count }, () => stuck(REQUEST_BYTES_MAX));
  let readBytes = 0;
  const discard = {
    ...csv,
    open: () => ({
      push: (chunk: Uint8Array) => void (readBytes += chunk.length),
      finish: () => ({ segments: [], ignoredCount: 0 }),
    }),
  };
  const reads = holders.map(({ body }) =>
    decodeRequest(request(body), discard, { isHashed: false })
  );
  while (readBytes < REQUESTS_BYTES_MAX) await new Promise((resolve) => setTimeout(resolve, 1));
  await assert.rejects(() => readBody(request("one more"), "TEXT_MAX", 100), OverloadError);
  for (const { release } of holders) release();
  await Promise.all(reads);
  assert.equal((await readBody(request("one more"), "TEXT_MAX", 100)).length, 8);
});

Deno.test("parseJson() says why a body is no JSON", () => {
  assert.deepEqual(parseJson(new TextEncoder().encode('{"a":1}')), { a: 1 });
  assert.throws(() => parseJson(new TextEncoder().encode("{")), ProtocolError);
  assert.throws(() => parseJson(Uint8Array.of(0xff)), ProtocolError);
});
