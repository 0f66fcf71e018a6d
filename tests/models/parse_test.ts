import assert from "node:assert/strict";
import { z } from "zod";
import { InvalidValueError } from "../../src/base/errors.ts";
import { atPath, parseBy, shownAs } from "../../src/models/parse.ts";

const schema = z.strictObject({ rate: z.number(), parts: z.array(z.strictObject({ a: z.int() })) });

Deno.test("parseBy() returns what the schema makes of a value", () => {
  const value = { rate: 0.5, parts: [{ a: 1 }] };
  assert.deepEqual(parseBy(schema, value, "config"), value);
});

Deno.test("parseBy() names the dotted path, the value and what was expected", () => {
  const read = (value: unknown) => () => parseBy(schema, value, "config");
  assert.throws(read({ rate: 1, parts: [{ a: 1 }, { a: 1.5 }] }), {
    name: "InvalidValueError",
    field: "config.parts.1.a",
    value: "1.5",
    message: 'config.parts.1.a is "1.5", expected int, received number',
  });
  assert.throws(read({ rate: 1, parts: [], speed: 3 }), {
    field: "config.speed",
    message: 'config.speed is "3", expected no field of this name',
  });
  assert.throws(read([]), { field: "config" });
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
  assert.throws(() => atPath("config.layers.0", check), {
    field: "config.layers.0.state",
    message: 'config.layers.0.state is "5", expected an even number',
  });
  assert.throws(() => atPath("config", () => JSON.parse("{")), SyntaxError);
});
