import assert from "node:assert/strict";
import fc from "fast-check";
import { joinList, splitList } from "../../src/base/quoted_list.ts";

Deno.test("splitList() parts names by commas, and takes those in quotes whole", () => {
  assert.deepEqual(splitList("a, b ,c", "columns"), ["a", "b", "c"]);
  assert.deepEqual(splitList('"A, B",c', "columns"), ["A, B", "c"]);
  assert.deepEqual(splitList(' "a ""b""" , " c "', "columns"), ['a "b"', " c "]);
  assert.deepEqual(splitList('5" pipe', "columns"), ['5" pipe']);
});

Deno.test("splitList() refuses empty names and quotes that do not end", () => {
  for (const text of ["", "a,,b", "a,", ",a", '""', '"a', '"a" b', '"a"b,c', '"a""']) {
    assert.throws(() => splitList(text, "columns"), /columns is .*names parted by commas/, text);
  }
});

Deno.test("splitList() reads what joinList() writes, and plain names stay as they are", () => {
  assert.equal(joinList(["load", "wind, gusts", '"x"', " y"]), 'load,"wind, gusts","""x"""," y"');
  const name = fc.string({ unit: fc.constantFrom("a", ",", '"', " ", "é"), minLength: 1 });
  fc.assert(
    fc.property(fc.array(name, { minLength: 1 }), (names) => {
      assert.deepEqual(splitList(joinList(names), "columns"), names);
    }),
  );
});
