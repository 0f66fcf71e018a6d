import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

const SAMPLES = { timestamps: [0, 60_000, 120_000], values: [1, 2, 10] };

Deno.test("POST /v1/forecast answers from what is sent along and stores nothing", async () => {
  const { send } = openFixture();
  const { status, body } = await send("POST", "/v1/forecast", {
    ...SAMPLES,
    horizon: 2,
    level: [80],
  });
  assert.equal(status, 200);
  assert.equal(body.origin, "1970-01-01T00:02:00Z");
  assert.equal(body.forecast.length, 2);
  assert.deepEqual(body.forecast[0].intervals, { "80": [9.6, 10.4] });
  assert.equal((await send("GET", "/v1/streams")).body.streams.length, 0);
});

Deno.test("POST /v1/forecast takes channels, rows, times and quantiles", async () => {
  const { send } = openFixture();
  const channels = await send("POST", "/v1/forecast?precision=s", {
    times: ["1970-01-01T02:00:00Z", 7_300_000],
    timestamps: [0, 3600],
    quantiles: [0.25],
    channels: { a: [1, 2], b: [3, null] },
  });
  assert.equal(channels.status, 200, JSON.stringify(channels.body));
  assert.deepEqual(Object.keys(channels.body.channels), ["a", "b"]);
  assert.deepEqual(channels.body.quantiles, [0.25, 0.5]);
  const rows = await send("POST", "/v1/forecast", [{ timestamp: 0, value: 4 }]);
  assert.equal(rows.body.forecast[0].median, 4);
});

Deno.test("POST /v1/forecast answers of the channels that are asked for", async () => {
  const { send } = openFixture();
  const body = { timestamps: [0, 60_000], channels: { a: [1, 2], b: [3, 4] }, horizon: 1 };
  const some = await send("POST", "/v1/forecast", { ...body, channel: ["b"] });
  assert.equal(some.status, 200, JSON.stringify(some.body));
  assert.deepEqual(Object.keys(some.body.channels), ["b"]);
  const none = await send("POST", "/v1/forecast", { ...body, channel: ["c"] });
  assert.equal(none.status, 422);
  assert.equal(none.body.field, "channel");
});

Deno.test("POST /v1/forecast names the members that there are beside one that is unknown", async () => {
  const { send } = openFixture();
  const { status, body } = await send("POST", "/v1/forecast", { ...SAMPLES, horizn: 2 });
  assert.equal(status, 400);
  assert.equal(body.field, "horizn");
  assert.match(body.detail, /"horizn" is unknown; known: timestamps, values, .*horizon, times/);
});

Deno.test("POST /v1/forecast hands on the bounds of the channels that are sent", async () => {
  const { send, engine } = openFixture();
  const ranges = { value: { lower: 0, upper: 12, missing: [-1] } };
  const { status, body } = await send("POST", "/v1/forecast", { ...SAMPLES, ranges });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(engine.onceSettings, { channels: ranges });
});

Deno.test("POST /v1/forecast takes a time twice where its values agree or are missing", async () => {
  const { send } = openFixture();
  const once = { timestamps: [0, 60_000], channels: { a: [1, 2], b: [3, 4] }, horizon: 1 };
  const twice = {
    ...{ timestamps: [0, 60_000, 60_000, 0], horizon: 1 },
    channels: { a: [1, 2, -9, 1], b: [3, null, 4, null] },
    ranges: { a: { missing: [-9] } },
  };
  const [first, second] = [
    await send("POST", "/v1/forecast", once),
    await send("POST", "/v1/forecast", twice),
  ];
  assert.equal(second.status, 200, JSON.stringify(second.body));
  assert.deepEqual(second.body.channels, first.body.channels);
});

Deno.test("POST /v1/detect scores each sample and names the alarms", async () => {
  const { send } = openFixture();
  const { status, body } = await send("POST", "/v1/detect", {
    timestamps: [120_000, 0, 60_000],
    values: [9_999, 1, 2],
  });
  assert.equal(status, 200);
  assert.deepEqual(body.timestamps, [
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:01:00Z",
    "1970-01-01T00:02:00Z",
  ]);
  assert.deepEqual(body.scores, [0, 1, 2]);
  assert.deepEqual(body.flags, [0, 0, 0]);
  assert.equal(body.anomalies[0].timestamp, "1970-01-01T00:02:00Z");
});

const UPPER = "ranges.value.upper";

const BAD: readonly [string, unknown, number, string | undefined][] = [
  ["/v1/forecast", { ...SAMPLES, horizon: "two" }, 422, "horizon"],
  ["/v1/forecast", { ...SAMPLES, horizon: 0 }, 422, "horizon"],
  ["/v1/forecast", { ...SAMPLES, level: [120] }, 422, "level[0]"],
  ["/v1/forecast", { ...SAMPLES, model: "oracle" }, 422, "model"],
  ["/v1/forecast", { ...SAMPLES, colour: 1 }, 400, "colour"],
  ["/v1/forecast", { ...SAMPLES, id: "a" }, 422, "id"],
  ["/v1/forecast", { horizon: 2 }, 400, undefined],
  ["/v1/forecast", { timestamps: [0, 1, 1], values: [1, 2, 3] }, 422, "timestamps"],
  ["/v1/detect", { timestamps: [0, 1, 1], values: [1, 2, 3] }, 422, "timestamps"],
  ["/v1/forecast", { timestamps: [0, 1], values: [null, null] }, 422, "values"],
  [
    "/v1/forecast",
    { ...SAMPLES, values: [-9, -9, -9], ranges: { value: { missing: [-9] } } },
    422,
    "values",
  ],
  ["/v1/forecast", '{"timestamps":[1],"horizon":2,"values":[1e999]}', 400, "values[0]"],
  ["/v1/forecast", '{"timestamps":[1],"values":[1],"horizon":2,}', 400, undefined],
  ["/v1/forecast", "nonsense", 400, undefined],
  ["/v1/forecast", { ...SAMPLES, ranges: { load: { lower: 0 } } }, 422, "ranges"],
  ["/v1/forecast", { ...SAMPLES, ranges: { value: { lower: 2, upper: 2 } } }, 422, UPPER],
  ["/v1/forecast", { ...SAMPLES, ranges: { value: { least: 0 } } }, 422, "ranges.value.least"],
  ["/v1/forecast", { ...SAMPLES, ranges: { value: { lower: "0" } } }, 422, "ranges.value.lower"],
  ["/v1/detect", { ...SAMPLES, ranges: {} }, 400, "ranges"],
  ["/v1/detect", { ...SAMPLES, horizon: 2 }, 400, "horizon"],
  ["/v1/detect?precision=h", SAMPLES, 400, "precision"],
];

for (const [path, body, status, field] of BAD) {
  const shown = typeof body === "string" ? body : JSON.stringify(body);
  Deno.test(`POST ${path} with ${shown} is a ${status}`, async () => {
    const { send } = openFixture();
    const answer = await send("POST", path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.equal(answer.body.field, field);
  });
}

Deno.test("POST /v1/forecast takes JSON only", async () => {
  const { app } = openFixture();
  const response = await app.request("/v1/forecast", { method: "POST", body: "t,v\n1,2\n" });
  assert.equal(response.status, 415);
});

Deno.test("POST /v1/forecast answers with paths, windows and crossings", async () => {
  const { send } = openFixture();
  const { status, body } = await send("POST", "/v1/forecast", {
    ...{ timestamps: [0, 60_000], values: [9, 10], horizon: 3 },
    ...{ paths: 2, aggregate: ["mean"], threshold: [11], integers: true },
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.paths.value.length, 2);
  assert.equal(body.aggregates.value[0].count, 3);
  assert.equal(body.thresholds.value[0].direction, "up");
  assert.ok(body.paths.value.flat().every(Number.isInteger));
});

Deno.test("POST /v1/forecast takes known futures of the channels that are sent", async () => {
  const { send } = openFixture();
  const { status, body } = await send("POST", "/v1/forecast", {
    ...{ timestamps: [0, 60_000], channels: { load: [9, 10], warmth: [1, 2] }, horizon: 2 },
    ...{ covariates: { warmth: [3, 3] }, calendar: { country: "AT" } },
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body.regression, { warmth: { share: 1, effect: [3, 3] } });
});
