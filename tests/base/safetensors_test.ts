import assert from "node:assert/strict";
import fc from "fast-check";
import { LimitError } from "../../src/base/errors.ts";
import { floatEntry, floatsOf, halfEntry, readSafetensors } from "../../src/base/safetensors.ts";
import { tensorValues, writeSafetensors } from "../../src/base/safetensors.ts";

/** A file from a header and the bytes after it. */
function fileOf(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const bytes = new TextEncoder().encode(text);
  const file = new Uint8Array(8 + bytes.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
  file.set(bytes, 8);
  file.set(data, 8 + bytes.length);
  return file;
}

function bytesOf(...values: number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

const GOOD = fileOf({
  __metadata__: { made: "by hand" },
  b: { dtype: "F64", shape: [2], data_offsets: [8, 24] },
  a: { dtype: "F64", shape: [], data_offsets: [0, 8] },
}, bytesOf(1.5, -2, 3));

Deno.test("readSafetensors() finds tensors, shapes and metadata", () => {
  const { tensors, metadata } = readSafetensors(GOOD);
  assert.deepEqual(metadata, { made: "by hand" });
  assert.deepEqual(tensors.get("b")!.shape, [2]);
  assert.deepEqual(tensorValues(tensors.get("b")!), Float64Array.of(-2, 3));
  assert.deepEqual(tensorValues(tensors.get("a")!), Float64Array.of(1.5));
});

Deno.test("readSafetensors() reads from the middle of a buffer", () => {
  const padded = new Uint8Array(GOOD.length + 3);
  padded.set(GOOD, 3);
  const { tensors } = readSafetensors(padded.subarray(3));
  assert.deepEqual(tensorValues(tensors.get("a")!), Float64Array.of(1.5));
});

Deno.test("tensorValues() widens every dtype that is read", () => {
  const data = new Uint8Array(17);
  const view = new DataView(data.buffer);
  view.setFloat32(0, 0.5, true);
  view.setInt32(4, -7, true);
  view.setBigInt64(8, 12345678901n, true);
  data[16] = 200;
  const { tensors } = readSafetensors(fileOf({
    f: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
    i: { dtype: "I32", shape: [1], data_offsets: [4, 8] },
    l: { dtype: "I64", shape: [1], data_offsets: [8, 16] },
    u: { dtype: "U8", shape: [1], data_offsets: [16, 17] },
  }, data));
  const values = ["f", "i", "l", "u"].map((name) => tensorValues(tensors.get(name)!)[0]);
  assert.deepEqual(values, [0.5, -7, 12345678901, 200]);
});

Deno.test("tensorValues() refuses an integer that f64 cannot hold", () => {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigInt64(0, 2n ** 53n + 1n, true);
  const { tensors } = readSafetensors(
    fileOf({ l: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, data),
  );
  assert.throws(() => tensorValues(tensors.get("l")!), /no exact f64/);
});

Deno.test("readSafetensors() names what is wrong", () => {
  const tensor = (about: object) => fileOf({ t: about }, bytesOf(1));
  const one = { dtype: "F64", shape: [1], data_offsets: [0, 8] };
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(5), /5 bytes, a header needs 8/],
    [GOOD.subarray(0, 20), /Header ends at byte/],
    [GOOD.subarray(0, GOOD.length - 1), /Tensors end at data byte 24, the file has 23/],
    [fileOf("{"), /not JSON/],
    [fileOf("[]"), /not a JSON object/],
    [fileOf(" {}"), /not a JSON object/],
    [fileOf('{"a":1}}'), /not JSON/],
    [fileOf('{"a\\q":1}'), /is no name/],
    [fileOf("{}").with(8, 0xff), /not UTF-8/],
    [fileOf({ __metadata__: { a: 1 } }), /object of texts/],
    [fileOf({ t: 3 }), /"t" is not an object/],
    [tensor({ ...one, dtype: "BF16" }), /dtype "BF16"/],
    [tensor({ ...one, dtype: "toString" }), /dtype "toString"/],
    [tensor({ ...one, shape: [-1] }), /shape \[-1\]/],
    [tensor({ ...one, shape: [2] }), /spans 8 bytes, its shape \[2\] needs 16/],
    [tensor({ ...one, data_offsets: [8, 0] }), /spans -8 bytes/],
    [tensor({ ...one, data_offsets: [0.5, 8.5] }), /data_offsets/],
    [fileOf({ t: { ...one, data_offsets: [8, 16] } }, bytesOf(1, 2)), /starts at data byte 8/],
    [fileOf({ a: one, b: one }, bytesOf(1)), /"b" starts at data byte 0, expected 8/],
    [fileOf({ t: one }, bytesOf(1, 2)), /Tensors end at data byte 8, the file has 16/],
  ];
  for (const [file, message] of cases) assert.throws(() => readSafetensors(file), message);
});

Deno.test("readSafetensors() refuses two tensors, fields or texts of one name", () => {
  const one = '{"dtype":"F64","shape":[1],"data_offsets":[0,8]}';
  const headers = [
    [`{"a":${one},"a":${one}}`, "a"],
    [`{"a":${one},"\\u0061":${one}}`, "a"],
    ['{"a":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,8]}}', "dtype"],
    [`{"__metadata__":{"b":"1","b":"2"},"a":${one}}`, "b"],
  ] as const;
  for (const [header, name] of headers) {
    const message = `Header has "${name}" twice`;
    assert.throws(() => readSafetensors(fileOf(header, bytesOf(1))), { message });
  }
  // The same name in two tensors, and quotation marks in names, are no repetition.
  const names = ['a"', 'a\\"', "a:{", "__proto__"];
  const entries = names.map((name) => [name, floatEntry([1], Float64Array.of(1))] as const);
  const file = writeSafetensors(new Map(entries), { 'a"': "a", ["__proto__"]: "b" });
  assert.deepEqual(new Set(readSafetensors(file).tensors.keys()), new Set(names));
});

Deno.test("readSafetensors() refuses a hostile header by a short message, at once", () => {
  const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
  const hostile = [
    `{"a":{"dtype":${deep},"shape":[1],"data_offsets":[0,8]}}`,
    `{"__metadata__":${deep}}`,
    '{"a":'.repeat(1_000_000),
    '{"a":{"dtype":{"toString":1},"shape":[1],"data_offsets":[0,8]}}',
    `{"a":{"dtype":"F64","shape":[${"1,".repeat(100_000)}2],"data_offsets":[0,8]}}`,
    '{"a":{"dtype":"F64","shape":[-0],"data_offsets":[0,0]}}',
    `{"${"n".repeat(100_000)}":3}`,
    `{"a":"${"n".repeat(100_000)}`,
  ];
  for (const header of hostile) {
    const read = () => readSafetensors(fileOf(header, bytesOf(1)));
    assert.throws(read, (error) => error instanceof SyntaxError && error.message.length < 250);
  }
});

Deno.test("readSafetensors() refuses a header beyond its limit before it reads it", () => {
  const file = new Uint8Array(16);
  new DataView(file.buffer).setBigUint64(0, 2n ** 62n, true);
  assert.throws(() => readSafetensors(file), LimitError);
});

Deno.test("readSafetensors() answers random bytes and damaged files with an error or a file", () => {
  const survive = (file: Uint8Array) => {
    try {
      readSafetensors(file);
    } catch (error) {
      assert.ok(error instanceof SyntaxError || error instanceof LimitError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), survive));
  fc.assert(fc.property(fc.nat(GOOD.length - 1), fc.nat(255), (at, value) => {
    const damaged = GOOD.slice();
    damaged[at] = value;
    survive(damaged);
  }));
});

const dtypes = { F64: 8, F32: 4, F16: 2, I64: 8, I32: 4, U8: 1 } as const;

Deno.test("writeSafetensors() writes what readSafetensors() reads, in any order", () => {
  const name = fc.string().filter((text) => text !== "__metadata__");
  const entry = fc.record({
    dtype: fc.constantFrom(...Object.keys(dtypes) as (keyof typeof dtypes)[]),
    shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
  });
  fc.assert(fc.property(
    fc.uniqueArray(fc.tuple(name, entry), { selector: ([key]) => key, maxLength: 6 }),
    fc.dictionary(name, fc.string()),
    (given, metadata) => {
      const entries = given.map(([key, { dtype, shape }], i) => {
        const size = shape.reduce((a, b) => a * b, dtypes[dtype]);
        return [key, { dtype, shape, bytes: new Uint8Array(size).fill(i + 1) }] as const;
      });
      const file = writeSafetensors(new Map(entries), metadata);
      const back = readSafetensors(file);
      assert.deepEqual({ ...back.metadata }, { ...metadata });
      assert.equal(back.tensors.size, entries.length);
      for (const [key, expected] of entries) assert.deepEqual(back.tensors.get(key), expected);
      const again = writeSafetensors(new Map([...entries].reverse()), metadata);
      assert.deepEqual(again, file);
      // The data begins at a multiple of 8.
      const header = Number(new DataView(file.buffer).getBigUint64(0, true));
      assert.equal(header % 8, 0);
    },
  ));
});

Deno.test("writeSafetensors() refuses bytes that do not fit a shape, and a reserved name", () => {
  const two = { dtype: "F32", shape: [2], bytes: new Uint8Array(4) } as const;
  assert.throws(() => writeSafetensors(new Map([["a", two]])), /"a" spans 4 bytes.*needs 8/);
  const good = { ...two, shape: [1] };
  assert.throws(() => writeSafetensors(new Map([["__metadata__", good]])), SyntaxError);
});

Deno.test("floatEntry() and floatsOf() keep every bit of finite numbers", () => {
  for (const data of [Float64Array.of(0.1, -0, 5e-324), Float32Array.of(0.1, -0, 1e-45)]) {
    const entry = floatEntry([3], data);
    assert.equal(entry.dtype, data instanceof Float64Array ? "F64" : "F32");
    assert.deepEqual(floatsOf(entry), data);
    assert.ok(Object.is(floatsOf(entry)[1], -0));
  }
  const whole = { dtype: "I32", shape: [0], bytes: new Uint8Array(0) } as const;
  assert.throws(() => floatsOf(whole), /dtype "I32", expected F16, F32 or F64/);
});

Deno.test("halfEntry() rounds to 16 bits, and refuses what they cannot hold", () => {
  const entry = halfEntry([4], Float32Array.of(0.1, -2, 65_504, 6e-8));
  assert.equal(entry.bytes.length, 8);
  assert.deepEqual([...floatsOf(entry)], [0.0999755859375, -2, 65_504, 5.960464477539063e-8]);
  assert.deepEqual(tensorValues(entry), Float64Array.from(floatsOf(entry)));
  assert.throws(() => halfEntry([1], Float32Array.of(1e6)), /Value 1000000 at 0/);
});
