import assert from "node:assert/strict";
import { UNPACKED_BYTES_MAX, unpackLzma2, unpackXz } from "../../../src/cli/pretraining/xz.ts";

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Lines that repeat each other in part. */
const TEXT = Array.from({ length: 160 }, (_, i) => `${i},${(i * i) % 97}\n`).join("");

/** Bytes that nothing can shorten: they are stored as they are. */
function noise(): string {
  let x = 1;
  return Array.from({ length: 96 }, () => {
    x = Number((BigInt(x) * 1_103_515_245n + 12_345n) % 2n ** 31n);
    return String.fromCharCode(x >> 16 & 255);
  }).join("");
}

/** TEXT by liblzma, a raw LZMA2 stream with lc 1, lp 2, pb 1. */
const RAW = [
  "4APZAgtAABgLAjCr99Y9UMH7fghin40oTvqE3vsMR2I0X6D4/tN58axdyGzR5QfjYKxoJCoxgKM4MRmDaQxIAqUzaON2",
  "LC6K+lb3129EbQ8yp184ve1kxfZyK725Pg2cPuEbvbQHJEdsH0PcS+rMHReyLuQUd06/XVxzivfunpPxcr4HyzLgcwdr",
  "JIXdVYu20lmfRab6YDdOTuKieaZzAwo7V4wC7GxzwvCVYHlJTrX82i65sE7UiD7z8S0zFrcEWDSWL4lnxEByW8CSue9F",
  "AFGThaHuZ42jzfCv+h1n4yWRkDan4BRO72EIT2Ikbo+BiQi1iDr99gpjQBBqR6oAH/PwunatK/vBMytaCTdXnB7q6q5f",
  "Ji5BE+/HA7Z4swVX0jw8PVOJXRvTZZwwtD2DolPDIx/Q+3R7npwufM+O4AJWVTFoZ2pAFIgTW1Fc6ecoPKXw6rsg3Khz",
  "b/GR4iWUgD4yz/0ckicM/o0g3g7yIC15au4i/23w8QU/LRwBR4q7Gw2W27j8W1AnuhTr3AjF6dExsTXIaKOo5q0gMEL9",
  "M4pXjBMLB4rzSZE6cJ7izgS6HpGB9y1eNdpKLHRz4+53JWq0kjbzmjL7z1B5VAxqmISI9VLzKZMFc42Fln7JD5BgB7uq",
  "3Lju9JJst+IbIs/6Xvwl8X8o4y1jL0sjHNfR6nz3izvc7OWzcQvTpMQXsxTekBIA",
].join("");

/** Noise, TEXT, noise and the first 700 bytes of TEXT by `xz --block-size=900 --check=crc32`. */
const XZ = [
  "/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4AODAfRdAGMfjCayW3Y+Tt7qFgnTxIckYL7+FRmYs1LIX1ioNxZLwFCwSPUP",
  "FFmx0Gg+INTHRr5YQKVnMOnXmMa7lN7OIh60m/6FKVDKAgBj4YOhGUgl0dQYoQalq/1Iunau+KUBsvwuNVGQbUSqdwYA",
  "ZANxCzEqkDOUsskClsm0YeTvoYD7Qu0OoDJX2uwiJBEuXyycOGiQmP3xO8sASylSSLi/4JCmP3R5Vpl33KwMB5dhr5YT",
  "SmpDKz1Tnz4Nem4fZUAV8Z+hOJxskO9eMhmZIW85YvN4bzykxu+lJHELLGV4e3MHtSrZDb2y3X+nGDUYZ9UOa1rlXIkC",
  "n05x+hnFQ+F1Aqx/03n1f3/NuVirtXhO5F8LmGEZ9ThBFefq8+9FIqikBtH9oQavbYDmxnLLMXJbyeztGx8vrkiZ3y+0",
  "35GbIUFNC/ku42w7h8iifw/xM0MU6/JGYUSQAWXZIC4jDifEn+Su2TPACTzzfSFyWscVzzHSGJuzQCIGN1F4qqY3GCVE",
  "5bkuAs4mWIeSFRWi5uwq9U6tVGCaL5Kj9YEam6Udbq8zmxCWIbU6+tqNFnG0QiTpeucNTAs78k4lzqGwyBDXs6MRUCEE",
  "DrruHtf7H4DBJzt/ieiXCdMcPa7xi29OBG1j1XPqaddM4EiBVNhbvOKoHXJKXabKAPx2IvgCACEBFgAAAHQv5aPgA4MB",
  "7V0AGoKCZvW+T4oUWC7JlUPYzazdk/h79orQwZ+l0egWEz8eo1IHzGXtl7lavlSKFvKkCpkSRyeHhUowrnyuefYiCcfA",
  "Xek7KEcYu1pgPqDqapJ1IacRIQ4dLikn9kb0gi+Slbn+YWEmOZ4YfWwIgNb1m1kDS2HOeTod7aYIsUfO2LMrgXhgQ8o+",
  "6Ii7onryOGTH1Q8dgm6LyUjE2iZn/8JzTjvyNhh9nKmIoiaKh/w9iULvXgdyXL6JKxreu2fV+tBal5L+JCqF52861OiX",
  "+qra4wQ6X65sMLc20TxMd3JKh0nAePMWSsB9ltw6dDvhdSURx9toMi9qVFjx7d82IwjgxObvu9X2R2Z0FXi8fk6Dhjwh",
  "NbXXx4Ax+bBPQe7W6I8D3BEtKvCS5N4LJ7yz4eczLihy3P+Tw/G7N9Te4pVaAtnqz8sJ7Lx32pLP+1gkdBkzH5yeE0vO",
  "w5lf+oPFCGpsDaU94O0JdyPCbfQkos83/h8RiTN3uWX+WaPcJQKiLGow8PV6qbkqkRdc/SMJObQKNXO6L1CUJHN1QiK8",
  "uHPEh52DOTQ/E6KQrHVx6cGK1IFCdjXawZX80H0HnuJ7mh0F6X4IP8Congq3MRcN8v7mI94FjZ0ii3tQwcVQFBX2JAv2",
  "rwqU6aT8+B8zF8sIAAAAAACNvLNsAgAhARYAAAB0L+Wj4ABNADpdABuLAsi6ub8XEjHKtfKcG062Kl80oCsGJHULWknv",
  "KhD9Rb0Y8IDb1ZOBmVjh/6cZ4ELF7gEC3OTyx2kAAADE103KAAOMBIQHhQSEB1JOQOpUlJvjUUADAAAAAAFZWg==",
].join("");

Deno.test("unpackLzma2() unpacks a stream of any properties", async () => {
  assert.equal(new TextDecoder().decode(await unpackLzma2(bytesOf(RAW), TEXT.length)), TEXT);
});

Deno.test("unpackXz() unpacks files of several blocks, stored chunks among them", async () => {
  const expected = noise() + TEXT + noise() + TEXT.slice(0, 700);
  assert.deepEqual(await unpackXz(bytesOf(XZ)), bytesOf(btoa(expected)));
});

Deno.test("unpackXz() refuses what is no xz file, is cut short, broken or has another filter", async () => {
  const bytes = bytesOf(XZ);
  const changed = (at: number) => bytes.with(at, bytes[at]! ^ 1);
  await assert.rejects(unpackXz(new Uint8Array(40)), /those of an xz file/);
  for (const broken of [bytes.subarray(0, 600), changed(13), changed(300)]) {
    await assert.rejects(unpackXz(broken), { name: "InvalidValueError", field: "xz file" });
  }
});

Deno.test("unpackLzma2() refuses a stream cut short, of another size or too large", async () => {
  const wanted = { name: "InvalidValueError", field: "xz file" };
  await assert.rejects(unpackLzma2(bytesOf(RAW).subarray(0, 200), TEXT.length), wanted);
  await assert.rejects(unpackLzma2(bytesOf(RAW), TEXT.length + 1), wanted);
  const limit = { field: "unpacked bytes" };
  await assert.rejects(unpackLzma2(bytesOf(RAW), UNPACKED_BYTES_MAX + 1), limit);
});
