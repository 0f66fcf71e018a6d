/**
 * LZMA2 and the xz container, to read: Debian packages and R's tables are packed so. Written from
 * "The .xz File Format" 1.1.0 and the LZMA specification (I. Pavlov, 2015). No check sums are
 * read: the packages are held to their SHA-256.
 */
import { InvalidValueError } from "../../base/errors.ts";

/** Bytes that one stream may unpack to. */
export const UNPACKED_BYTES_MAX = 1 << 28;

const STATES = 12;
const POSITIONS = 16;
const LITERALS = 0x300;
const HALF = 1 << 10;
const MATCH_BYTES_MIN = 2;

/** Bytes that grow as they are written; a match copies from what is already there. */
class Output {
  bytes = new Uint8Array(1 << 16);
  size = 0;

  reserve(more: number): void {
    const needed = this.size + more;
    if (needed > UNPACKED_BYTES_MAX) {
      throw new InvalidValueError("unpacked bytes", needed, `at most ${UNPACKED_BYTES_MAX}`);
    }
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

const probabilities = (count: number) => new Uint16Array(count).fill(HALF);

/** Lengths of matches: 3 bits, 3 bits or 8 bits, by position. */
class LengthModel {
  readonly choice = probabilities(2);
  readonly low = probabilities(POSITIONS << 3);
  readonly middle = probabilities(POSITIONS << 3);
  readonly high = probabilities(256);
}

/** Everything that the decoder learns, as it is after a reset. */
class Model {
  readonly literal: Uint16Array;
  readonly isMatch = probabilities(STATES * POSITIONS);
  readonly isRepeat = probabilities(STATES);
  readonly isRepeat0 = probabilities(STATES);
  readonly isRepeat1 = probabilities(STATES);
  readonly isRepeat2 = probabilities(STATES);
  readonly isRepeat0Long = probabilities(STATES * POSITIONS);
  readonly slot = probabilities(4 * 64);
  readonly special = probabilities(128);
  readonly align = probabilities(16);
  readonly length = new LengthModel();
  readonly repeatLength = new LengthModel();
  state = 0;
  readonly distances = [0, 0, 0, 0];

  constructor(readonly lc: number, readonly lp: number, readonly pb: number) {
    this.literal = probabilities(LITERALS << (lc + lp));
  }
}

/** The range decoder over one chunk. */
class Range {
  private range = 0xffffffff;
  private code = 0;

  constructor(private readonly input: Uint8Array, private at: number) {
    this.at++;
    for (let i = 0; i < 4; i++) this.code = (this.code << 8 | input[this.at++]!) >>> 0;
  }

  private normalize(): void {
    if (this.range >= 1 << 24) return;
    this.range = this.range << 8 >>> 0;
    this.code = (this.code << 8 | this.input[this.at++]!) >>> 0;
  }

  bit(model: Uint16Array, k: number): number {
    const p = model[k]!;
    const bound = (this.range >>> 11) * p;
    let bit = 0;
    if (this.code < bound) {
      this.range = bound;
      model[k] = p + ((2_048 - p) >> 5);
    } else {
      this.range = this.range - bound >>> 0;
      this.code = this.code - bound >>> 0;
      model[k] = p - (p >> 5);
      bit = 1;
    }
    this.normalize();
    return bit;
  }

  /** Bits without a model, high one first. */
  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit === 1) this.code = this.code - this.range >>> 0;
      value = value << 1 | bit;
      this.normalize();
    }
    return value >>> 0;
  }

  tree(model: Uint16Array, from: number, bits: number): number {
    let node = 1;
    for (let i = 0; i < bits; i++) node = node << 1 | this.bit(model, from + node);
    return node - (1 << bits);
  }

  /** As {@linkcode tree}, low bit first. */
  reversed(model: Uint16Array, from: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(model, from + node);
      node = node << 1 | bit;
      value |= bit << i;
    }
    return value;
  }

  length(model: LengthModel, position: number): number {
    if (this.bit(model.choice, 0) === 0) return this.tree(model.low, position << 3, 3);
    if (this.bit(model.choice, 1) === 0) return 8 + this.tree(model.middle, position << 3, 3);
    return 16 + this.tree(model.high, 0, 8);
  }
}

/** A byte of its own; after a match it is coded against the byte next in that match. */
function literal(range: Range, model: Model, out: Output, from: number): void {
  const before = out.size > from ? out.bytes[out.size - 1]! : 0;
  const { lc, lp } = model;
  const place = ((out.size - from & (1 << lp) - 1) << lc) + (before >> 8 - lc);
  const base = LITERALS * place;
  let symbol = 1;
  if (model.state >= 7) {
    let expected = out.bytes[out.size - model.distances[0]! - 1]!;
    while (symbol < 0x100) {
      const wanted = expected >> 7 & 1;
      expected <<= 1;
      const bit = range.bit(model.literal, base + (1 + wanted << 8) + symbol);
      symbol = symbol << 1 | bit;
      if (bit !== wanted) break;
    }
  }
  while (symbol < 0x100) symbol = symbol << 1 | range.bit(model.literal, base + symbol);
  out.bytes[out.size++] = symbol & 0xff;
  const { state } = model;
  model.state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
}

function distance(range: Range, model: Model, length: number): number {
  const slot = range.tree(model.slot, Math.min(length, 3) << 6, 6);
  if (slot < 4) return slot;
  const bits = (slot >> 1) - 1;
  const high = (2 | slot & 1) << bits >>> 0;
  if (slot < 14) return high + range.reversed(model.special, high - slot, bits);
  return high + range.direct(bits - 4) * 16 + range.reversed(model.align, 0, 4);
}

/** The length of a match, its distance put first; 1 for the short form of the last distance. */
function match(range: Range, model: Model, position: number): number {
  const { state, distances } = model;
  const isLate = state >= 7;
  if (range.bit(model.isRepeat, state) === 0) {
    const length = range.length(model.length, position);
    distances.pop();
    distances.unshift(distance(range, model, length));
    model.state = isLate ? 10 : 7;
    return length + MATCH_BYTES_MIN;
  }
  let k = 0;
  if (range.bit(model.isRepeat0, state) === 0) {
    if (range.bit(model.isRepeat0Long, state * POSITIONS + position) === 0) {
      model.state = isLate ? 11 : 9;
      return 1;
    }
  } else if (range.bit(model.isRepeat1, state) === 0) k = 1;
  else k = 2 + range.bit(model.isRepeat2, state);
  distances.unshift(...distances.splice(k, 1));
  const length = range.length(model.repeatLength, position);
  model.state = isLate ? 11 : 8;
  return length + MATCH_BYTES_MIN;
}

function chunk(range: Range, model: Model, out: Output, from: number, until: number): void {
  const mask = (1 << model.pb) - 1;
  while (out.size < until) {
    const position = out.size - from & mask;
    if (range.bit(model.isMatch, model.state * POSITIONS + position) === 0) {
      literal(range, model, out, from);
      continue;
    }
    const length = match(range, model, position);
    const back = model.distances[0]! + 1;
    if (back > out.size - from || out.size + length > until) {
      throw new InvalidValueError("match", `${length} at ${back}`, "one inside of its stream");
    }
    for (let i = 0; i < length; i++, out.size++) out.bytes[out.size] = out.bytes[out.size - back]!;
  }
}

/** Chunks up to the end mark; gives the index after it. */
function chunks(input: Uint8Array, start: number, out: Output): number {
  // LZMA counts positions from the last reset of the dictionary.
  let from = out.size;
  let model: Model | null = null;
  for (let at = start;;) {
    const control = input[at++];
    if (control === undefined) throw new InvalidValueError("LZMA2", "its end", "an end mark");
    if (control === 0) return at;
    if (control === 1 || control >= 0xe0) from = out.size;
    let size = (input[at]! << 8 | input[at + 1]!) + 1;
    at += 2;
    if (control < 0x80) {
      out.reserve(size);
      out.bytes.set(input.subarray(at, at + size), out.size);
      out.size += size;
      at += size;
      continue;
    }
    size += (control & 31) << 16;
    const packed = (input[at]! << 8 | input[at + 1]!) + 1;
    at += 2;
    if (control >= 0xc0) {
      const properties = input[at++]!;
      const [lc, rest] = [properties % 9, Math.floor(properties / 9)];
      model = new Model(lc, rest % 5, Math.floor(rest / 5));
    } else if (control >= 0xa0 && model !== null) model = new Model(model.lc, model.lp, model.pb);
    if (model === null) throw new InvalidValueError("LZMA2", control, "a chunk with properties");
    out.reserve(size);
    chunk(new Range(input, at), model, out, from, out.size + size);
    at += packed;
  }
}

/**
 * Unpacks a raw LZMA2 stream.
 *
 * @throws {InvalidValueError} cut short, broken, or larger than {@linkcode UNPACKED_BYTES_MAX}
 */
export function unpackLzma2(input: Uint8Array): Uint8Array {
  const out = new Output();
  chunks(input, 0, out);
  return out.bytes.slice(0, out.size);
}

const XZ_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
const XZ_HEADER = 12;

/** Bytes of the check after a block, by its kind: none, CRC32, CRC64, SHA-256. */
const CHECK_BYTES: Readonly<Record<number, number>> = { 0: 0, 1: 4, 4: 8, 10: 32 };

/**
 * Unpacks a file of xz whose only filter is LZMA2.
 *
 * @throws {InvalidValueError} no such file, or as {@linkcode unpackLzma2}
 */
export function unpackXz(input: Uint8Array): Uint8Array {
  if (XZ_MAGIC.some((byte, k) => input[k] !== byte)) {
    throw new InvalidValueError("file", "its first bytes", "those of an xz file");
  }
  const check = CHECK_BYTES[input[7]!] ?? 0;
  const out = new Output();
  // A block's header begins with its size in words less one; 0 is where the index begins.
  for (let at = XZ_HEADER; input[at] !== 0;) {
    if (at >= input.length) throw new InvalidValueError("xz file", "its end", "an index");
    const body = at + 4 * (input[at]! + 1);
    if ((input[at + 1]! & 3) !== 0) throw new InvalidValueError("xz", "filters", "LZMA2 alone");
    at = (chunks(input, body, out) + 3 & ~3) + check;
  }
  return out.bytes.slice(0, out.size);
}
