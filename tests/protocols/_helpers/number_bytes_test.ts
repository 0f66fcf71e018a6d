import assert from "node:assert/strict";
import fc from "fast-check";
import { parseNumber } from "../../../src/protocols/_helpers/number_bytes.ts";

function parse(text: string): number {
  const bytes = new TextEncoder().encode(`9${text}9`);
  return parseNumber(bytes, 1, bytes.length - 1);
}

Deno.test("parseNumber() rounds every double's text as Number() does, bit for bit", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.ok(Object.is(parse(String(value)), Number(String(value))));
      assert.ok(Object.is(parse(value.toFixed(6)), Number(value.toFixed(6))));
    }),
    { numRuns: 2000, seed: 1 },
  );
});

Deno.test("parseNumber() reads the forms of numbers and refuses the rest", () => {
  const good = ["0", "-0", "+1", "007", ".5", "5.", "1e3", "1E-3", "-1.5e+2", "123456789012345678"];
  for (const text of good) assert.ok(Object.is(parse(text), Number(text)), text);
  assert.equal(parse("1e999"), Infinity);
  assert.equal(parse("0.0000000000000000000000001"), 1e-25);
  const bad = ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "1x", "0x10", "NaN", "inf", "1 2", "١"];
  for (const text of bad) assert.ok(Number.isNaN(parse(text)), text);
});
