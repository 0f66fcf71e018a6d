/**
 * Arrays of numbers in fewer bytes: the leading ones that an element shares with the one before
 * are counted, not written. Times that rise share sign, exponent and first digits, and so do values
 * of one series; counts of a histogram are small or 0.
 *
 *   form = counts, four bits each, the first in the low bits · for each element its other bytes
 *
 * The element before the first is 0. Bytes are little-endian, so that the leading ones come last.
 */

/** Counts of one array at a time; grows with the longest. */
let counts = new Uint8Array(4096);

/**
 * Counts the leading bytes that elements share; {@linkcode writeShared} writes by them.
 *
 * @param width  bytes an element: 2, 4 or 8; those of `bytes` start at a multiple of it
 * @returns bytes of the form
 */
export function countShared(bytes: Uint8Array, width: number): number {
  const { buffer, byteOffset, byteLength } = bytes;
  const length = byteLength / width;
  if (counts.length < length) counts = new Uint8Array(2 * length);
  if (width === 2) countHalves(new Uint16Array(buffer, byteOffset, length));
  else if (width === 4) countWords(new Uint32Array(buffer, byteOffset, length));
  else countPairs(new Uint32Array(buffer, byteOffset, 2 * length));
  let shared = 0;
  for (let i = 0; i < length; i++) shared += counts[i]!;
  return countBytes(length) + byteLength - shared;
}

/** Bytes of the counts. */
function countBytes(length: number): number {
  return (length + 1) >> 1;
}

function countHalves(halves: Uint16Array): void {
  let before = 0;
  for (let i = 0; i < halves.length; i++) {
    counts[i] = (Math.clz32(halves[i]! ^ before) - 16) >> 3;
    before = halves[i]!;
  }
}

function countWords(words: Uint32Array): void {
  let before = 0;
  for (let i = 0; i < words.length; i++) {
    counts[i] = Math.clz32(words[i]! ^ before) >> 3;
    before = words[i]!;
  }
}

/** Elements of two words, of which the second leads. */
function countPairs(words: Uint32Array): void {
  let [low, high] = [0, 0];
  for (let i = 0; i < words.length; i += 2) {
    const leading = words[i + 1]! ^ high;
    counts[i >> 1] = leading === 0
      ? 4 + (Math.clz32(words[i]! ^ low) >> 3)
      : Math.clz32(leading) >> 3;
    low = words[i]!;
    high = words[i + 1]!;
  }
}

/**
 * Writes the form of the array that was counted last.
 *
 * @param out  room for as many bytes as {@linkcode countShared} gave
 */
export function writeShared(bytes: Uint8Array, width: number, out: Uint8Array): void {
  const length = bytes.length / width;
  let to = countBytes(length);
  for (let i = 0; i < length; i += 2) {
    out[i >> 1] = counts[i]! | (i + 1 < length ? counts[i + 1]! << 4 : 0);
  }
  for (let i = 0; i < length; i++) {
    const end = (i + 1) * width - counts[i]!;
    for (let at = i * width; at < end; at++) out[to++] = bytes[at]!;
  }
}

function shareOf(shares: Uint8Array, i: number): number {
  return (shares[i >> 1]! >> (4 * (i & 1))) & 15;
}

/**
 * Reads an array of `length` elements.
 *
 * @param take  gives the next so many bytes, or throws where there are fewer
 * @throws {SyntaxError} a count is above the width
 */
export function readShared(
  length: number,
  width: number,
  take: (count: number) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const shares = take(Math.ceil(length / 2));
  let left = length * width;
  for (let i = 0; i < length; i++) {
    const share = shareOf(shares, i);
    if (share > width) throw new SyntaxError(`Element ${i} shares ${share} of ${width} bytes`);
    left -= share;
  }
  const others = take(left);
  const bytes = new Uint8Array(length * width);
  let from = 0;
  for (let i = 0; i < length; i++) {
    const own = width - shareOf(shares, i);
    const at = i * width;
    for (let k = 0; k < own; k++) bytes[at + k] = others[from++]!;
    // Those of the first are zeros, as they are.
    if (i > 0) { for (let k = own; k < width; k++) bytes[at + k] = bytes[at + k - width]!; }
  }
  return bytes;
}
