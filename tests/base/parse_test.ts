import assert from "node:assert/strict";
import { z } from "zod";
import { InvalidValueError } from "../../src/base/errors.ts";
import { atPath, parseBy, shownAs } from "../../src/base/parse.ts";

const schema = z.strictObject({ rate: z.number(), parts: z.array(z.strictObject({ a: z.int() })) });

Deno.test("parseBy() returns what the schema makes of a value", () => {
  const value = { rate: 0.5, parts: [{ a: 1 }] };
  assert.deepEqual(parseBy(schema, value, "config"), value);
});

Deno.test("parseBy() names the dotted path, the value and what was expected", () => {
  const read = (value: unknown) => () => parseBy(schema, value, "config");
  assert.throws(read({ rate: 1, parts: [{ a: 1 }, { a: 1.5 }] }), {
    name: "InvalidValueError",
    field: "config.parts[1].a",
    value: "1.5",
    message: 'config.parts[1].a is "1.5", expected a whole number',
  });
  assert.throws(read({ rate: 1, parts: [], speed: 3 }), {
    field: "config.speed",
    message: 'config.speed is "3", expected no member of this name, but one of rate, parts',
  });
  assert.throws(read([]), { field: "config" });
});

Deno.test("parseBy() says in plain words what was expected", () => {
  const moment = z.strictObject({ at: z.string() });
  const period = z.strictObject({ from: z.string(), to: z.string() });
  const wide = z.object({
    kind: z.enum(["a", "b"]).optional(),
    count: z.int().min(1).max(5).optional(),
    name: z.string().min(1).max(3).optional(),
    list: z.array(z.number()).min(2).optional(),
    isOn: z.boolean().optional(),
    mixed: z.union([z.string(), z.number()]).optional(),
    when: z.array(z.union([moment, period])).optional(),
    shape: z.discriminatedUnion("is", [
      z.object({ is: z.literal("round") }),
      z.object({ is: z.literal("flat") }),
    ]).optional(),
    byName: z.record(z.string().max(2), z.number()).optional(),
    own: z.string().regex(/^x/, "a text that begins with x").optional(),
  });
  const cases: [unknown, string][] = [
    [{ kind: "c" }, 'kind is "c", expected one of a, b'],
    [{ count: 9 }, 'count is "9", expected at most 5'],
    [{ count: 0 }, 'count is "0", expected at least 1'],
    [{ count: 1.5 }, 'count is "1.5", expected a whole number'],
    [{ count: "1" }, 'count is "1", expected a number, not a text'],
    [{ isOn: "true" }, 'isOn is "true", expected true or false, not a text'],
    [{ name: 7 }, 'name is "7", expected a text, not a number'],
    [{ name: "" }, 'name is "", expected at least 1 character'],
    [{ name: "abcd" }, 'name is "abcd", expected at most 3 characters'],
    [{ list: [1] }, 'list is "[1]", expected at least 2 items'],
    [{ list: [1, "2"] }, 'list[1] is "2", expected a number, not a text'],
    [{ list: 3 }, 'list is "3", expected a list'],
    [{ isOn: 1 }, 'isOn is "1", expected true or false'],
    [{ mixed: true }, 'mixed is "true", expected a text or a number'],
    [{ when: [{ from: "a" }] }, "when[0].to is missing, expected a text"],
    [{ shape: { is: "deep" } }, 'shape.is is "deep", expected one of round, flat'],
    [{ byName: { abc: 1 } }, 'byName.abc is "1", expected a name of at most 2 characters'],
    [{ own: "y" }, 'own is "y", expected a text that begins with x'],
    [7, 'body is "7", expected an object'],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => parseBy(wide, given), { name: "InvalidValueError", message });
  }
});

Deno.test("parseBy() tells what is wrong with the one of several objects that comes nearest", () => {
  const weekly = z.strictObject({
    days: z.array(z.enum(["sat", "sun"])).optional(),
    from: z.string().regex(/^..:..$/, "a time as 22:30"),
    zone: z.string(),
  });
  const once = z.strictObject({ from: z.string(), to: z.string() });
  const kinds = z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("value"), bounds: z.strictObject({ above: z.number() }) }),
    z.strictObject({ kind: z.literal("beat"), periods: z.number() }),
  ]);
  const whole = z.strictObject({
    windows: z.array(z.union([weekly, once])).nullable().optional(),
    rule: kinds.optional(),
    byName: z.record(z.string(), z.strictObject({ lower: z.number() })).optional(),
  });
  const window = { from: "10:00", zone: "UTC" };
  const cases: [unknown, string][] = [
    [{ windows: [{ ...window, days: "sat" }] }, 'windows[0].days is "sat", expected a list'],
    [
      { windows: [window, { ...window, days: ["x"] }] },
      'windows[1].days[0] is "x", expected one of sat, sun',
    ],
    [
      { windows: [{ ...window, zone: 3 }] },
      'windows[0].zone is "3", expected a text, not a number',
    ],
    [
      { windows: [{ ...window, day: [] }] },
      'windows[0].day is "[]", expected no member of this name, but one of days, from, zone',
    ],
    [{ windows: [{ from: "a", to: 5 }] }, 'windows[0].to is "5", expected a text, not a number'],
    [{ windows: ["sat"] }, 'windows[0] is "sat", expected an object'],
    [
      { rule: { kind: "value", bounds: { over: 3 } } },
      "rule.bounds.above is missing, expected a number",
    ],
    [
      { rule: { kind: "value", bounds: { above: 3, over: 3 } } },
      'rule.bounds.over is "3", expected no member of this name, but one of above',
    ],
    [
      { rule: { kind: "beat", periods: 3, period: 3 } },
      'rule.period is "3", expected no member of this name, but one of kind, periods',
    ],
    [
      { byName: { x: { lower: 1, low: 3 } } },
      'byName.x.low is "3", expected no member of this name, but one of lower',
    ],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => parseBy(whole, given), { name: "InvalidValueError", message });
  }
});

Deno.test("shownAs() leaves plain values as they are and writes trees as JSON", () => {
  assert.deepEqual(["max", 3, null, undefined].map(shownAs), ["max", 3, null, undefined]);
  assert.deepEqual([{ a: 1 }, ["b"]].map(shownAs), ['{"a":1}', '["b"]']);
});

Deno.test("atPath() names fields from the beginning", () => {
  assert.equal(atPath("config", () => 3), 3);
  const check = () => {
    throw new InvalidValueError("state", 5, "an even number");
  };
  assert.throws(() => atPath("config.layers[0]", check), {
    field: "config.layers[0].state",
    message: 'config.layers[0].state is "5", expected an even number',
  });
  assert.throws(() => atPath("config", () => JSON.parse("{")), SyntaxError);
});
