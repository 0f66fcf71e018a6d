import assert from "node:assert/strict";
import protobuf from "protobufjs/minimal.js";
import { gzipSync } from "node:zlib";
import { StorageFullError } from "../../src/base/errors.ts";
import { openFixture, post } from "./_fixture.ts";

const PATH = "/otlp/v1/metrics";
const MESSAGES = "application/x-protobuf";
const JSON_TYPE = "application/json";

const ROOT = new URL("../testdata/protocols/otlp/", import.meta.url);
const recorded = (name: string) => Deno.readFileSync(new URL(name, ROOT));
const messages = recorded("js_exporter/input.bin");
const json = recorded("js_exporter_json/input.json");
const mixed = recorded("mixed/input.json");

async function sendRaw(
  app: ReturnType<typeof openFixture>["app"],
  type: string,
  body: BodyInit,
  headers: Record<string, string> = {},
) {
  return await app.request(PATH, {
    method: "POST",
    headers: { "Content-Type": type, ...headers },
    body,
  });
}

Deno.test("POST /otlp/v1/metrics stores what an exporter sends, in either encoding", async () => {
  for (
    const [type, bytes, answered] of [[MESSAGES, messages, ""], [JSON_TYPE, json, "{}"]] as const
  ) {
    const { app, send } = openFixture();
    const answer = await sendRaw(app, type, new Uint8Array(gzipSync(bytes)), {
      "Content-Encoding": "gzip",
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("Content-Type"), type);
    assert.equal(await answer.text(), answered);
    const id = encodeURIComponent(
      "boiler.temperature,boiler=north,instance=plant 7,job=boiler-house",
    );
    const { body } = await send("GET", `/v1/streams/${id}/observations`);
    assert.deepEqual(body.channels, { value: [61.25] });
  }
});

Deno.test("POST /otlp/v1/metrics says how many points it left out", async () => {
  const { app } = openFixture();
  const told = await (await sendRaw(app, JSON_TYPE, mixed)).json();
  assert.equal(told.partialSuccess.rejectedDataPoints, "2");
  assert.match(told.partialSuccess.errorMessage, /without a finite value/);
  // One point of a gauge "x" without a time.
  const point = protobuf.Writer.create().uint32(33).double(3).finish();
  const data = protobuf.Writer.create().uint32(10).bytes(point).finish();
  const metric = protobuf.Writer.create().uint32(10).string("x").uint32(42).bytes(data).finish();
  const scope = protobuf.Writer.create().uint32(18).bytes(metric).finish();
  const resource = protobuf.Writer.create().uint32(18).bytes(scope).finish();
  const whole = protobuf.Writer.create().uint32(10).bytes(resource).finish();
  const answer = await sendRaw(app, MESSAGES, whole.slice());
  const reader = protobuf.Reader.create(new Uint8Array(await answer.arrayBuffer()));
  assert.equal(reader.uint32(), 10);
  reader.uint32();
  assert.deepEqual([reader.uint32(), Number(reader.int64()), reader.uint32()], [8, 1, 18]);
  assert.match(reader.string(), /without a finite value/);
});

Deno.test("POST /otlp/v1/metrics takes an empty request", async () => {
  const { app } = openFixture();
  assert.equal((await sendRaw(app, MESSAGES, new Uint8Array(0))).status, 200);
  assert.equal((await sendRaw(app, JSON_TYPE, "{}")).status, 200);
});

Deno.test("POST /otlp/v1/metrics refuses what is broken, and stores nothing of it", async () => {
  const { app, store } = openFixture();
  const broken = await post(app, PATH, MESSAGES, messages.slice(0, 300));
  assert.deepEqual([broken.status, broken.body.protocol, broken.body.code], [400, "otlp", 3]);
  assert.equal(broken.body.message, broken.body.detail);
  const unnamed = await post(app, PATH, JSON_TYPE, recorded("bad_unnamed/input.json"));
  assert.equal(unnamed.body.field, "resourceMetrics[0].scopeMetrics[0].metrics[0].name");
  const text = await post(app, PATH, "text/plain", json);
  assert.deepEqual([text.status, text.body.field], [415, "Content-Type"]);
  assert.deepEqual(await store.listStreams({ limit: 10 }), []);
});

Deno.test("POST /otlp/v1/metrics asks exporters to come again where the disk is full", async () => {
  const { app, store } = openFixture();
  store.append = () => Promise.reject(new StorageFullError("The disk is full"));
  const answer = await sendRaw(app, MESSAGES, messages);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("Retry-After"), "60");
  assert.equal((await answer.json()).code, 14);
});
