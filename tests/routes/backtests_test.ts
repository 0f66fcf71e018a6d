import assert from "node:assert/strict";
import { turns } from "../service/_backtests.ts";
import { openFixture } from "./_fixture.ts";

const SAMPLES = {
  timestamps: Array.from({ length: 40 }, (_, i) => i * 60_000),
  values: Array.from({ length: 40 }, (_, i) => i % 5),
};

Deno.test("POST /v1/backtest of samples is answered at once, its outcome comes later", async () => {
  const { app, send, backtestPort: { held } } = openFixture();
  const question = { ...SAMPLES, horizon: 5, origins: 2, models: ["mean"] };
  const asked = await send("POST", "/v1/backtest", question);
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  const { id, source, rows, models } = asked.body;
  assert.deepEqual([source, rows, models], [
    { kind: "upload", mediaType: "application/json" },
    40,
    ["mean"],
  ]);
  const path = `/v1/backtests/${id}`;
  assert.equal((await send("GET", `${path}/page`)).status, 404);
  await turns();
  held[0]!.tell(1, 10);
  assert.deepEqual((await send("GET", path)).body.progress, { done: 1, total: 10 });
  held[0]!.finish();
  await turns();
  const { body } = await send("GET", path);
  assert.equal(body.state, "finished");
  assert.equal(body.report.channels[0].forecasters[0].name, "seasonal-naive");
  const page = await app.request(`${path}/page`);
  assert.match(page.headers.get("content-type")!, /^text\/html/);
  assert.match(page.headers.get("content-security-policy")!, /default-src 'none'/);
  const picture = await app.request(`${path}/picture?kind=errors&channel=value`);
  assert.equal(picture.headers.get("content-type"), "image/svg+xml");
  assert.match(await picture.text(), /errors/);
  assert.equal((await send("GET", `${path}/picture?channel=z`)).status, 404);
  assert.equal((await send("GET", `${path}/picture?kind=cake`)).status, 400);
  assert.equal((await send("GET", "/v1/backtests")).body.backtests.length, 1);
  assert.equal((await app.request(path, { method: "DELETE" })).status, 204);
  assert.equal((await send("GET", path)).status, 404);
});

Deno.test("POST /v1/backtest takes a stream, and a file with the question in the query", async () => {
  const { app, send, backtestPort: { held } } = openFixture();
  await send("POST", "/v1/streams/s/observations", SAMPLES);
  const asked = await send("POST", "/v1/backtest", {
    ...{ stream: "s", channels: ["value"], from: 600_000, horizon: 4, models: ["mean"] },
  });
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  assert.equal(asked.body.rows, 30);
  const lines = SAMPLES.timestamps.map((time, i) => `${time},${i},${i % 3}`);
  const csv = await app.request("/v1/backtest?columns=b&horizon=3&origins=4&models=mean,analog", {
    method: "POST",
    headers: { "Content-Type": "text/csv" },
    body: `time,a,b\n${lines.join("\n")}\n`,
  });
  assert.equal(csv.status, 202);
  assert.match(csv.headers.get("location")!, /^\/v1\/backtests\/[0-9a-f]{16}$/);
  const { channels, origins, models } = await csv.json();
  assert.deepEqual([channels, origins, models], [["b"], 4, ["mean", "analog"]]);
  await turns();
  held[0]!.finish();
  await turns();
  held[1]!.finish();
});

Deno.test("POST /v1/backtest takes bounds by channel, and in a query those of all columns", async () => {
  const { app, send } = openFixture();
  const question = { ...SAMPLES, models: ["mean"], ranges: { value: { lower: 0, missing: [4] } } };
  const asked = await send("POST", "/v1/backtest", question);
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  assert.deepEqual(asked.body.ranges, { value: { lower: 0 } });
  const post = async (query: string) => {
    const lines = SAMPLES.timestamps.map((time, i) => `${time},${i},${i % 3}`);
    const answer = await app.request(`/v1/backtest?models=mean&${query}`, {
      method: "POST",
      headers: { "Content-Type": "text/csv" },
      body: `time,a,b\n${lines.join("\n")}\n`,
    });
    return { status: answer.status, body: await answer.json() };
  };
  const { body } = await post("lower=-1.5&upper=1e3");
  const bounds = { lower: -1.5, upper: 1000 };
  assert.deepEqual(body.ranges, { a: bounds, b: bounds });
  for (const [query, field] of [["lower=low", "lower"], ["upper=1e999", "upper"]] as const) {
    const refused = await post(query);
    assert.deepEqual([refused.status, refused.body.field], [400, field]);
  }
  const twisted = await post("lower=2&upper=2");
  assert.deepEqual([twisted.status, twisted.body.field], [422, "upper"]);
});

Deno.test("POST /v1/backtest takes seasons in the body, and in a query parted by commas", async () => {
  const { app, send } = openFixture();
  const asked = await send("POST", "/v1/backtest", { ...SAMPLES, models: ["mean"], seasonsS: [5] });
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  assert.deepEqual(asked.body.seasonsS, [5]);
  const post = async (seasonsS: string) => {
    const lines = SAMPLES.timestamps.map((time, i) => `${time},${i}`);
    const answer = await app.request(`/v1/backtest?models=mean&seasonsS=${seasonsS}`, {
      method: "POST",
      headers: { "Content-Type": "text/csv" },
      body: `time,a\n${lines.join("\n")}\n`,
    });
    return { status: answer.status, body: await answer.json() };
  };
  assert.deepEqual((await post("86400,6048e2")).body.seasonsS, [86_400, 604_800]);
  const day = await post("86400,day");
  assert.deepEqual([day.status, day.body.field], [400, "seasonsS[1]"]);
  const none = await post("0");
  assert.deepEqual([none.status, none.body.field], [422, "seasonsS[0]"]);
});

const BAD: readonly [string, unknown, number, string | undefined][] = [
  ["no samples", { horizon: 3 }, 400, undefined],
  ["a horizon that is too long", { ...SAMPLES, horizon: 30 }, 422, "horizon"],
  ["three samples", { timestamps: [0, 1, 2], values: [1, 2, 3] }, 422, "samples"],
  ["no value", { ...SAMPLES, values: SAMPLES.values.map(() => null) }, 422, "channels"],
  ["a horizon beyond the limit", { ...SAMPLES, horizon: 1001 }, 413, "horizon"],
  ["too many windows", { ...SAMPLES, origins: 101 }, 413, "origins"],
  ["a text for a number", { ...SAMPLES, origins: "all" }, 422, "origins"],
  ["a model of no name", { ...SAMPLES, models: ["oracle"] }, 422, "models[0]"],
  ["a range without a stream", { ...SAMPLES, from: 0 }, 422, "from"],
  ["a stream and samples", { stream: "s", ...SAMPLES }, 422, "timestamps"],
  ["bounds of no channel", { ...SAMPLES, ranges: { z: { lower: 0 } } }, 422, "ranges"],
  [
    "nothing between bounds",
    { ...SAMPLES, ranges: { value: { lower: 1, upper: 1 } } },
    422,
    "ranges.value.upper",
  ],
  ["a season of no length", { ...SAMPLES, seasonsS: [-1] }, 422, "seasonsS[0]"],
  ["too many seasons", { ...SAMPLES, seasonsS: Array(9).fill(60) }, 422, "seasonsS"],
  ["no such stream", { stream: "s" }, 404, undefined],
  ["no JSON", "{", 400, undefined],
];

for (const [name, body, status, field] of BAD) {
  Deno.test(`POST /v1/backtest with ${name} is a ${status}`, async () => {
    const { send } = openFixture();
    const answer = await send("POST", "/v1/backtest", body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    if (field !== undefined) assert.equal(answer.body.field, field);
  });
}

Deno.test("POST /v1/backtest refuses a query beside JSON, and types it does not know", async () => {
  const { app, send } = openFixture();
  const both = await send("POST", "/v1/backtest?horizon=3", SAMPLES);
  assert.deepEqual([both.status, both.body.field], [422, "horizon"]);
  const headers = { "Content-Type": "image/png" };
  const other = await app.request("/v1/backtest", { method: "POST", headers, body: "x" });
  assert.equal(other.status, 415);
});
