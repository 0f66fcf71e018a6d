import { crc32c } from "../../base/hash.ts";
import { invariant } from "../../base/invariant.ts";
import { CorruptChunkError } from "../store.ts";

/**
 * Samples as one row of the store: packed columns with a checksum.
 *
 *   header   version u8, time coding u8, channels u16, count u32, identity u32, first time i64
 *   times    regular: step i64 | scaled: unit i64, u32 × (count − 1) | raw: i64 × (count − 1)
 *   channel  index u16, value coding u8, values (constant f64 | i16 | f32 | f64)
 *   trailer  CRC-32C of all before, u32
 *
 * Little-endian. A column is stored in the narrowest form that gives every bit back; a channel
 * without any value is left out. NaN is missing and always read as the canonical NaN.
 */
export interface Chunk {
  /** Indices into the stream's channel list, without repeats.                         [channel] */
  readonly channels: Uint16Array;
  /** Not decreasing.                                                                   [length] */
  readonly timestampsNs: BigInt64Array;
  /** NaN is missing.                                                          [channel][length] */
  readonly values: readonly Float64Array[];
}

/** Samples of one chunk at most; wide streams have less, see {@linkcode chunkSamplesMax}. */
export const CHUNK_SAMPLES_MAX = 4_096;
/** Values (samples times channels) of one chunk at most, unless one sample alone has more. */
export const CHUNK_VALUES_MAX = 65_536;

/** Samples of one chunk for a stream of this many channels. */
export function chunkSamplesMax(channelCount: number): number {
  return Math.max(1, Math.min(CHUNK_SAMPLES_MAX, Math.floor(CHUNK_VALUES_MAX / channelCount)));
}

const VERSION = 1;
const HEADER_BYTES = 20;
const TRAILER_BYTES = 4;

const enum TimeCoding {
  Regular = 0,
  Scaled = 1,
  Raw = 2,
}

const enum ValueCoding {
  Constant = 0,
  Int16 = 1,
  Float32 = 2,
  Float64 = 3,
}

const VALUE_WIDTH = [0, 2, 4, 8] as const;

/**
 * Packs a chunk. `identity` ties the bytes to their place in the store, so that a row that was
 * swapped with another one is found out, too.
 */
export function encodeChunk(chunk: Chunk, identity: number): Uint8Array<ArrayBuffer> {
  const count = chunk.timestampsNs.length;
  invariant(count > 0, "a chunk has at least one sample");
  const time = planTimes(chunk.timestampsNs);
  const columns = planColumns(chunk);
  const bodyBytes = columns.reduce((sum, column) => sum + columnBytes(column, count), 0);
  const bytes = new Uint8Array(HEADER_BYTES + time.bytes + bodyBytes + TRAILER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, time.coding);
  view.setUint16(2, columns.length, true);
  view.setUint32(4, count, true);
  view.setUint32(8, identity, true);
  view.setBigInt64(12, chunk.timestampsNs[0]!, true);
  writeTimes(view, chunk.timestampsNs, time);
  let at = HEADER_BYTES + time.bytes;
  for (const column of columns) at = writeColumn(view, at, column);
  view.setUint32(at, crc32c(bytes.subarray(0, at)), true);
  return bytes;
}

interface TimePlan {
  readonly coding: TimeCoding;
  readonly unit: bigint;
  readonly bytes: number;
}

/** Regular series need one step; others whole multiples of a unit, as long as those fit 32 bits. */
function planTimes(timestampsNs: BigInt64Array): TimePlan {
  const count = timestampsNs.length;
  if (count === 1) return { coding: TimeCoding.Regular, unit: 0n, bytes: 8 };
  const first = timestampsNs[1]! - timestampsNs[0]!;
  let unit = 0n;
  let longest = 0n;
  let isRegular = true;
  for (let i = 1; i < count; i++) {
    const step = timestampsNs[i]! - timestampsNs[i - 1]!;
    if (step !== first) isRegular = false;
    if (step > longest) longest = step;
    // A divisor of one ends the search: it cannot get smaller.
    if (unit !== 1n) unit = greatestDivisor(unit, step);
  }
  if (isRegular) return { coding: TimeCoding.Regular, unit: first, bytes: 8 };
  if (longest / unit <= 0xffffffffn) {
    return { coding: TimeCoding.Scaled, unit, bytes: 8 + 4 * (count - 1) };
  }
  return { coding: TimeCoding.Raw, unit: 1n, bytes: 8 * (count - 1) };
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

function writeTimes(view: DataView, timestampsNs: BigInt64Array, plan: TimePlan): void {
  let at = HEADER_BYTES;
  if (plan.coding !== TimeCoding.Raw) {
    view.setBigInt64(at, plan.unit, true);
    at += 8;
  }
  if (plan.coding === TimeCoding.Regular) return;
  for (let i = 1; i < timestampsNs.length; i++) {
    if (plan.coding === TimeCoding.Raw) {
      view.setBigInt64(at, timestampsNs[i]!, true);
      at += 8;
    } else {
      view.setUint32(at, Number((timestampsNs[i]! - timestampsNs[i - 1]!) / plan.unit), true);
      at += 4;
    }
  }
}

interface ColumnPlan {
  readonly channel: number;
  readonly coding: ValueCoding;
  readonly values: Float64Array;
}

function planColumns(chunk: Chunk): ColumnPlan[] {
  const columns: ColumnPlan[] = [];
  for (const [index, values] of chunk.values.entries()) {
    const coding = valueCoding(values);
    if (coding !== null) columns.push({ channel: chunk.channels[index]!, coding, values });
  }
  return columns;
}

/** The narrowest exact form of a column; null when all of it is missing. */
function valueCoding(values: Float64Array): ValueCoding | null {
  let missing = 0;
  let isConstant = true;
  let isInt16 = true;
  let isFloat32 = true;
  const first = values[0]!;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) missing++;
    else if (Math.fround(value) !== value) isFloat32 = false;
    if (!Object.is(value, first)) isConstant = false;
    if (!Object.is((value << 16) >> 16, value)) isInt16 = false;
  }
  if (missing === values.length) return null;
  if (isConstant) return ValueCoding.Constant;
  if (isInt16) return ValueCoding.Int16;
  return isFloat32 ? ValueCoding.Float32 : ValueCoding.Float64;
}

function columnBytes(column: ColumnPlan, count: number): number {
  return 3 + (column.coding === ValueCoding.Constant ? 8 : VALUE_WIDTH[column.coding] * count);
}

function writeColumn(view: DataView, start: number, column: ColumnPlan): number {
  const { values, coding } = column;
  view.setUint16(start, column.channel, true);
  view.setUint8(start + 2, coding);
  let at = start + 3;
  if (coding === ValueCoding.Constant) {
    view.setFloat64(at, values[0]!, true);
    return at + 8;
  }
  for (let i = 0; i < values.length; i++) {
    if (coding === ValueCoding.Int16) view.setInt16(at, values[i]!, true);
    else if (coding === ValueCoding.Float32) view.setFloat32(at, values[i]!, true);
    else view.setFloat64(at, values[i]!, true);
    at += VALUE_WIDTH[coding];
  }
  return at;
}

/**
 * Reads what {@linkcode encodeChunk} wrote.
 *
 * @throws {CorruptChunkError} checksum, identity or form is wrong; `place` names the row
 */
export function decodeChunk(bytes: Uint8Array, identity: number, place: string): Chunk {
  const corrupt = (reason: string) => new CorruptChunkError(place, reason);
  if (bytes.length < HEADER_BYTES + TRAILER_BYTES) throw corrupt("it is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - TRAILER_BYTES;
  if (crc32c(bytes.subarray(0, end)) !== view.getUint32(end, true)) {
    throw corrupt("its checksum differs");
  }
  if (view.getUint32(8, true) !== identity) throw corrupt("it belongs to another place");
  if (view.getUint8(0) !== VERSION) throw corrupt(`its version is ${view.getUint8(0)}`);
  const count = view.getUint32(4, true);
  const channelCount = view.getUint16(2, true);
  const channels = new Uint16Array(channelCount);
  const values: Float64Array[] = [];
  const timestampsNs = new BigInt64Array(count);
  let at = readTimes(view, timestampsNs);
  for (let index = 0; index < channelCount; index++) {
    channels[index] = view.getUint16(at, true);
    const column = new Float64Array(count);
    at = readColumn(view, at + 2, column);
    values.push(column);
  }
  if (at !== end) throw corrupt("its length differs from its header");
  return { channels, timestampsNs, values };
}

function readTimes(view: DataView, timestampsNs: BigInt64Array): number {
  const coding = view.getUint8(1) as TimeCoding;
  const isRaw = coding === TimeCoding.Raw;
  let at = HEADER_BYTES;
  let time = view.getBigInt64(12, true);
  const unit = isRaw ? 1n : view.getBigInt64(at, true);
  if (!isRaw) at += 8;
  timestampsNs[0] = time;
  for (let i = 1; i < timestampsNs.length; i++) {
    if (coding === TimeCoding.Regular) {
      time += unit;
    } else if (isRaw) {
      time = view.getBigInt64(at, true);
      at += 8;
    } else {
      time += BigInt(view.getUint32(at, true)) * unit;
      at += 4;
    }
    timestampsNs[i] = time;
  }
  return at;
}

function readColumn(view: DataView, start: number, column: Float64Array): number {
  const coding = view.getUint8(start) as ValueCoding;
  let at = start + 1;
  if (coding === ValueCoding.Constant) {
    column.fill(view.getFloat64(at, true));
    return at + 8;
  }
  for (let i = 0; i < column.length; i++) {
    if (coding === ValueCoding.Int16) column[i] = view.getInt16(at, true);
    else if (coding === ValueCoding.Float32) column[i] = view.getFloat32(at, true);
    else column[i] = view.getFloat64(at, true);
    at += VALUE_WIDTH[coding];
  }
  return at;
}
