import assert from "node:assert/strict";
import { SETTINGS_BYTES_MAX } from "../../routes/streams.ts";
import { CHANNEL_COUNT_MAX } from "../../src/signal/segment.ts";
import { openFixture } from "./_fixture.ts";

const SAMPLES = {
  timestamps: ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"],
  values: [1, null, 3],
};

Deno.test("PUT /v1/streams/{id} creates, then changes what is named", async () => {
  const { send, engine } = openFixture();
  const made = await send("PUT", "/v1/streams/a", { horizon: 12, labels: { site: "roof" } });
  assert.equal(made.status, 201);
  assert.equal(made.body.horizon, 12);
  const changed = await send("PUT", "/v1/streams/a", { channels: { value: { lower: 0 } } });
  assert.equal(changed.status, 200);
  assert.equal(changed.body.horizon, 12);
  assert.deepEqual(changed.body.labels, { site: "roof" });
  assert.deepEqual(changed.body.ranges, { value: { lower: 0 } });
  assert.deepEqual(engine.dropped, ["a"]);
  const missing = { value: { lower: 0, missing: [-999, 65_535] } };
  const declared = await send("PUT", "/v1/streams/a", { channels: missing });
  assert.deepEqual(declared.body.ranges, missing);
  const empty = await send("PUT", "/v1/streams/b");
  assert.equal(empty.status, 201);
});

Deno.test("PUT /v1/streams/{id} names the setting at fault", async () => {
  const { send } = openFixture();
  const crowd = Array.from({ length: CHANNEL_COUNT_MAX + 1 }, (_, i) => `c${i}`);
  const cases: [unknown, number, string][] = [
    [{ horizon: 0 }, 422, "horizon"],
    [{ horizon: "many" }, 422, "horizon"],
    [{ colour: "red" }, 422, "colour"],
    [{ channels: { a: { lower: 2, upper: 1 } } }, 422, "channels.a.upper"],
    [{ channels: { a: { least: 2 } } }, 422, "channels.a.least"],
    [{ channels: { a: { missing: ["-999"] } } }, 422, "channels.a.missing[0]"],
    [{ channels: { a: { missing: Array(17).fill(1) } } }, 413, "channels.a.missing"],
    [{ seasonsS: [-1] }, 422, "seasonsS[0]"],
    [{ flags: { falseAlarmRate: 0.5 } }, 422, "flags.falseAlarmRate"],
    [{ flags: { effectMin: -1 } }, 422, "flags.effectMin"],
    [{ covariates: ["a", "b", "a"] }, 422, "covariates[2]"],
    [{ covariates: [""] }, 422, "covariates[0]"],
    [{ covariates: ["a", "b", "c", "d", "e"] }, 413, "covariates"],
    [{ flags: { coolDownS: 1e10 } }, 422, "flags.coolDownS"],
    [[], 422, "body"],
    ['{"channels": {"__proto__": {"lower": 1}}}', 422, "channels.__proto__"],
    ['{"labels": {"__proto__": "x"}}', 422, "labels.__proto__"],
    [{ channels: Object.fromEntries(crowd.map((name) => [name, {}])) }, 413, "channels"],
    ["{bad", 400, ""],
    ["x".repeat(SETTINGS_BYTES_MAX + 1), 413, "body"],
  ];
  for (const [body, status, field] of cases) {
    const answer = await send("PUT", "/v1/streams/a", body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    if (field !== "") assert.equal(answer.body.field, field);
    assert.match(answer.body.type, /^urn:driftline:problem:/);
  }
  assert.equal((await send("GET", "/v1/streams/a")).status, 404);
});

Deno.test("PUT /v1/streams/{id} gives a stream another model, whose state is made anew", async () => {
  const { send, engine } = openFixture();
  await send("POST", "/v1/streams/a/observations", SAMPLES);
  const answer = await send("PUT", "/v1/streams/a", { model: "mean" });
  assert.equal(answer.status, 200);
  assert.equal(answer.body.model, "mean");
  assert.deepEqual(engine.dropped, ["a"]);
});

Deno.test("GET /v1/streams/{id} tells settings, log and state", async () => {
  const { send } = openFixture();
  await send("POST", "/v1/streams/a/observations", SAMPLES);
  const { status, body } = await send("GET", "/v1/streams/a");
  assert.equal(status, 200);
  assert.equal(body.sampleCount, 3);
  assert.equal(body.logOffset, 3);
  assert.equal(body.appliedOffset, 3);
  assert.equal(body.firstTimestamp, "2026-01-01T00:00:00Z");
  assert.equal(body.lastTimestamp, "2026-01-01T00:02:00Z");
  assert.equal(body.periodS, 60);
  assert.deepEqual(body.seasons, [3600]);
  assert.deepEqual(body.coverage[0], { level: 0.8, value: 0.79, count: 10 });
  // No share of nothing.
  assert.deepEqual(body.coverage[1], { level: 0.95, value: null, count: 0 });
  assert.deepEqual(body.perChannel.value.coverage[0], { ...body.coverage[0], width: 2 });
  assert.equal(body.perChannel.value.coverage[1].width, null);
  assert.deepEqual(body.perChannel.value.weights, { lastValue: 1 });
  for (const key of ["modelHash", "stateHash"]) assert.match(body[key], /^[0-9a-f]{64}$/);
  assert.equal(typeof body.stateBytes, "number");
});

Deno.test("GET /v1/streams pages in the order of names", async () => {
  const { send } = openFixture();
  for (const id of ["c", "a", "b"]) await send("PUT", `/v1/streams/${id}`, {});
  const first = await send("GET", "/v1/streams?limit=2");
  assert.deepEqual(first.body.streams.map((entry: any) => entry.id), ["a", "b"]);
  assert.equal(first.body.next, "b");
  const second = await send("GET", `/v1/streams?limit=2&after=${first.body.next}`);
  assert.deepEqual(second.body.streams.map((entry: any) => entry.id), ["c"]);
  assert.equal(second.body.next, null);
  assert.equal(second.body.streams[0].status, "empty");
});

Deno.test("GET /v1/streams shows the last values, a sparkline and the status", async () => {
  const { send, clock } = openFixture();
  const nowMs = Number(clock.nowNs() / 1_000_000n);
  const timestamps = [nowMs - 120_000, nowMs - 60_000, nowMs];
  await send("POST", "/v1/streams/a/observations", { timestamps, values: [1, 2_000, null] });
  const live = (await send("GET", "/v1/streams")).body.streams[0];
  assert.equal(live.status, "live");
  assert.deepEqual(live.lastValues, { value: 2_000 });
  assert.deepEqual(live.sparkline, { value: [1, 2_000, null] });
  assert.equal(live.alarms24h, 1);
  clock.advanceMs(11 * 60_000);
  assert.equal((await send("GET", "/v1/streams")).body.streams[0].status, "stale");
});

Deno.test("DELETE /v1/streams/{id} forgets all of it", async () => {
  const { send } = openFixture();
  await send("POST", "/v1/streams/a/observations", SAMPLES);
  assert.equal((await send("DELETE", "/v1/streams/a")).status, 204);
  assert.equal((await send("GET", "/v1/streams/a")).status, 404);
  assert.equal((await send("DELETE", "/v1/streams/a")).status, 404);
});

Deno.test("a stream's name may hold slashes, percent-encoded", async () => {
  const { send } = openFixture();
  await send("POST", "/v1/streams/site%2Froof%201/observations", SAMPLES);
  assert.equal((await send("GET", "/v1/streams/site%2Froof%201")).body.id, "site/roof 1");
  const bad = await send("PUT", "/v1/streams/%22quoted%22", {});
  assert.equal(bad.status, 422);
  assert.equal(bad.body.field, "id");
});
