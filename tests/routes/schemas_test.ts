import assert from "node:assert/strict";
import { instant, list, query, wholeNumber } from "../../routes/_schemas.ts";

Deno.test("query() refuses a parameter that it does not know and names those it does", () => {
  const schema = query({ from: instant.optional(), limit: wholeNumber(1, 10).optional() });
  assert.deepEqual(schema.parse({ limit: "7" }), { limit: 7 });
  const { error } = schema.safeParse({ until: "1" });
  assert.equal(error!.issues[0]!.message, 'Unknown query parameter "until"; known: from, limit');
});

Deno.test("wholeNumber() takes digits only", () => {
  const schema = wholeNumber(1, 10);
  for (const text of ["0", "11", "1.5", "-1", "1e1", "", " 2"]) {
    assert.equal(schema.safeParse(text).success, false, text);
  }
  assert.equal(schema.parse("10"), 10);
});

Deno.test("instant and list parse what stands in a query", () => {
  assert.equal(instant.parse("1970-01-01T00:00:01Z"), 1_000_000_000n);
  assert.equal(instant.parse("-5"), -5_000_000n);
  assert.equal(instant.safeParse("noon").success, false);
  assert.deepEqual(list.parse("a, b"), ["a", "b"]);
  assert.deepEqual(list.parse('"A, B",c'), ["A, B", "c"]);
  assert.equal(list.safeParse("a,,b").success, false);
});
