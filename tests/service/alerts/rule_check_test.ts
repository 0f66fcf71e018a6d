import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../../src/base/errors.ts";
import type { AlertRule, Condition } from "../../../src/service/alerts/alert.ts";
import { RULE_LIST_MAX, RULE_TEXT_MAX } from "../../../src/service/alerts/alert.ts";
import { checkRule } from "../../../src/service/alerts/rule_check.ts";
import { ANOMALY, ruleOf, SECRET, VALUE } from "./_alerts.ts";

function fieldOf(given: Partial<AlertRule>): string | undefined {
  try {
    checkRule(ruleOf(given));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof InvalidValueError || error instanceof LimitError, String(error));
    return error.field;
  }
}

const conditions: readonly Condition[] = [
  ANOMALY,
  VALUE,
  { kind: "forecast", channel: null, above: 1, below: null, quantile: 0.9, withinS: 60 },
  { kind: "heartbeat", periods: 3, periodS: null },
  { kind: "coverage", level: 0.8, tolerance: 0.1, countMin: 100 },
  { kind: "peers", sigmas: 6 },
];

Deno.test("checkRule() takes every kind of condition", () => {
  for (const condition of conditions) assert.equal(fieldOf({ condition }), undefined);
});

Deno.test("checkRule() names the member of a condition that is out of range", () => {
  const bad: readonly [string, number, unknown, string][] = [
    ["pMax", 0, 1.1, "condition.p"],
    ["reasons", 0, ["noise"], "condition.reasons[0]"],
    ["effectMin", 0, { units: -1, sigmas: 0 }, "condition.effect.units"],
    ["effectMin", 0, { units: 0, sigmas: NaN }, "condition.effect.sigmas"],
    ["above", 1, null, "condition"],
    ["above", 1, Infinity, "condition.above"],
    ["samples", 1, 0, "condition.samples"],
    ["quantile", 2, 1, "condition.quantile"],
    ["withinS", 2, 0, "condition.withinS"],
    ["periods", 3, 0, "condition.periods"],
    ["periodS", 3, -1, "condition.periodS"],
    ["level", 4, 80, "condition.level"],
    ["tolerance", 4, 0, "condition.tolerance"],
    ["countMin", 4, 1.5, "condition.countMin"],
    ["sigmas", 5, 1, "condition.sigmas"],
  ];
  for (const [member, kind, value, field] of bad) {
    const condition = { ...conditions[kind]!, [member]: value } as Condition;
    assert.equal(fieldOf({ condition }), field, `${member} ${value}`);
  }
});

Deno.test("checkRule() names other members, and keeps to the limits", () => {
  const streams = { ids: [], prefix: "", labels: {} };
  const ids = Array.from({ length: RULE_LIST_MAX + 1 }, String);
  assert.equal(fieldOf({ streams: { ...streams, ids: ids.slice(1) } }), undefined);
  assert.equal(fieldOf({ streams: { ...streams, ids } }), "streams.ids");
  assert.equal(fieldOf({ name: "n".repeat(RULE_TEXT_MAX + 1) }), "name");
  assert.equal(fieldOf({ coolDownS: -1 }), "coolDownS");
  assert.equal(fieldOf({ maxAgeS: 0 }), "maxAgeS");
  const window = { kind: "once", fromNs: 2n, toNs: 2n } as const;
  assert.equal(fieldOf({ maintenance: [window] }), "maintenance[0].to");
  assert.throws(
    () => checkRule(ruleOf({ maintenance: [window] })),
    /to is "1970-01-01T00:00:00.000000002Z", expected a time after/,
  );
  const daily = {
    kind: "recurring",
    weekdays: [],
    fromMinute: 0,
    toMinute: 60,
    timeZone: "Nowhere/At_All",
  } as const;
  assert.equal(fieldOf({ maintenance: [daily] }), "maintenance[0].timeZone");
  assert.equal(fieldOf({ webhook: { url: "ftp://a", secret: SECRET } }), "webhook.url");
  assert.equal(fieldOf({ webhook: { url: "http://a", secret: "x" } }), "webhook.secret");
});
