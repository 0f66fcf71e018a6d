import assert from "node:assert/strict";
import { COMPONENT_TIMES_MAX } from "../../src/streams/engine.ts";
import { openFixture } from "./_fixture.ts";

const PATH = "/v1/streams/a/components";

async function withStream() {
  const fixture = openFixture();
  await fixture.send("POST", "/v1/streams/a/observations", {
    timestamps: [0, 60_000, 120_000],
    channels: { x: [9, null, 10], y: [1, 2, 3] },
  });
  return fixture;
}

Deno.test("GET components gives the parts by channel, gaps filled with intervals", async () => {
  const { send } = await withStream();
  const { status, body } = await send("GET", `${PATH}?channel=x&level=50`);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(Object.keys(body.channels), ["x"]);
  const { values, signal, remainder, intervals, seasons } = body.channels.x;
  assert.deepEqual([values, signal, remainder], [[9, null, 10], [9, 5, 10], [0, null, 0]]);
  const { lower, upper } = intervals["50"];
  assert.ok(lower[1] > 3.6 && lower[1] < 3.7 && upper[1] > 6.3 && upper[0] === 9);
  assert.equal(seasons[0].lengthS, 60);
  assert.equal(body.provenance.logOffset, 3);
  assert.deepEqual(Object.keys((await send("GET", PATH)).body.channels), ["x", "y"]);
  const part = await send("GET", `${PATH}?from=1970-01-01T00:01:00Z&to=60000&channel=y`);
  assert.deepEqual(part.body.channels.y.values, [2]);
});

Deno.test("GET components tells of the channels that have a value there", async () => {
  const { send } = openFixture();
  await send("POST", "/v1/streams/a/observations", {
    timestamps: [0, 60_000, 120_000],
    channels: { dead: [null, null, null], x: [9, null, 10], late: [null, null, 1] },
  });
  const of = async (question: string) =>
    Object.keys((await send("GET", `${PATH}${question}`)).body.channels).sort();
  assert.deepEqual(await of(""), ["late", "x"]);
  assert.deepEqual(await of("?to=60000"), ["x"]);
});

Deno.test("GET components names what is wrong", async () => {
  const { send } = await withStream();
  const cases: [string, number, string][] = [
    ["channel=z", 422, "channel"],
    ["level=0", 422, "level[0]"],
    ["from=noon", 400, "from"],
    ["from=1970-01-02", 422, "from"],
    ["until=3", 400, "until"],
  ];
  for (const [question, status, field] of cases) {
    const answer = await send("GET", `${PATH}?${question}`);
    assert.deepEqual([answer.status, answer.body.field], [status, field], question);
  }
  assert.equal((await send("GET", "/v1/streams/none/components")).status, 404);
});

Deno.test("GET components of too long a stretch names the limit", async () => {
  const { send } = openFixture();
  const count = COMPONENT_TIMES_MAX / 2 + 1;
  await send("POST", "/v1/streams/a/observations", {
    timestamps: Array.from({ length: count }, (_, i) => i),
    channels: { x: Array(count).fill(1), y: Array(count).fill(2) },
  });
  const { status, body } = await send("GET", PATH);
  assert.deepEqual([status, body.limitName], [413, "COMPONENT_TIMES_MAX"]);
  assert.equal((await send("GET", `${PATH}?channel=x`)).status, 200);
});
