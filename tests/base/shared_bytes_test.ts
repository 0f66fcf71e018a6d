import assert from "node:assert/strict";
import fc from "fast-check";
import { countShared, readShared, writeShared } from "../../src/base/shared_bytes.ts";

function written(bytes: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(countShared(bytes, width));
  writeShared(bytes, width, out);
  return out;
}

function read(form: Uint8Array, length: number, width: number): Uint8Array {
  let at = 0;
  return readShared(length, width, (count) => {
    if (at + count > form.length) throw new SyntaxError(`${form.length} bytes`);
    return form.subarray(at, at += count);
  });
}

Deno.test("readShared() gives back what writeShared() took, in as many bytes as were counted", () => {
  const few = fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 0, 0, 255));
  for (const width of [2, 4, 8]) {
    fc.assert(fc.property(fc.array(few, { maxLength: 200 }), (values) => {
      const bytes = Uint8Array.from(values.slice(0, values.length - values.length % width));
      const form = written(bytes, width);
      assert.deepEqual(read(form, bytes.length / width, width), bytes);
    }));
  }
});

Deno.test("countShared() counts leading bytes, which come last", () => {
  // Four bits of counts an element, then 1; nothing; 2 1.
  assert.deepEqual(
    [...written(new Uint8Array(Uint16Array.of(1, 1, 0x0102).buffer), 2)],
    [0x21, 0x00, 1, 2, 1],
  );
  const zeros = new Uint8Array(8 * 9_000);
  assert.equal(countShared(zeros, 8), 4_500);
  const doubles = Float64Array.of(1, 1, -1);
  assert.equal(countShared(new Uint8Array(doubles.buffer), 8), 2 + 8 + 0 + 8);
});

Deno.test("readShared() refuses counts above the width, and asks for no more than there is", () => {
  assert.throws(() => read(Uint8Array.of(0x03, 1), 1, 2), /Element 0 shares 3 of 2 bytes/);
  assert.throws(() => read(Uint8Array.of(0x00, 1), 1, 2), SyntaxError);
});
