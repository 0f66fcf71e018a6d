import assert from "node:assert/strict";
import fc from "fast-check";
import { gzipSync } from "node:zlib";
import { REQUEST_BYTES_MAX } from "../../routes/_body.ts";
import { protocols } from "../../src/protocols/mod.ts";
import { openFixture, post } from "./_fixture.ts";

const PATH = "/v1/streams/a/observations";
const MINUTES = ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"];

Deno.test("POST observations takes columns, channels and rows", async () => {
  const { send } = openFixture();
  const columns = await send("POST", PATH, { timestamps: MINUTES, values: [1, null, 3] });
  assert.deepEqual(columns, {
    status: 200,
    body: { id: "a", accepted: 3, duplicates: 0, late: 0, rejected: 0, logOffset: 3 },
  });
  const channels = { x: [1, 2, 3], y: [4, 5, null] };
  assert.equal(
    (await send("POST", "/v1/streams/b/observations", {
      timestamps: MINUTES,
      channels,
    })).body.accepted,
    3,
  );
  const rows = [{ timestamp: 1_700_000_000, value: 5 }, { timestamp: 1_700_000_060, value: 6 }];
  const answer = await send("POST", "/v1/streams/c/observations?precision=s", rows);
  assert.equal(answer.body.accepted, 2);
  const read = await send("GET", "/v1/streams/b/observations");
  assert.deepEqual(read.body, {
    id: "b",
    timestamps: MINUTES,
    channels,
    decimated: false,
    count: 3,
  });
  const seconds = await send("GET", "/v1/streams/c/observations");
  assert.equal(seconds.body.timestamps[0], "2023-11-14T22:13:20Z");
});

Deno.test("POST observations tells duplicates, late and conflicting samples apart", async () => {
  const { send } = openFixture();
  await send("POST", PATH, { timestamps: [1000, 3000], values: [1, 3] });
  const again = await send("POST", PATH, { timestamps: [1000, 3000], values: [1, 3] });
  assert.equal(again.body.duplicates, 2);
  const mixed = await send("POST", PATH, { timestamps: [2000, 3000, 4000], values: [2, 33, 4] });
  assert.deepEqual(mixed.body, {
    id: "a",
    accepted: 1,
    duplicates: 0,
    late: 1,
    rejected: 1,
    conflicts: [{ timestamp: "1970-01-01T00:00:03Z", channel: "value", stored: 3, given: 33 }],
    logOffset: 4,
  });
  const read = await send("GET", PATH);
  assert.deepEqual(read.body.channels.value, [1, 2, 3, 4]);
});

Deno.test("POST observations sorts a body and joins its rows of one time", async () => {
  const { app, send } = openFixture();
  const lines = "m b=2 60000000000\nm a=0 0\nm a=1 60000000000\n";
  const answer = await post(app, "/v1/observations", "text/plain", lines);
  assert.equal(answer.body.accepted, 2);
  const read = await send("GET", "/v1/streams/m/observations");
  assert.deepEqual(read.body.channels, { b: [null, 2], a: [0, 1] });
});

Deno.test("POST observations?wait=applied answers after the state has advanced", async () => {
  const { send, engine } = openFixture();
  const body = { timestamps: MINUTES, values: [1, 2, 3] };
  const first = await send("POST", `${PATH}?wait=applied`, body);
  assert.equal(first.body.appliedOffset, 3);
  const again = await send("POST", `${PATH}?wait=applied`, body);
  assert.equal(again.body.appliedOffset, 3);
  // What the engine does not take stays in the log: the write succeeds without it.
  engine.failure = new Error("model threw");
  const later = { timestamps: ["2026-01-02"], values: [1] };
  assert.equal((await send("POST", PATH, later)).body.accepted, 1);
});

Deno.test("POST observations with an Idempotency-Key gives the first answer again", async () => {
  const { app } = openFixture();
  const key = { "Idempotency-Key": "k1" };
  const body = JSON.stringify({ timestamps: MINUTES, values: [1, 2, 3] });
  const first = await post(app, PATH, "application/json", body, key);
  const again = await post(app, PATH, "application/json", body, key);
  assert.deepEqual(again, first);
  assert.equal(first.body.accepted, 3);
  const other = JSON.stringify({ timestamps: MINUTES, values: [1, 2, 4] });
  const clash = await post(app, PATH, "application/json", other, key);
  assert.equal(clash.status, 409);
  // The same body means other samples when its integers are read in another unit.
  const scaled = await post(app, `${PATH}?precision=s`, "application/json", body, key);
  assert.equal(scaled.status, 409);
  const waited = await post(app, `${PATH}?wait=applied`, "application/json", body, key);
  assert.equal(waited.body.accepted, 3);
  const long = await post(app, PATH, "application/json", body, {
    "Idempotency-Key": "k".repeat(256),
  });
  assert.equal(long.status, 422);
  assert.equal(long.body.field, "Idempotency-Key");
});

Deno.test("POST observations reads CSV with chosen columns and names an unknown one", async () => {
  const { app, send } = openFixture();
  const text = "when,t,h\n2026-01-01,1.5,40\n2026-01-02,,41\n";
  const query = "?timestampColumn=when&columns=t";
  assert.equal((await post(app, PATH + query, "text/csv", text)).body.accepted, 2);
  assert.deepEqual((await send("GET", PATH)).body.channels, { t: [1.5, null] });
  const unknown = await post(app, `${PATH}?columns=pressure`, "text/csv", text);
  assert.equal(unknown.status, 400);
  assert.match(unknown.body.detail, /pressure/);
  assert.match(unknown.body.detail, /h/);
  assert.equal(unknown.body.protocol, "csv");
});

Deno.test("POST observations takes a recording whose signals have rates of their own", async () => {
  const { app, send } = openFixture();
  const file = new URL("../testdata/protocols/edf/breaks/input.edf", import.meta.url);
  const edf = Deno.readFileSync(file);
  const { body } = await post(app, PATH, "application/x-edf", edf);
  assert.deepEqual([body.accepted, body.late], [12, 0]);
  const stored = (await send("GET", PATH)).body;
  assert.deepEqual(Object.keys(stored.channels), ["EEG Cz", "EEG Cz#2", "Temp rectal"]);
  assert.deepEqual(stored.channels["Temp rectal"].map((value: number | null) => value !== null), [
    ...[true, false, false, false],
    ...[true, false, false, false],
    ...[true, false, false, false],
  ]);
});

Deno.test("POST observations inflates gzip and says when it is broken", async () => {
  const { app } = openFixture();
  const plain = JSON.stringify({ timestamps: MINUTES, values: [1, 2, 3] });
  const packed = new Uint8Array(gzipSync(plain));
  const gzip = { "Content-Encoding": "gzip" };
  assert.equal((await post(app, PATH, "application/json", packed, gzip)).body.accepted, 3);
  const cut = await post(app, PATH, "application/json", packed.subarray(0, 20), gzip);
  assert.equal(cut.status, 400);
  assert.equal(cut.body.protocol, "gzip");
  const coded = await post(app, PATH, "application/json", packed, { "Content-Encoding": "br" });
  assert.equal(coded.status, 415);
  assert.equal(coded.body.field, "Content-Encoding");
});

Deno.test("a body that inflates beyond the limit is refused before it is held", async () => {
  const { app, send } = openFixture();
  const bomb = new Uint8Array(gzipSync(new Uint8Array(80 * 1024 * 1024).fill(0x20)));
  assert.ok(bomb.length < 100_000);
  const answer = await post(app, PATH, "application/json", bomb, { "Content-Encoding": "gzip" });
  assert.equal(answer.status, 413);
  assert.equal(answer.body.limitName, "BODY_BYTES_MAX");
  assert.equal((await send("GET", "/v1/streams")).body.streams.length, 0);
});

/** Bad input, its status and what the problem must name. */
const BAD: readonly [string, string, BodyInit, number, Record<string, unknown>][] = [
  ["malformed JSON", "application/json", '{"timestamps": [1', 400, { protocol: "json" }],
  ["no JSON at all", "application/json", "hello", 400, { protocol: "json", offset: 0 }],
  ["an empty body", "application/json", "", 400, { protocol: "json" }],
  ["NaN", "application/json", '{"timestamps":[1],"values":[NaN]}', 400, { field: "values[0]" }],
  ["1e999", "application/json", '{"timestamps":[1,2],"values":[1,1e999]}', 400, {
    field: "values[1]",
  }],
  ["a time out of range", "application/json", '{"timestamps":["9999-01-01"],"values":[1]}', 400, {
    field: "timestamps[0]",
  }],
  ["an unparsable time", "application/json", '{"timestamps":["soon"],"values":[1]}', 400, {
    field: "timestamps[0]",
  }],
  ["unequal columns", "application/json", '{"timestamps":[1,2],"values":[1]}', 400, {}],
  ["an unknown member", "application/json", '{"timestamps":[1],"valeus":[1]}', 400, {
    field: "valeus",
  }],
  ["a bad field", "text/plain", "m a=1,b=x 1\n", 400, { protocol: "line_protocol" }],
  ["a truncated WAV", "audio/wav", "RIFF\x10\0\0\0WAVEfmt ", 400, { protocol: "wav" }],
  [
    "a stream beside the path's",
    "application/json",
    '{"id":"z","timestamps":[1],"values":[1]}',
    422,
    {
      field: "stream",
      value: "z",
    },
  ],
  ["an unknown media type", "application/pdf", "x", 415, { field: "Content-Type" }],
];

for (const [name, contentType, body, status, fields] of BAD) {
  Deno.test(`POST observations refuses ${name} and stores nothing`, async () => {
    const { app, send } = openFixture();
    const answer = await post(app, PATH, contentType, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.deepEqual({ ...answer.body, ...fields }, answer.body);
    assert.equal(answer.body.status, status);
    assert.ok(answer.body.detail.length > 10);
    assert.equal((await send("GET", "/v1/streams")).body.streams.length, 0);
  });
}

Deno.test("POST observations refuses 10,001 channels by the limit's name", async () => {
  const { send } = openFixture();
  const channels = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`c${i}`, [1]]));
  const answer = await send("POST", PATH, { timestamps: [1], channels });
  assert.equal(answer.status, 413);
  assert.equal(answer.body.limitName, "CHANNEL_COUNT_MAX");
  assert.equal((await send("GET", "/v1/streams")).body.streams.length, 0);
});

Deno.test("a body over the limit is refused by its declared length and by its bytes", async () => {
  const { app } = openFixture();
  const declared = await post(app, PATH, "application/json", "{}", {
    "Content-Length": String(REQUEST_BYTES_MAX + 1),
  });
  assert.equal(declared.status, 413);
  assert.equal(declared.body.limit, REQUEST_BYTES_MAX);
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1 << 20;
      controller.enqueue(new Uint8Array(1 << 20).fill(0x20));
    },
  });
  const streamed = await post(app, PATH, "application/json", endless);
  assert.equal(streamed.status, 413);
  assert.equal(streamed.body.limitName, "REQUEST_BYTES_MAX");
  assert.ok(sent <= REQUEST_BYTES_MAX + (4 << 20), `read ${sent} bytes`);
});

Deno.test("POST /v1/observations stores many streams, all or none", async () => {
  const { send } = openFixture();
  const streams = ["x", "y"].map((id) => ({ id, timestamps: MINUTES, values: [1, 2, 3] }));
  const { body } = await send("POST", "/v1/observations?wait=applied", { streams });
  assert.equal(body.accepted, 6);
  assert.deepEqual(body.streams.map((entry: any) => [entry.id, entry.appliedOffset]), [
    ["x", 3],
    ["y", 3],
  ]);
  streams[1]!.values = [1, 2, "3" as unknown as number];
  const bad = await send("POST", "/v1/observations", {
    streams: [{ id: "new", timestamps: MINUTES, values: [1, 2, 3] }, streams[1]],
  });
  assert.equal(bad.status, 400);
  assert.equal(bad.body.field, "streams[1].values[2]");
  assert.equal((await send("GET", "/v1/streams/new")).status, 404);
});

Deno.test("GET observations keeps to the range and thins what is long", async () => {
  const { send } = openFixture();
  const timestamps = Array.from({ length: 5_000 }, (_, i) => i * 1000);
  const values = timestamps.map((t) => Math.sin(t / 5e4) + (t === 2_500_000 ? 100 : 0));
  await send("POST", PATH, { timestamps, values });
  const range = await send("GET", `${PATH}?from=1970-01-01T00:00:10Z&to=12000`);
  assert.equal(range.body.count, 3);
  assert.equal(range.body.decimated, false);
  const thin = await send("GET", `${PATH}?maxPoints=100`);
  assert.equal(thin.body.decimated, true);
  assert.equal(thin.body.count, 5_000);
  assert.ok(thin.body.timestamps.length <= 100);
  assert.ok(Math.max(...thin.body.channels.value) > 99, "the spike stays");
});

Deno.test("GET observations names an unknown channel and those there are", async () => {
  const { send } = openFixture();
  await send("POST", PATH, { timestamps: [1], channels: { x: [1], y: [2] } });
  const one = await send("GET", `${PATH}?channel=y`);
  assert.deepEqual(one.body.channels, { y: [2] });
  const unknown = await send("GET", `${PATH}?channel=z`);
  assert.equal(unknown.status, 422);
  assert.match(unknown.body.detail, /x, y/);
  assert.equal((await send("GET", "/v1/streams/none/observations")).status, 404);
});

Deno.test("the reference and the refusal of other types name every protocol of the hub", async () => {
  const { app, send } = openFixture();
  const canonical = protocols.map(({ mediaTypes }) => mediaTypes[0]!);
  const { paths } = (await send("GET", "/openapi.json")).body;
  for (const path of ["/v1/observations", "/v1/streams/{id}/observations"]) {
    assert.deepEqual(Object.keys(paths[path].post.requestBody.content), canonical);
  }
  const refused = await app.request(PATH, {
    method: "POST",
    body: "a",
    headers: { "Content-Type": "image/png" },
  });
  assert.equal(refused.status, 415);
  assert.equal(refused.headers.get("accept-post"), canonical.join(", "));
  await refused.body?.cancel();
});

Deno.test("no bytes in any protocol make a fault of our own, nor a part of a body stored", async () => {
  const { app, send } = openFixture();
  const mediaTypes = protocols.map((protocol) => protocol.mediaTypes[0]!);
  const valid = [
    '{"timestamps":[1,2],"values":[1,null]}',
    '{"timestamp":1,"value":2}\n',
    "t,a,b\n1,2,3\n",
    "m,k=v a=1,b=2 3\n",
    "RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0",
  ].map((text) => new TextEncoder().encode(text));
  const mutated = fc.tuple(fc.constantFrom(...valid), fc.nat(60), fc.nat(255)).map(
    ([bytes, at, byte]) => {
      const copy = bytes.slice();
      copy[at % copy.length] = byte;
      return copy;
    },
  );
  const bodies = fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...mediaTypes), bodies, async (mediaType, bytes) => {
      const before = (await send("GET", "/v1/streams")).body.streams.length;
      const answer = await post(app, "/v1/observations", mediaType, new Uint8Array(bytes));
      assert.ok([200, 400, 413, 422].includes(answer.status), JSON.stringify(answer.body));
      const after = (await send("GET", "/v1/streams")).body.streams.length;
      if (answer.status !== 200) assert.equal(after, before);
    }),
    { numRuns: 500 },
  );
});

Deno.test("POST observations notes integer times that were likely meant in another unit", async () => {
  const { send } = openFixture();
  const samples = { timestamps: [1795392000, 1795392060], values: [1, 2] };
  const odd = await send("POST", "/v1/streams/a/observations", samples);
  assert.equal(odd.body.accepted, 2);
  assert.match(
    odd.body.note,
    /^Times are 1970-01-21T18:43:12Z to .+ with precision=s they are 2026/,
  );
  const said = await send("POST", "/v1/streams/b/observations?precision=s", samples);
  assert.equal(said.body.note, undefined);
  const many = { streams: [{ id: "c", ...samples }, { id: "d", timestamps: [0], values: [1] }] };
  const { body } = await send("POST", "/v1/observations", many);
  assert.deepEqual(body.streams.map(({ note }: { note?: string }) => note !== undefined), [
    true,
    false,
  ]);
});

Deno.test("POST observations tells of a CSV file whose times are in another column", async () => {
  const { app, send } = openFixture();
  const body = "value,when\n1.5,2026-01-01\n2.5,2026-01-02\n";
  const post = (query: string) =>
    app.request(`/v1/streams/a/observations${query}`, {
      ...{ method: "POST", body, headers: { "Content-Type": "text/csv" } },
    });
  const refused = await post("");
  assert.equal(refused.status, 400);
  const { detail, field } = await refused.json();
  assert.equal(field, "when");
  assert.match(detail, /it is a time, and the times were taken from "value": timestampColumn/);
  assert.equal((await post("?timestampColumn=when")).status, 200);
  assert.deepEqual((await send("GET", "/v1/streams/a/observations")).body.channels.value, [
    1.5,
    2.5,
  ]);
});
