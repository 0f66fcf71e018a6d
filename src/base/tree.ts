import { countShared, readShared, writeShared } from "./shared_bytes.ts";

/**
 * State as data: a tree of plain values with one byte form. Every persisted state in Driftline is
 * such a tree, so one codec stores, hashes, branches and proves all of them.
 *
 * Byte form: one tag byte a node, little-endian numbers, UTF-8 strings with a u32 length, object
 * keys in the order of the object (a state is always built by the same code, so the order is a
 * function of the model). f64 values keep their bits, NaN payloads included in typed arrays; a
 * scalar NaN is written as the canonical quiet NaN. Bytes that neighbours in a typed array share
 * are left out where that is shorter (shared_bytes.ts). Keys of an object are written once a tree:
 * one with the keys of one before has its number.
 */
export type TypedArray =
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Uint16Array
  | Uint8Array
  | BigInt64Array;

/** A value that {@linkcode packTree} can write. */
export type Tree =
  | null
  | boolean
  | number
  | bigint
  | string
  | TypedArray
  | readonly Tree[]
  | { readonly [key: string]: Tree };

const enum Tag {
  Null = 0,
  False = 1,
  True = 2,
  Number = 3,
  BigInt = 4,
  String = 5,
  Array = 6,
  Object = 7,
  Float64 = 8,
  Float32 = 9,
  Int32 = 10,
  Uint32 = 11,
  Uint16 = 12,
  Uint8 = 13,
  BigInt64 = 14,
  /** A typed array without the bytes that neighbours share: its tag and length come first. */
  Shared = 15,
  /** An object with the keys of an earlier one: which, in the order of the ends of those. */
  Alike = 16,
}

/** Objects written whole whose keys a tree refers to; those after them stand for themselves. */
export const TREE_KEY_LISTS_MAX = 65_536;

/** Nesting deeper than this is refused when reading: hostile bytes must not exhaust the stack. */
export const TREE_DEPTH_MAX = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

class Writer {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Numbers of the lists of keys so far, by the lists as one text. */
  readonly keyLists = new Map<string, number>();
  #objects = 0;

  #reserve(count: number): number {
    const start = this.#length;
    const need = start + count;
    if (need > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = need;
    return start;
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  i64(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigInt64(at, value, true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** The next `count` bytes, to be written at once. */
  room(count: number): Uint8Array {
    const at = this.#reserve(count);
    return this.#bytes.subarray(at, at + count);
  }

  text(value: string): void {
    const bytes = encoder.encode(value);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** An object was written whole: its list has the next number, unless one within it had it. */
  addKeys(keys: string): void {
    const number = this.#objects++;
    if (number < TREE_KEY_LISTS_MAX && !this.keyLists.has(keys)) this.keyLists.set(keys, number);
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}

function typedTag(value: object): Tag | undefined {
  if (value instanceof Float64Array) return Tag.Float64;
  if (value instanceof Float32Array) return Tag.Float32;
  if (value instanceof Int32Array) return Tag.Int32;
  if (value instanceof Uint32Array) return Tag.Uint32;
  if (value instanceof Uint16Array) return Tag.Uint16;
  if (value instanceof Uint8Array) return Tag.Uint8;
  if (value instanceof BigInt64Array) return Tag.BigInt64;
  return undefined;
}

function write(writer: Writer, value: Tree): void {
  if (value === null) return writer.u8(Tag.Null);
  switch (typeof value) {
    case "boolean":
      return writer.u8(value ? Tag.True : Tag.False);
    case "number":
      writer.u8(Tag.Number);
      return writer.f64(value);
    case "bigint":
      writer.u8(Tag.BigInt);
      return writer.i64(value);
    case "string":
      writer.u8(Tag.String);
      return writer.text(value);
    case "object":
      return writeObject(writer, value);
    default:
      throw new TypeError(`A state cannot hold a ${typeof value}`);
  }
}

function writeTyped(writer: Writer, array: TypedArray, tag: Tag): void {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const width = array.BYTES_PER_ELEMENT;
  const count = width > 1 ? countShared(bytes, width) : bytes.length;
  const isShared = count + 1 < bytes.length;
  if (isShared) writer.u8(Tag.Shared);
  writer.u8(tag);
  writer.u32(array.length);
  if (isShared) writeShared(bytes, width, writer.room(count));
  else writer.raw(bytes);
}

function writeObject(writer: Writer, value: object): void {
  const tag = typedTag(value);
  if (tag !== undefined) {
    writeTyped(writer, value as TypedArray, tag);
  } else if (Array.isArray(value)) {
    writer.u8(Tag.Array);
    writer.u32(value.length);
    for (const item of value) write(writer, item as Tree);
  } else {
    writeKeyed(writer, value as Record<string, Tree | undefined>);
  }
}

function writeKeyed(writer: Writer, value: Record<string, Tree | undefined>): void {
  const entries = Object.entries(value)
    .filter((entry): entry is [string, Tree] => entry[1] !== undefined);
  // Lengths keep lists apart whose keys make the same text.
  const keys = entries.map(([key]) => `${key.length}:${key}`).join();
  const known = writer.keyLists.get(keys);
  if (known !== undefined) {
    writer.u8(Tag.Alike);
    writer.u16(known);
    for (const [, item] of entries) write(writer, item);
    return;
  }
  writer.u8(Tag.Object);
  writer.u32(entries.length);
  for (const [key, item] of entries) {
    writer.text(key);
    write(writer, item);
  }
  writer.addKeys(keys);
}

/** Writes a tree of plain values as bytes; equal trees give equal bytes. */
export function packTree(value: Tree): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  write(writer, value);
  return writer.take();
}

class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  offset = 0;
  /** Keys of the objects so far that were written whole. */
  readonly keyLists: string[][] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  advance(count: number): number {
    const at = this.offset;
    if (count > this.bytes.length - at) {
      throw new SyntaxError(`State bytes end at ${this.bytes.length}, need ${at + count}`);
    }
    this.offset = at + count;
    return at;
  }

  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  raw(count: number): Uint8Array<ArrayBuffer> {
    const at = this.advance(count);
    return this.bytes.slice(at, at + count) as Uint8Array<ArrayBuffer>;
  }

  text(): string {
    return decoder.decode(this.raw(this.u32()));
  }
}

const WIDTHS: { readonly [tag: number]: number } = {
  [Tag.Float64]: 8,
  [Tag.Float32]: 4,
  [Tag.Int32]: 4,
  [Tag.Uint32]: 4,
  [Tag.Uint16]: 2,
  [Tag.Uint8]: 1,
  [Tag.BigInt64]: 8,
};

function widthOf(tag: Tag, reader: Reader): number {
  const width = WIDTHS[tag];
  if (width === undefined) throw new SyntaxError(`Unknown tag ${tag} at byte ${reader.offset}`);
  return width;
}

function readSharedArray(reader: Reader): TypedArray {
  const tag = reader.bytes[reader.advance(1)]! as Tag;
  const width = widthOf(tag, reader);
  return typedOf(tag, readShared(reader.u32(), width, (count) => reader.raw(count)));
}

function readTyped(reader: Reader, tag: Tag): TypedArray {
  const width = widthOf(tag, reader);
  return typedOf(tag, reader.raw(reader.u32() * width));
}

function typedOf(tag: Tag, bytes: Uint8Array<ArrayBuffer>): TypedArray {
  const { buffer } = bytes;
  switch (tag) {
    case Tag.Float64:
      return new Float64Array(buffer);
    case Tag.Float32:
      return new Float32Array(buffer);
    case Tag.Int32:
      return new Int32Array(buffer);
    case Tag.Uint32:
      return new Uint32Array(buffer);
    case Tag.Uint16:
      return new Uint16Array(buffer);
    case Tag.BigInt64:
      return new BigInt64Array(buffer);
    default:
      return bytes;
  }
}

function readCount(reader: Reader): number {
  const count = reader.u32();
  // Every item takes at least one byte, so a larger count is a lie that would allocate.
  if (count > reader.bytes.length - reader.offset) {
    throw new SyntaxError(`Count ${count} at byte ${reader.offset} exceeds what is left`);
  }
  return count;
}

function readObject(reader: Reader, depth: number): Tree {
  const object: Record<string, Tree> = {};
  const keys: string[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    const key = reader.text();
    if (key === "__proto__") throw new SyntaxError(`State has a key "__proto__"`);
    keys.push(key);
    object[key] = read(reader, depth + 1);
  }
  if (reader.keyLists.length < TREE_KEY_LISTS_MAX) reader.keyLists.push(keys);
  return object;
}

function readAlike(reader: Reader, depth: number): Tree {
  const number = reader.u16();
  const keys = reader.keyLists[number];
  if (keys === undefined) {
    throw new SyntaxError(`Unknown list of keys ${number} at byte ${reader.offset}`);
  }
  const object: Record<string, Tree> = {};
  for (const key of keys) object[key] = read(reader, depth + 1);
  return object;
}

function read(reader: Reader, depth: number): Tree {
  if (depth > TREE_DEPTH_MAX) throw new SyntaxError(`State nests deeper than ${TREE_DEPTH_MAX}`);
  const tag = reader.bytes[reader.advance(1)]! as Tag;
  switch (tag) {
    case Tag.Null:
      return null;
    case Tag.False:
      return false;
    case Tag.True:
      return true;
    case Tag.Number:
      return reader.view.getFloat64(reader.advance(8), true);
    case Tag.BigInt:
      return reader.view.getBigInt64(reader.advance(8), true);
    case Tag.String:
      return reader.text();
    case Tag.Array: {
      const items: Tree[] = [];
      for (let left = readCount(reader); left > 0; left--) items.push(read(reader, depth + 1));
      return items;
    }
    case Tag.Object:
      return readObject(reader, depth);
    case Tag.Alike:
      return readAlike(reader, depth);
    case Tag.Shared:
      return readSharedArray(reader);
    default:
      return readTyped(reader, tag);
  }
}

/**
 * Reads what {@linkcode packTree} wrote.
 *
 * @throws {SyntaxError} bytes that are truncated, have a tail, or carry an unknown tag
 */
export function unpackTree(bytes: Uint8Array): Tree {
  const reader = new Reader(bytes);
  const value = read(reader, 0);
  if (reader.offset !== bytes.length) {
    throw new SyntaxError(`State bytes have ${bytes.length - reader.offset} bytes after the end`);
  }
  return value;
}

/** What a typed array takes beside its bytes, with its buffer and their keeping. */
const ARRAY_BYTES = 260;
/** What an object or list takes, and each of its members. */
const OBJECT_BYTES = 48;
const MEMBER_BYTES = 16;

/**
 * Bytes of memory that a tree takes, as measured of the runtime's: an estimate to bound caches by.
 * Small arrays take several times their packed bytes.
 */
export function memoryBytes(value: Tree): number {
  if (value === null || typeof value !== "object") return 0;
  if (ArrayBuffer.isView(value)) return ARRAY_BYTES + value.byteLength;
  const members = Array.isArray(value) ? value : Object.values(value);
  let sum = OBJECT_BYTES + MEMBER_BYTES * members.length;
  for (const member of members) sum += memoryBytes(member);
  return sum;
}

/** A deep copy that shares nothing with the original: what a branch starts from. */
export function copyTree<T extends Tree>(value: T): T {
  return unpackTree(packTree(value)) as T;
}
