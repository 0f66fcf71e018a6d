import assert from "node:assert/strict";
import { crc32c, fnv1a32, sha256Hex } from "../../src/base/hash.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("crc32c() gives RFC 3720's check values", () => {
  assert.equal(crc32c(bytes("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
});

Deno.test("fnv1a32() gives the published values", () => {
  assert.equal(fnv1a32(""), 0x811c9dc5);
  assert.equal(fnv1a32("a"), 0xe40c292c);
  assert.equal(fnv1a32("foobar"), 0xbf9cf968);
});

Deno.test("sha256Hex() gives FIPS 180's value for abc", () => {
  assert.equal(
    sha256Hex("abc"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
