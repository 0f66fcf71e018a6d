import assert from "node:assert/strict";
import fc from "fast-check";
import {
  copyTree,
  memoryBytes,
  packTree,
  type Tree,
  TREE_DEPTH_MAX,
  unpackTree,
} from "../../src/base/tree.ts";

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: "grapheme" }),
  fc.float64Array(),
  fc.float32Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.uint16Array(),
  fc.uint8Array(),
  fc.bigInt64Array(),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    leaf as fc.Arbitrary<Tree>,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(fc.string().filter((key) => key !== "__proto__"), tie("tree"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
}));

Deno.test("unpackTree() gives back what packTree() took, bit for bit", () => {
  fc.assert(fc.property(tree, (value) => {
    assert.deepEqual(unpackTree(packTree(value)), value);
    assert.deepEqual(packTree(unpackTree(packTree(value))), packTree(value));
  }));
});

Deno.test("unpackTree() refuses every truncation and every tail", () => {
  const bytes = packTree({ a: [1, "two", new Float64Array([3, NaN])], b: { c: 4n } });
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => unpackTree(bytes.subarray(0, length)), SyntaxError, `length ${length}`);
  }
  assert.throws(() => unpackTree(new Uint8Array([...bytes, 0])), /after the end/);
});

Deno.test("unpackTree() survives random bytes with a SyntaxError or a value", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    try {
      unpackTree(bytes);
    } catch (error) {
      assert.ok(error instanceof SyntaxError || error instanceof TypeError, String(error));
    }
  }));
});

Deno.test("unpackTree() refuses nesting beyond TREE_DEPTH_MAX", () => {
  let deep: Tree = 1;
  for (let i = 0; i <= TREE_DEPTH_MAX; i++) deep = [deep];
  assert.throws(() => unpackTree(packTree(deep)), /deeper/);
});

Deno.test("memoryBytes() counts large arrays by their bytes, and what small ones take beside", () => {
  const large = memoryBytes(new Float64Array(1e5));
  assert.ok(large >= 8e5 && large < 8.01e5, String(large));
  const many = Array.from({ length: 100 }, () => new Float64Array(1));
  assert.ok(memoryBytes(many) > 10 * packTree(many).length);
  assert.equal(memoryBytes({ a: 1, b: [] }) - memoryBytes({ a: 1 }), 64);
});

Deno.test("copyTree() shares nothing with the original", () => {
  const original = { x: new Float64Array([1, 2]), n: 3 };
  const copy = copyTree(original);
  copy.x[0] = 9;
  assert.equal(original.x[0], 1);
  assert.deepEqual(copy, { x: new Float64Array([9, 2]), n: 3 });
});
