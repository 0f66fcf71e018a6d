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
];

for (const [question, status, field] of BAD) {
  Deno.test(`GET forecast?${question} is a ${status} that names ${field}`, async () => {
    const { send } = await withStream();
    const answer = await send("GET", `${PATH}?${question}`);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.equal(answer.body.field, field);
  });
}

Deno.test("GET forecast of no stream is a 404, of an empty one a 422", async () => {
  const { send } = openFixture();
  assert.equal((await send("GET", PATH)).status, 404);
  await send("PUT", "/v1/streams/a", {});
  assert.equal((await send("GET", PATH)).status, 422);
});
