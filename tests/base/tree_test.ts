import assert from "node:assert/strict";
import fc from "fast-check";
import {
  copyTree,
  memoryBytes,
  packTree,
  type Tree,
  TREE_DEPTH_MAX,
  TREE_KEY_LISTS_MAX,
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
  const bytes = packTree({
    a: [1, "two", new Float64Array([3, NaN]), new Uint16Array(9)],
    b: { c: 4n },
    d: { c: 5n },
  });
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

Deno.test("packTree() leaves out what neighbours share, and no bit of the rest", () => {
  const times = Float64Array.from({ length: 2_000 }, (_, i) => 7e6 + 3_600.37 * i);
  assert.ok(packTree(times).length < 0.85 * times.byteLength);
  for (const Kind of [Float64Array, Float32Array, Int32Array, Uint32Array, Uint16Array]) {
    const counts = new Kind(230);
    counts.set([3, 1, 4, 1, 5, 9, 2, 6], 100);
    const bytes = packTree(counts);
    assert.ok(bytes.length <= 6 + 115 + 9 * Kind.BYTES_PER_ELEMENT, `${Kind.name} ${bytes.length}`);
    assert.deepEqual(unpackTree(bytes), counts);
    assert.deepEqual(packTree(unpackTree(bytes)), bytes);
  }
  const odd = Float64Array.of(
    0,
    -0,
    NaN,
    -Infinity,
    1,
    1,
    1,
    1 + Number.EPSILON,
    5e-324,
    0,
    0,
    0,
    0,
  );
  assert.deepEqual(unpackTree(packTree(odd)), odd);
  // Nothing is shared: bytes as they are.
  const mixed = Float64Array.of(1, -1, 1e300, -1e-300);
  assert.equal(packTree(mixed).length, 5 + mixed.byteLength);
  // A view into a larger buffer, and one of no elements.
  assert.deepEqual(unpackTree(packTree(times.subarray(3, 90))), times.slice(3, 90));
  assert.equal(packTree(new Float32Array(0)).length, 5);
});

Deno.test("unpackTree() reads arrays whose zeros were written", () => {
  const bytes = Uint8Array.of(12, 20, 0, 0, 0, ...new Uint8Array(40));
  assert.deepEqual(unpackTree(bytes), new Uint16Array(20));
});

Deno.test("unpackTree() refuses arrays that share more bytes than there are", () => {
  // Uint16 of two elements, the second of which shares three bytes.
  assert.throws(
    () => unpackTree(Uint8Array.of(15, 12, 2, 0, 0, 0, 0x30, 1, 1)),
    /Element 1 .* 3 of 2/,
  );
  // A length that the bytes cannot hold, and an array that is none.
  assert.throws(() => unpackTree(Uint8Array.of(15, 8, 255, 255, 255, 255, 0)), /State bytes end/);
  assert.throws(() => unpackTree(Uint8Array.of(15, 5, 1, 0, 0, 0, 0)), /Unknown tag 5/);
});

Deno.test("packTree() writes the keys of objects that are alike once", () => {
  const one = { first: 1, second: new Uint8Array(4), third: null };
  const [single, many] = [packTree([one]), packTree(new Array(11).fill(one))];
  assert.equal(many.length - single.length, 10 * (3 + 9 + 9 + 1));
  assert.deepEqual(unpackTree(many), new Array(11).fill(one));
  // One within another with the same keys, and others that only look alike.
  const inner = { next: null, "1:a,2:bc": 1 };
  const nested = [{ next: inner, "1:a,2:bc": 2 }, inner, { next: 1 }, { a: inner, bc: 1 }];
  assert.deepEqual(unpackTree(packTree(nested)), nested);
  assert.deepEqual(Object.keys((unpackTree(packTree(nested)) as object[])[1]!), Object.keys(inner));
  const left = [{ a: 1, b: undefined }, { a: 2 }] as unknown as Tree;
  assert.deepEqual(unpackTree(packTree(left)), [{ a: 1 }, { a: 2 }]);
});

Deno.test("packTree() writes keys beyond TREE_KEY_LISTS_MAX lists whole", () => {
  const objects: Tree[] = Array.from({ length: TREE_KEY_LISTS_MAX + 2 }, (_, i) => ({ [i]: i }));
  const last = { [TREE_KEY_LISTS_MAX - 1]: 0 };
  const beyond = { [TREE_KEY_LISTS_MAX]: 0 };
  const all = [...objects, last, beyond];
  assert.deepEqual(unpackTree(packTree(all)), all);
  const [a, b] = [packTree([...objects, last]), packTree([...objects, beyond])];
  assert.equal(b.length - a.length, 5 + 4 + 5 - 3);
});

Deno.test("unpackTree() refuses keys that no object before had", () => {
  assert.throws(() => unpackTree(Uint8Array.of(16, 0, 0)), /list of keys 0 at byte 3/);
  // Those of an object are known at its end.
  const within = Uint8Array.of(7, 1, 0, 0, 0, 1, 0, 0, 0, 97, 16, 0, 0);
  assert.throws(() => unpackTree(within), /list of keys 0 at byte 13/);
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
