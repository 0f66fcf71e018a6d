import assert from "node:assert/strict";
import { alertShape, deliveryShape, ruleShape } from "../../../src/service/alerts/alert_shapes.ts";
import { alertOf, ANOMALY, ruleOf, SECRET, START_NS } from "./_alerts.ts";

const STARTED = "2023-11-14T22:13:20Z";

Deno.test("alertShape() tells times, state and what was last changed", () => {
  const open = alertShape(alertOf());
  assert.deepEqual([open.openedAt, open.updatedAt, open.acknowledged], [STARTED, STARTED, false]);
  const closedNs = START_NS + 1_000_000_000n;
  const closed = alertShape(alertOf({ state: "closed", closedNs, acknowledgedNs: START_NS }));
  assert.deepEqual([closed.updatedAt, closed.acknowledged], ["2023-11-14T22:13:21Z", true]);
});

Deno.test("ruleShape() shows no secret", () => {
  const rule = ruleOf({
    condition: ANOMALY,
    webhook: { url: "https://a.example", secret: SECRET },
    maintenance: [
      { kind: "once", fromNs: START_NS, toNs: START_NS + 1_000_000_000n },
      { kind: "recurring", weekdays: [0, 6], fromMinute: 65, toMinute: 0, timeZone: "UTC" },
    ],
  });
  const shape = ruleShape(rule);
  assert.ok(!JSON.stringify(shape).includes("whsec"));
  assert.deepEqual(shape.webhook, { url: "https://a.example", hasSecret: true });
  assert.deepEqual(shape.condition, {
    kind: "anomaly",
    p: 1,
    reasons: [],
    effect: { units: 0, sigmas: 0 },
  });
  assert.deepEqual(shape.maintenance, [
    { from: STARTED, to: "2023-11-14T22:13:21Z" },
    { weekdays: ["sun", "sat"], from: "01:05", to: "00:00", timeZone: "UTC" },
  ]);
});

Deno.test("deliveryShape() tells the next attempt only while it waits", () => {
  const delivery = {
    id: "m",
    alertId: "a",
    ruleId: "r",
    type: "alert.opened" as const,
    state: "waiting" as const,
    createdNs: START_NS,
    dueNs: START_NS,
    attempts: [{ atNs: START_NS, elapsedMs: 3, status: null, error: "refused" }],
    body: "{}",
  };
  assert.equal(deliveryShape(delivery).nextAttemptAt, STARTED);
  assert.equal(deliveryShape({ ...delivery, state: "failed" }).nextAttemptAt, null);
  assert.deepEqual(deliveryShape(delivery).attempts, [
    { at: STARTED, elapsedMs: 3, status: null, error: "refused" },
  ]);
});
