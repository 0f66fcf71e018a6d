/**
 * Files of xz and raw LZMA2 streams, to read: Debian packages and R's tables are packed so. The
 * decoder is that of the Linux kernel (XZ Embedded) in WebAssembly, of the npm package
 * xz-decompress. It reads files alone, so a raw stream is made one here ("The .xz File Format",
 * 1.1.0).
 */
import { crc32 } from "node:zlib";
import xz from "xz-decompress";
import { InvalidValueError } from "../../base/errors.ts";

// The package is CommonJS: what its types call a named export is a member of its default.
const { XzReadableStream } = xz as unknown as typeof import("xz-decompress");

/** Bytes that one file may unpack to. */
export const UNPACKED_BYTES_MAX = 1 << 28;

const XZ_MAGIC = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0);

/** Header and footer of a file whose blocks have no check. */
const STREAM_FLAGS = Uint8Array.of(0, 0);
const FOOTER_MAGIC = Uint8Array.of(0x59, 0x5a);

const LZMA2_FILTER = 0x21;
const BLOCK_HEADER_BYTES = 12;

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function littleEndian(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

/** The part with zeros up to whole words of four bytes. */
function padded(part: Uint8Array): Uint8Array {
  return joined([part, new Uint8Array(-part.length & 3)]);
}

/** The part and its check sum. */
function checked(part: Uint8Array): Uint8Array {
  return joined([part, littleEndian(crc32(part))]);
}

/** A number in groups of seven bits, the low ones first. */
function variable(value: number): number[] {
  const groups: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) groups.push(value % 0x80 | 0x80);
  return [...groups, value];
}

/** Code of the least dictionary of so many bytes: it has (2 | code & 1) · 2^(11 + code >> 1). */
function dictionaryCode(size: number): number {
  let code = 0;
  while ((2 | code & 1) * 2 ** (11 + (code >> 1)) < size) code++;
  return code;
}

/** A file of one block that holds the stream. */
function fileOf(stream: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const filter = [LZMA2_FILTER, 1, dictionaryCode(size)];
  const header = [BLOCK_HEADER_BYTES / 4 - 1, 0, ...filter, 0, 0, 0];
  const sizes = [...variable(BLOCK_HEADER_BYTES + stream.length), ...variable(size)];
  const index = checked(padded(Uint8Array.of(0, 1, ...sizes)));
  const back = littleEndian(index.length / 4 - 1);
  const footer = joined([back, STREAM_FLAGS]);
  return joined([
    ...[XZ_MAGIC, checked(STREAM_FLAGS)],
    ...[checked(Uint8Array.from(header)), padded(stream), index],
    ...[littleEndian(crc32(footer)), footer, FOOTER_MAGIC],
  ]);
}

/**
 * Unpacks a file of xz. CRC32 check sums are held to; others are not: the packages are held to
 * their SHA-256.
 *
 * @throws {InvalidValueError} no such file, cut short, broken, with another filter than LZMA2, or
 *   larger than {@linkcode UNPACKED_BYTES_MAX}
 */
export async function unpackXz(input: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (XZ_MAGIC.some((byte, k) => input[k] !== byte)) {
    throw new InvalidValueError("file", "its first bytes", "those of an xz file");
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of new XzReadableStream(ReadableStream.from([input]))) {
      size += part.length;
      if (size > UNPACKED_BYTES_MAX) break;
      parts.push(part);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidValueError("xz file", reason, "a whole one with the filter LZMA2 alone");
  }
  if (size <= UNPACKED_BYTES_MAX) return joined(parts);
  throw new InvalidValueError("unpacked bytes", size, `at most ${UNPACKED_BYTES_MAX}`);
}

/**
 * Unpacks a raw LZMA2 stream.
 *
 * @param size  bytes that it unpacks to
 * @throws {InvalidValueError} as {@linkcode unpackXz}, or another size
 */
export async function unpackLzma2(
  input: Uint8Array,
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!(size <= UNPACKED_BYTES_MAX)) {
    throw new InvalidValueError("unpacked bytes", size, `at most ${UNPACKED_BYTES_MAX}`);
  }
  return await unpackXz(fileOf(input, size));
}
