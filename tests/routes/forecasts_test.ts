import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

const PATH = "/v1/streams/a/forecast";

async function withStream() {
  const fixture = openFixture();
  await fixture.send("POST", "/v1/streams/a/observations", {
    timestamps: [0, 60_000],
    channels: { x: [9, 10], y: [1, 20] },
  });
  return fixture;
}

Deno.test("GET forecast gives median, quantiles, intervals and provenance", async () => {
  const { send } = await withStream();
  const { status, body } = await send("GET", `${PATH}?horizon=2`);
  assert.equal(status, 200);
  assert.equal(body.id, "a");
  assert.equal(body.origin, "1970-01-01T00:01:00Z");
  assert.equal(body.horizon, 2);
  assert.deepEqual(body.quantiles, [0.025, 0.1, 0.5, 0.9, 0.975]);
  assert.deepEqual(body.channels.x[1], {
    timestamp: "1970-01-01T00:03:00Z",
    median: 10,
    quantiles: { "0.025": 9.05, "0.1": 9.2, "0.5": 10, "0.9": 10.8, "0.975": 10.95 },
    intervals: { "80": [9.2, 10.8], "95": [9.05, 10.95] },
  });
  assert.deepEqual(body.forecast, body.channels.x);
  assert.equal(body.provenance.logOffset, 2);
  assert.equal(body.provenance.origin, body.origin);
  assert.match(body.provenance.modelHash, /^[0-9a-f]{64}$/);
});

Deno.test("GET forecast answers at asked times, levels, quantiles and channels", async () => {
  const { send } = await withStream();
  const times = "1970-01-01T01:00:00Z,1970-01-01T01:00:30Z";
  const { body } = await send("GET", `${PATH}?times=${times}&level=50&channel=y`);
  assert.deepEqual(body.channels.y.map((point: any) => point.timestamp), times.split(","));
  assert.deepEqual(Object.keys(body.channels), ["y"]);
  assert.deepEqual(body.quantiles, [0.25, 0.5, 0.75]);
  assert.deepEqual(Object.keys(body.channels.y[0].intervals), ["50"]);
  const only = await send("GET", `${PATH}?quantiles=0.05,0.3`);
  assert.deepEqual(only.body.quantiles, [0.05, 0.3, 0.5]);
  assert.deepEqual(only.body.forecast[0].intervals, {});
});

const BAD: readonly [string, number, string][] = [
  ["horizon=0", 422, "horizon"],
  ["horizon=20000", 422, "horizon"],
  ["horizon=two", 400, "horizon"],
  ["horizon=-3", 400, "horizon"],
  ["times=1970-01-01", 422, "times[0]"],
  ["times=soon", 422, "times[0]"],
  ["times=1970-01-02,1970-01-02", 422, "times[1]"],
  ["times=1970-01-02&horizon=2", 422, "times"],
  ["level=0", 422, "level[0]"],
  ["level=80,100", 422, "level[1]"],
  ["quantiles=0.1,x", 422, "quantiles[1]"],
  ["quantiles=1", 422, "quantiles[0]"],
  ["quantiles=", 400, "quantiles"],
  ["channel=z", 422, "channel"],
  ["horizons=3", 400, "horizons"],
  ["asOf=soon", 422, "asOf"],
  ["asOf=1969-12-31", 422, "asOf"],
  ["without=z", 422, "without"],
  ["without=x,y", 422, "without"],
  ["without=x&channel=x", 422, "without"],
  ["paths=-1", 400, "paths"],
  ["paths=1001", 413, "paths"],
  ["paths=2&horizon=5000", 413, "horizon"],
  ["seed=1", 422, "seed"],
  ["seed=4294967296&paths=1", 400, "seed"],
  ["aggregate=sum", 422, "aggregate[0]"],
  ["aggregate=total&window=0", 400, "window"],
  ["window=3", 422, "window"],
  ["threshold=high", 422, "threshold[0]"],
  ["threshold=1&direction=left", 400, "direction"],
  ["direction=up", 422, "direction"],
  ["integers=1", 400, "integers"],
];

for (const [question, status, field] of BAD) {
  Deno.test(`GET forecast?${question} is a ${status} that names ${field}`, async () => {
    const { send } = await withStream();
    const answer = await send("GET", `${PATH}?${question}`);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.equal(answer.body.field, field);
  });
}

Deno.test("GET forecast as of a time knows what had come, POST the same", async () => {
  const { send } = await withStream();
  const first = await send("GET", `${PATH}?asOf=1970-01-01T00:00:59Z&horizon=1&channel=x`);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.equal(first.body.origin, "1970-01-01T00:00:00Z");
  assert.equal(first.body.forecast[0].median, 9);
  const question = { asOf: 59_999, horizon: 1, channel: ["x"] };
  assert.deepEqual((await send("POST", PATH, question)).body, first.body);
  const now = await send("GET", `${PATH}?asOf=2030-01-01&horizon=1&channel=x`);
  assert.equal(now.body.forecast[0].median, 10);
});

Deno.test("GET forecast without a channel does not know it", async () => {
  const { send } = await withStream();
  const { body } = await send("GET", `${PATH}?without=y&horizon=1`);
  assert.deepEqual(Object.keys(body.channels), ["x"]);
  const told = { without: ["y"], horizon: 1, covariates: { y: [3] } };
  const refused = await send("POST", PATH, told);
  assert.deepEqual([refused.status, refused.body.field], [422, "without"]);
});

Deno.test("POST forecast supposes samples that have not come, and stores none", async () => {
  const { send } = await withStream();
  const suppose = { timestamps: [120_000], channels: { x: [30] } };
  const told = await send("POST", PATH, { horizon: 1, suppose });
  assert.equal(told.status, 200, JSON.stringify(told.body));
  assert.equal(told.body.origin, "1970-01-01T00:02:00Z");
  assert.equal(told.body.channels.x[0].median, 30);
  const now = await send("GET", `${PATH}?horizon=1`);
  assert.equal(now.body.origin, "1970-01-01T00:01:00Z");
});

Deno.test("POST forecast names what is wrong in samples that are supposed", async () => {
  const { send } = await withStream();
  const refused: [unknown, number, string][] = [
    [{ timestamps: [60_000], channels: { x: [1] } }, 422, "suppose.timestamps[0]"],
    [{ timestamps: [120_000], channels: { z: [1] } }, 422, "suppose.channels"],
    [{ timestamps: [120_000], channels: { x: ["much"] } }, 422, "suppose.channels.x[0]"],
    [{ timestamps: [], channels: { x: [] } }, 422, "suppose.timestamps"],
    [{ timestamps: [120_000] }, 422, "suppose"],
  ];
  for (const [suppose, status, field] of refused) {
    const { status: answered, body } = await send("POST", PATH, { suppose });
    assert.deepEqual([answered, body.field], [status, field], JSON.stringify(body));
  }
});

Deno.test("POST forecast with what is told besides reads the samples known by then", async () => {
  const { send, engine } = await withStream();
  const told = { asOf: 59_999, horizon: 1, calendar: {} };
  const { status, body } = await send("POST", PATH, told);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.origin, "1970-01-01T00:00:00Z");
  assert.notEqual(engine.onceSettings, null);
});

Deno.test("GET forecast of no stream is a 404, of an empty one a 422", async () => {
  const { send } = openFixture();
  assert.equal((await send("GET", PATH)).status, 404);
  await send("PUT", "/v1/streams/a", {});
  assert.equal((await send("GET", PATH)).status, 422);
});

Deno.test("GET forecast answers with paths, windows and crossings", async () => {
  const { send } = await withStream();
  const question = "horizon=4&level=80&channel=x&paths=3&seed=2&aggregate=total,max&window=3";
  const { status, body } = await send("GET", `${PATH}?${question}&threshold=10.4,11`);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body.paths.x.map((path: number[]) => path.length), [4, 4, 4]);
  const [first, second, ...largest] = body.aggregates.x;
  assert.deepEqual([first.aggregate, first.count, second.count, largest.length], [
    "total",
    3,
    1,
    2,
  ]);
  assert.equal(first.to, "1970-01-01T00:04:00Z");
  assert.equal(second.from, first.to.replace("04:00", "05:00"));
  assert.ok(first.intervals["80"][0] < first.median && first.median < first.intervals["80"][1]);
  const [near, far] = body.thresholds.x;
  assert.equal(near.direction, "up");
  // At lead k the value is even over 10 ± k/2.
  assert.ok(Math.abs(near.probability[3] - 0.4) < 0.01);
  assert.equal(far.probability[0], 0);
  assert.ok(near.crossed[3] >= near.probability[3]);
  assert.equal(near.crossing["0.9"], null);
  const again = await send("GET", `${PATH}?${question}`);
  assert.deepEqual(again.body.paths, body.paths);
  assert.equal("thresholds" in again.body, false);
});

Deno.test("GET forecast of integers gives whole numbers", async () => {
  const { send } = await withStream();
  const { body } = await send("GET", `${PATH}?integers=true&paths=5&horizon=3&channel=x`);
  assert.ok(Object.values(body.forecast[2].quantiles).every(Number.isInteger));
  assert.ok(body.paths.x.flat().every(Number.isInteger));
});

Deno.test("POST forecast asks the same in a body", async () => {
  const { send } = await withStream();
  const asked = await send("GET", `${PATH}?horizon=2&level=50&paths=2&threshold=12&channel=x`);
  const sent = await send("POST", PATH, {
    ...{ horizon: 2, level: [50], paths: 2, threshold: [12], channel: ["x"] },
  });
  assert.deepEqual(sent, asked);
  const bad: [unknown, number, string | undefined][] = [
    [{ horizon: "two" }, 422, "horizon"],
    [{ horizons: 2 }, 422, "horizons"],
    [{ threshold: ["1"] }, 422, "threshold[0]"],
    [[], 422, "body"],
    ["{", 400, undefined],
    ["x".repeat(1024 * 1024 + 1), 413, "body"],
  ];
  for (const [body, status, field] of bad) {
    const answer = await send("POST", PATH, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.equal(answer.body.field, field);
  }
});

Deno.test("POST forecast takes known futures of other channels and the calendar", async () => {
  const { send } = await withStream();
  const question = { horizon: 2, channel: ["x"], covariates: { y: [3, 4] } };
  const { status, body } = await send("POST", PATH, question);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body.regression, { y: { share: 0.5, effect: [3, 4] } });
  assert.equal(body.provenance.logOffset, 2);
  const calendar = { country: "DE", utcOffsetS: 3600 };
  const both = await send("POST", PATH, { ...question, covariates: { y: null }, calendar });
  assert.deepEqual(both.body.regression, { y: { share: 1, effect: [] } });
  const bad: [unknown, string][] = [
    [{ covariates: { y: "warm" } }, "covariates.y"],
    [{ calendar: { country: "XX" } }, "calendar.country"],
    [{ calendar: { utcOffsetS: 1e6 } }, "calendar.utcOffsetS"],
    [{ calendar: { town: "Ulm" } }, "calendar.town"],
    [{ calendar: { timeZone: "Europe/Ulm" } }, "calendar.timeZone"],
    [{ calendar: { timeZone: "UTC", utcOffsetS: 60 } }, "calendar.utcOffsetS"],
  ];
  for (const [given, field] of bad) {
    const answer = await send("POST", PATH, given);
    assert.deepEqual([answer.status, answer.body.field], [422, field]);
  }
  await send("PUT", "/v1/streams/empty", {});
  const empty = await send("POST", "/v1/streams/empty/forecast", { calendar: {} });
  assert.deepEqual([empty.status, empty.body.field], [422, "stream"]);
});

Deno.test("POST forecast asks the state where the stream declares its covariates", async () => {
  const { send, engine } = await withStream();
  await send("PUT", PATH.replace("/forecast", ""), { covariates: ["y"] });
  engine.forecastOnce = () => Promise.reject(new RangeError("The samples were read"));
  const question = { horizon: 2, channel: ["x"], covariates: { y: [3, 4] } };
  const { status, body } = await send("POST", PATH, question);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body.regression, { y: { share: 0.5, effect: [3, 4] } });
  // The state knows nothing of calendars, nor of channels that were not declared.
  for (const other of [{ calendar: {} }, { covariates: { x: [1, 2] }, channel: ["y"] }]) {
    assert.equal((await send("POST", PATH, { ...question, ...other })).status, 500);
  }
});
