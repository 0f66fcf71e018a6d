import assert from "node:assert/strict";
import fc from "fast-check";
import { splitMembers } from "../../routes/_members.ts";
import { ProtocolError } from "../../src/base/errors.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function split(text: string) {
  const { question, samples } = splitMembers(encode(text), ["horizon", "level"])!;
  return { question: decode(question), samples: decode(samples) };
}

Deno.test("splitMembers() parts the question from the samples and keeps their offsets", () => {
  const text = '{"horizon": 3, "values": [1, {"level": 9}], "level":[80,95],"x":"a,}"}';
  const { question, samples } = split(text);
  assert.deepEqual(JSON.parse(question), { horizon: 3, level: [80, 95] });
  assert.deepEqual(JSON.parse(samples), { values: [1, { level: 9 }], x: "a,}" });
  assert.equal(samples.length, text.length);
  assert.equal(samples.indexOf('"values"'), text.indexOf('"values"'));
});

Deno.test("splitMembers() parts only one object of members", () => {
  for (
    const text of ['[{"horizon":1}]', '{"horizon":1,}', '{"a":1,,"horizon":2}', "", "nonsense"]
  ) {
    assert.equal(splitMembers(encode(text), ["horizon"]), null, text);
  }
});

Deno.test("splitMembers() refuses a repeated member of the question", () => {
  const text = '{"horizon":1,"values":[1],"horizon":2}';
  assert.throws(
    () => splitMembers(encode(text), ["horizon"]),
    (error: Error) =>
      error instanceof ProtocolError && error.field === "horizon" &&
      error.offset === text.lastIndexOf('"horizon"'),
  );
});

Deno.test("splitMembers() loses and invents nothing, wherever the members stand", () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const member = fc.tuple(fc.constantFrom("horizon", "level", "values", "a\\b", ""), value);
  fc.assert(
    fc.property(fc.uniqueArray(member, { selector: ([key]) => key }), fc.nat(2), (members, pad) => {
      const body = Object.fromEntries(members);
      const { question, samples } = split(JSON.stringify(body, null, pad));
      const both = { ...JSON.parse(question), ...JSON.parse(samples) };
      assert.deepEqual(both, JSON.parse(JSON.stringify(body)));
      for (const key of Object.keys(JSON.parse(question))) assert.match(key, /^(horizon|level)$/);
    }),
    { numRuns: 300 },
  );
});
