import assert from "node:assert/strict";
import { RULE_BYTES_MAX } from "../../routes/alert_rules.ts";
import { openFixture } from "./_fixture.ts";

const PATH = "/v1/alerts/rules";

Deno.test("alert rules are made, listed, changed and deleted", async () => {
  const { send } = openFixture();
  const made = await send("POST", PATH, {
    name: "hot",
    streams: { prefix: "pump/", labels: { site: "roof" } },
    condition: { kind: "value", above: 90 },
    maintenance: [{ weekdays: ["sun"], from: "22:00", to: "06:00", timeZone: "Europe/Berlin" }],
  });
  assert.equal(made.status, 201);
  const { id, createdAt, updatedAt, ...rule } = made.body;
  assert.deepEqual(rule, {
    name: "hot",
    enabled: true,
    severity: "warning",
    streams: { ids: [], prefix: "pump/", labels: { site: "roof" } },
    condition: { kind: "value", channel: null, above: 90, below: null, samples: 1 },
    coolDownS: 0,
    maxAgeS: 86_400,
    maintenance: [{ weekdays: ["sun"], from: "22:00", to: "06:00", timeZone: "Europe/Berlin" }],
    webhook: null,
  });
  assert.equal(createdAt, updatedAt);
  assert.deepEqual((await send("GET", PATH)).body.rules, [made.body]);
  const changed = await send("PATCH", `${PATH}/${id}`, { severity: "critical" });
  assert.deepEqual([changed.status, changed.body.severity, changed.body.name], [
    200,
    "critical",
    "hot",
  ]);
  assert.deepEqual((await send("GET", `${PATH}/${id}`)).body, changed.body);
  assert.equal((await send("DELETE", `${PATH}/${id}`)).status, 204);
  assert.equal((await send("GET", `${PATH}/${id}`)).status, 404);
  assert.equal((await send("DELETE", `${PATH}/${id}`)).status, 404);
});

Deno.test("alert rules name what is wrong with a body", async () => {
  const { send } = openFixture();
  const problem = async (body: unknown) => (await send("POST", PATH, body)).body;
  assert.equal((await problem("{")).status, 400);
  assert.equal((await problem({})).field, "condition");
  const unknown = await problem({ condition: { kind: "anomaly" }, colour: "red" });
  assert.deepEqual([unknown.status, unknown.field], [422, "colour"]);
  assert.equal((await problem({ condition: { kind: "value" } })).field, "condition");
  assert.equal((await problem({ condition: { kind: "moon" } })).field, "condition.kind");
  const secret = "whsec_short";
  const hook = await problem({
    condition: { kind: "anomaly" },
    webhook: { url: "https://a.example", secret },
  });
  assert.equal(hook.field, "webhook.secret");
  assert.ok(!JSON.stringify(hook).includes(secret));
  const long = await problem({ name: "n".repeat(RULE_BYTES_MAX) });
  assert.deepEqual([long.status, long.limitName], [413, "RULE_BYTES_MAX"]);
});
