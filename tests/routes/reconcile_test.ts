import assert from "node:assert/strict";
import { RECONCILE_BYTES_MAX } from "../../routes/reconcile.ts";
import { openFixture } from "./_fixture.ts";

async function withStreams() {
  const fixture = openFixture();
  for (const [name, value] of Object.entries({ t: 12, a: 4, b: 5 })) {
    await fixture.send("POST", `/v1/streams/${name}/observations`, {
      timestamps: [0, 60_000],
      channels: { x: [value, value] },
    });
  }
  return fixture;
}

Deno.test("POST /v1/reconcile answers with forecasts that add up", async () => {
  const { send } = await withStreams();
  const { status, body } = await send("POST", "/v1/reconcile", {
    ...{ sums: { t: ["a", "b"] }, method: "ols", horizon: 2, level: [80], channel: "x" },
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.method, "ols");
  assert.deepEqual(Object.keys(body.nodes), ["t", "a", "b"]);
  for (let t = 0; t < 2; t++) {
    const mean = (name: string) => body.nodes[name].forecast[t].mean;
    assert.ok(Math.abs(mean("t") - mean("a") - mean("b")) < 1e-9);
  }
  const plain = await send("POST", "/v1/reconcile", { sums: { t: ["a", "b"] } });
  assert.equal(plain.body.method, "mint-diagonal");
});

const BAD: readonly [string, unknown, number, string | undefined][] = [
  ["no sums", {}, 422, "sums"],
  ["an empty sum", { sums: { t: [] } }, 422, "sums.t"],
  ["a method of no name", { sums: { t: ["a"] }, method: "magic" }, 422, "method"],
  ["a part that is no stream", { sums: { t: ["a", "z"] } }, 404, undefined],
  ["a channel of no name", { sums: { t: ["a"] }, channel: "y" }, 422, "channel"],
  ["an unknown member", { sums: { t: ["a"] }, depth: 3 }, 422, "depth"],
  ["an aggregate of no name", { sums: { t: ["a"] }, aggregate: ["max"] }, 422, "aggregate[0]"],
  [
    "an aggregate twice",
    { sums: { t: ["a"] }, aggregate: ["mean", "mean"] },
    ...[422, "aggregate[1]"] as const,
  ],
  ["a window of nothing", { sums: { t: ["a"] }, window: 2 }, 422, "window"],
  [
    "a window longer than the times",
    { sums: { t: ["a"] }, horizon: 2, window: 3, aggregate: ["total"] },
    ...[422, "window"] as const,
  ],
  ["a time in the past", { sums: { t: ["a"] }, times: [0] }, 422, "times[0]"],
  ["no JSON", "{", 400, undefined],
  ["too large a body", "x".repeat(RECONCILE_BYTES_MAX + 1), 413, "body"],
];

for (const [name, body, status, field] of BAD) {
  Deno.test(`POST /v1/reconcile with ${name} is a ${status}`, async () => {
    const { send } = await withStreams();
    const answer = await send("POST", "/v1/reconcile", body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    if (field !== undefined) assert.equal(answer.body.field, field);
  });
}

Deno.test("POST /v1/reconcile tells totals of the horizon", async () => {
  const { send } = await withStreams();
  const { status, body } = await send("POST", "/v1/reconcile", {
    ...{ sums: { t: ["a", "b"] }, horizon: 2, level: [80], aggregate: ["total"] },
  });
  assert.equal(status, 200, JSON.stringify(body));
  const total = (name: string) => body.nodes[name].aggregates[0].mean;
  assert.ok(Math.abs(total("t") - total("a") - total("b")) < 1e-9);
  assert.deepEqual(Object.keys(body.nodes.t.aggregates[0].intervals), ["80"]);
});
