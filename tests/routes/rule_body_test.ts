import assert from "node:assert/strict";
import type { InvalidValueError } from "../../src/base/errors.ts";
import { parseRule } from "../../routes/_rule_body.ts";

const parse = (body: unknown) => parseRule(new TextEncoder().encode(JSON.stringify(body)));

Deno.test("parseRule() fills in the members of every kind of condition", () => {
  const conditionOf = (condition: unknown) => parse({ condition }).condition;
  assert.deepEqual(conditionOf({ kind: "anomaly" }), {
    kind: "anomaly",
    pMax: 1,
    reasons: [],
    effectMin: { units: 0, sigmas: 0 },
  });
  assert.deepEqual(conditionOf({ kind: "forecast", below: 1, withinS: 60 }), {
    kind: "forecast",
    channel: null,
    above: null,
    below: 1,
    quantile: 0.5,
    withinS: 60,
  });
  assert.deepEqual(conditionOf({ kind: "heartbeat" }), {
    kind: "heartbeat",
    periods: 10,
    periodS: null,
  });
  assert.deepEqual(conditionOf({ kind: "coverage" }), {
    kind: "coverage",
    level: 0.8,
    tolerance: 0.1,
    countMin: 100,
  });
  assert.deepEqual(conditionOf({ kind: "peers", sigmas: 4 }), { kind: "peers", sigmas: 4 });
});

Deno.test("parseRule() leaves out what is not given, and reads windows of both kinds", () => {
  const { condition, streams, webhook, ...rest } = parse({
    maintenance: [{ from: 0, to: "1970-01-01T00:00:01Z" }, {
      from: "00:30",
      to: "23:59",
      timeZone: "UTC",
    }],
  });
  assert.deepEqual([condition, streams, webhook], [undefined, undefined, undefined]);
  assert.deepEqual(rest.maintenance, [
    { kind: "once", fromNs: 0n, toNs: 1_000_000_000n },
    { kind: "recurring", weekdays: [], fromMinute: 30, toMinute: 1_439, timeZone: "UTC" },
  ]);
  assert.equal(parse({ webhook: null }).webhook, null);
  const field = (body: unknown) => {
    try {
      parse(body);
    } catch (error) {
      return (error as InvalidValueError).field;
    }
  };
  assert.equal(field({ maintenance: [{ from: "x", to: 1 }] }), "maintenance[0].from");
  assert.equal(field({ streams: { id: "a" } }), "streams.id");
  assert.equal(field([]), "body");
});
