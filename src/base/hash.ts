import { createHash } from "node:crypto";

/** SHA-256 as lower-case hex. Stands for JSR's `@std/crypto` with `encodeHex`. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const CRC32C_TABLES = buildCrc32cTables();

/** Table k gives what a byte does to the checksum when k more bytes follow it. */
function buildCrc32cTables(): readonly Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    tables[0]![n] = c >>> 0;
  }
  for (let k = 1; k < 8; k++) {
    for (let n = 0; n < 256; n++) {
      const before = tables[k - 1]![n]!;
      tables[k]![n] = (tables[0]![before & 0xff]! ^ (before >>> 8)) >>> 0;
    }
  }
  return tables;
}

/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of stored chunks. Eight bytes at a time
 * (Kounavis and Berry 2005, "slicing-by-8"), since each step waits for the one before.
 */
export function crc32c(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = CRC32C_TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const whole = bytes.length - bytes.length % 8;
  let c = 0xffffffff | 0;
  let i = 0;
  for (; i < whole; i += 8) {
    c = t7[(c ^ bytes[i]!) & 0xff]! ^ t6[((c >>> 8) ^ bytes[i + 1]!) & 0xff]! ^
      t5[((c >>> 16) ^ bytes[i + 2]!) & 0xff]! ^ t4[(c >>> 24) ^ bytes[i + 3]!]! ^
      t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = t0[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** FNV-1a, 32 bits: spreads names over workers and seeds generators; not for integrity. */
export function fnv1a32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
