import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

const PATH = "/v1/streams/a/anomalies";

async function withAlarms() {
  const fixture = openFixture();
  await fixture.send("POST", "/v1/streams/a/observations", {
    timestamps: [0, 1000, 2000, 3000],
    values: [1, 5_000, 2, 6_000],
  });
  return fixture;
}

Deno.test("GET anomalies lists what opened, oldest first, with its proof", async () => {
  const { send } = await withAlarms();
  const { status, body } = await send("GET", PATH);
  assert.equal(status, 200);
  assert.equal(body.next, null);
  assert.equal(body.anomalies.length, 2);
  const { provenance, ...first } = body.anomalies[0];
  assert.deepEqual(first, {
    timestamp: "1970-01-01T00:00:01Z",
    score: 9,
    flag: 2,
    p: null,
    reason: null,
    number: null,
    channels: ["value"],
    values: [5_000],
    expected: [null],
  });
  assert.equal(provenance.appliedOffset, 4);
});

Deno.test("GET anomalies keeps to the range and pages by next", async () => {
  const { send } = await withAlarms();
  const range = await send("GET", `${PATH}?from=1001&to=1970-01-01T00:00:03Z`);
  assert.deepEqual(range.body.anomalies.map((alarm: any) => alarm.values[0]), [6_000]);
  const page = await send("GET", `${PATH}?limit=1`);
  assert.equal(page.body.next, "1970-01-01T00:00:01.000000001Z");
  const rest = await send("GET", `${PATH}?limit=5&from=${page.body.next}`);
  assert.deepEqual(rest.body.anomalies.map((alarm: any) => alarm.values[0]), [6_000]);
});

Deno.test("GET anomalies names a bad range, an unknown parameter and an unknown stream", async () => {
  const { send } = await withAlarms();
  assert.equal((await send("GET", `${PATH}?from=yesterday`)).body.field, "from");
  assert.equal((await send("GET", `${PATH}?limit=0`)).body.field, "limit");
  const unknown = await send("GET", `${PATH}?since=1`);
  assert.equal(unknown.status, 400);
  assert.match(unknown.body.detail, /"since"; known: from, to, limit/);
  assert.equal((await send("GET", "/v1/streams/none/anomalies")).status, 404);
});

Deno.test("POST feedback hands on what was said, and names a bad body or alarm", async () => {
  const { send, engine } = await withAlarms();
  const answer = await send("POST", `${PATH}/0/feedback`, { fine: true });
  assert.deepEqual([answer.status, answer.body], [200, { id: "a", flag: 0, fine: true }]);
  assert.deepEqual(engine.feedback, [{ number: 0, isFine: true }]);
  assert.equal((await send("POST", `${PATH}/7/feedback`, { fine: true })).status, 404);
  const unknown = await send("POST", `${PATH}/heartbeat/feedback`, { fine: true });
  assert.deepEqual([unknown.status, unknown.body.detail], [404, 'No alarm "heartbeat"']);
  for (const name of ["x", "-1", "1.5", "heartbeats", "1e3", "9".repeat(16), "%00"]) {
    const odd = await send("POST", `${PATH}/${name}/feedback`, { fine: true });
    assert.deepEqual([odd.status, odd.body.field], [400, "flag"], name);
    assert.match(odd.body.detail, /a whole number from 0 on, or "heartbeat"/);
  }
  const bad = await send("POST", `${PATH}/0/feedback`, { fine: "yes" });
  assert.deepEqual([bad.status, bad.body.field], [422, "fine"]);
  const long = await send("POST", `${PATH}/0/feedback`, " ".repeat(5_000));
  assert.equal(long.body.limitName, "FEEDBACK_BYTES_MAX");
  assert.equal(
    (await send("POST", "/v1/streams/b/anomalies/0/feedback", { fine: true })).status,
    404,
  );
});
