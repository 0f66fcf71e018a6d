import assert from "node:assert/strict";
import { compress } from "snappyjs";
import { openFixture, post } from "./_fixture.ts";

const PATH = "/api/v1/write";
const TYPE = "application/x-protobuf";
const SNAPPY = { "Content-Encoding": "snappy" };

const ROOT = new URL("../testdata/protocols/remote_write/", import.meta.url);
const recorded = (name: string) => Deno.readFileSync(new URL(`${name}/input.bin`, ROOT));
const packed = (name: string) => new Uint8Array(compress(recorded(name)));

Deno.test("POST /api/v1/write stores what Prometheus sends, once", async () => {
  const { app, send, store } = openFixture();
  for (let tries = 0; tries < 2; tries++) {
    const { status } = await post(app, PATH, TYPE, packed("prometheus_2_42"), SNAPPY);
    assert.equal(status, 204);
  }
  const id = "process_cpu_seconds_total,instance=127.0.0.1:9095,job=prometheus";
  const { body } = await send("GET", `/v1/streams/${encodeURIComponent(id)}/observations`);
  assert.deepEqual(body.channels, { value: [0.19, 0.24, 0.25, 0.27, 0.3] });
  assert.equal((await store.getStream(id))!.logOffset, 5);
});

Deno.test("POST /api/v1/write takes requests that hold metadata alone", async () => {
  const { app, store } = openFixture();
  const type = `${TYPE};proto=prometheus.WriteRequest`;
  assert.equal((await post(app, PATH, type, packed("metadata"), SNAPPY)).status, 204);
  assert.deepEqual(await store.listStreams({ limit: 10 }), []);
});

Deno.test("POST /api/v1/write says which message and coding it takes", async () => {
  const { app } = openFixture();
  const bytes = packed("mixed");
  for (const type of ["text/plain", `${TYPE};proto=io.prometheus.write.v2.Request`]) {
    const { status, body } = await post(app, PATH, type, bytes, SNAPPY);
    assert.deepEqual([status, body.field], [415, "Content-Type"]);
  }
  const { status, body } = await post(app, PATH, TYPE, bytes, { "Content-Encoding": "zstd" });
  assert.deepEqual([status, body.field], [415, "Content-Encoding"]);
  assert.match(body.detail, /gzip, snappy or none/);
});

Deno.test("POST /api/v1/write refuses what is broken, and stores nothing of it", async () => {
  const { app, store } = openFixture();
  const whole = packed("mixed");
  const answers = [
    await post(app, PATH, TYPE, whole.subarray(0, 40), SNAPPY),
    await post(app, PATH, TYPE, packed("bad_label_twice"), SNAPPY),
    await post(app, PATH, TYPE, packed("bad_truncated"), SNAPPY),
  ];
  assert.deepEqual(answers.map(({ status }) => status), [400, 400, 400]);
  assert.deepEqual(answers.map(({ body }) => body.protocol), [
    "snappy",
    "remote_write",
    "remote_write",
  ]);
  assert.deepEqual(await store.listStreams({ limit: 10 }), []);
});

Deno.test("a block of Snappy that says it is too long is not inflated", async () => {
  const { app } = openFixture();
  // The length in front is 2^27; nothing of it follows.
  const bomb = Uint8Array.of(0x80, 0x80, 0x80, 0x40, 0);
  const { status, body } = await post(app, PATH, TYPE, bomb, SNAPPY);
  assert.deepEqual([status, body.limitName], [413, "BODY_BYTES_MAX"]);
});

Deno.test("other bodies may be coded in Snappy, too", async () => {
  const { app } = openFixture();
  const bytes = new TextEncoder().encode('{"timestamps": [0, 1], "values": [1, 2]}');
  const path = "/v1/streams/a/observations";
  const { body } = await post(
    app,
    path,
    "application/json",
    new Uint8Array(compress(bytes)),
    SNAPPY,
  );
  assert.equal(body.accepted, 2);
});
