/**
 * A strict reader and a writer of the safetensors format: 8 bytes of little-endian header length, a
 * JSON header `name -> {dtype, shape, data_offsets}`, then the row-major little-endian numbers.
 *
 * https://github.com/huggingface/safetensors, "Format". Everything that the format leaves to trust
 * is checked: lengths, types, sizes, order, overlap, holes and trailing bytes.
 */
import { LimitError } from "./errors.ts";

/** A header longer than this is refused before it is parsed (the format's own bound). */
export const SAFETENSORS_HEADER_BYTES_MAX = 100_000_000;

/** The types that are read; others of the format are refused by name. */
export type SafetensorsDtype = "F64" | "F32" | "F16" | "I64" | "I32" | "U8";

const BYTES_PER_VALUE: Readonly<Record<SafetensorsDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  I64: 8,
  I32: 4,
  U8: 1,
};

/** One tensor of a file. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Its bytes, in the file's own buffer. */
  readonly bytes: Uint8Array;
}

/** A parsed file. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** The free-form `__metadata__`, empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface Placed {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: number[];
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a safetensors file.
 *
 * @throws {SyntaxError} a file that is cut short, padded, overlapping, or otherwise not the format;
 *         the message names the tensor and the numbers at fault
 * @throws {LimitError} a header beyond {@linkcode SAFETENSORS_HEADER_BYTES_MAX}
 */
export function readSafetensors(file: Uint8Array): Safetensors {
  if (file.length < 8) throw new SyntaxError(`File has ${file.length} bytes, a header needs 8`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const declared = view.getBigUint64(0, true);
  if (declared > BigInt(SAFETENSORS_HEADER_BYTES_MAX)) {
    throw new LimitError(
      "SAFETENSORS_HEADER_BYTES_MAX",
      SAFETENSORS_HEADER_BYTES_MAX,
      Number(declared),
    );
  }
  const dataStart = 8 + Number(declared);
  if (dataStart > file.length) {
    throw new SyntaxError(`Header ends at byte ${dataStart}, the file at ${file.length}`);
  }
  const header = parseHeader(file.subarray(8, dataStart));
  const metadata = readMetadata(header["__metadata__"]);
  const placed = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => placeTensor(name, value));
  checkCoverage(placed, file.length - dataStart);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const { name, dtype, shape, start, end } of placed) {
    const bytes = file.subarray(dataStart + start, dataStart + end);
    tensors.set(name, { dtype, shape, bytes });
  }
  return { tensors, metadata };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SyntaxError("Header is not UTF-8");
  }
  if (!text.startsWith("{")) throw new SyntaxError("Header is not a JSON object");
  checkNames(text);
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`Header is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  return value as Record<string, unknown>;
}

/** The header, a tensor in it, its shape: deeper is nothing of the format. */
const DEPTH_MAX = 3;

/** Index of the quotation mark that ends the text which begins at `start`. */
function endOfText(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

/**
 * Refuses what `JSON.parse` would take without a word: of two equal names the last one. Runs before
 * it, so that brackets without end are refused before there is an object for each.
 */
function checkNames(text: string): void {
  const open: Set<string>[] = [];
  let [from, to] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') {
      from = at;
      at = to = endOfText(text, at);
    } else if (character === "{" || character === "[") {
      open.push(new Set());
      if (open.length > DEPTH_MAX) {
        throw new SyntaxError(`Header is nested more than ${DEPTH_MAX} deep at character ${at}`);
      }
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === ":") {
      const name = nameOf(text.slice(from, to + 1));
      const names = open.at(-1);
      if (names?.has(name)) throw new SyntaxError(`Header has ${shown(name)} twice`);
      names?.add(name);
    }
  }
}

/** A quoted name as it is meant: it may be written with escapes. */
function nameOf(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    throw new SyntaxError(`Header is not JSON: ${shown(quoted)} is no name`);
  }
}

/** Characters of a value in a message. */
const SHOWN_MAX = 80;

/** A value from the file, quoted and cut. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value) || Object.values(value).some((text) => typeof text !== "string")) {
    throw new SyntaxError("__metadata__ is not an object of texts");
  }
  return value as Record<string, string>;
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 &&
    !Object.is(value, -0);
}

function placeTensor(name: string, value: unknown): Placed {
  const tensor = `Tensor ${shown(name)}`;
  if (!isRecord(value)) throw new SyntaxError(`${tensor} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES_PER_VALUE, dtype)) {
    throw new SyntaxError(`${tensor} has dtype ${shown(dtype)}, which is not read here`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new SyntaxError(`${tensor} has shape ${shown(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw new SyntaxError(`${tensor} has data_offsets ${shown(offsets)}`);
  }
  const [start, end] = offsets as [number, number];
  const width = BYTES_PER_VALUE[dtype as SafetensorsDtype];
  const need = shape.reduce((product, size) => product * size, width);
  if (!Number.isSafeInteger(need) || end - start !== need) {
    throw new SyntaxError(
      `${tensor} spans ${end - start} bytes, its shape ${shown(shape)} needs ${need}`,
    );
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, start, end };
}

/** The tensors must tile the data exactly: no hole, no overlap, no tail. */
function checkCoverage(placed: readonly Placed[], dataBytes: number): void {
  const inOrder = [...placed].sort((a, b) => a.start - b.start || a.end - b.end);
  let at = 0;
  for (const { name, start, end } of inOrder) {
    if (start !== at) {
      throw new SyntaxError(`Tensor ${shown(name)} starts at data byte ${start}, expected ${at}`);
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw new SyntaxError(`Tensors end at data byte ${at}, the file has ${dataBytes}`);
  }
}

/**
 * The numbers of a tensor as f64.
 *
 * @throws {RangeError} an I64 value that f64 cannot hold
 */
export function tensorValues(entry: SafetensorsEntry): Float64Array {
  const { bytes, dtype } = entry;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length / BYTES_PER_VALUE[dtype];
  const out = new Float64Array(count);
  switch (dtype) {
    case "F64":
      for (let i = 0; i < count; i++) out[i] = view.getFloat64(8 * i, true);
      return out;
    case "F32":
      for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
      return out;
    case "F16":
      for (let i = 0; i < count; i++) out[i] = view.getFloat16(2 * i, true);
      return out;
    case "I32":
      for (let i = 0; i < count; i++) out[i] = view.getInt32(4 * i, true);
      return out;
    case "U8":
      out.set(bytes);
      return out;
    case "I64":
      for (let i = 0; i < count; i++) {
        const value = view.getBigInt64(8 * i, true);
        if (BigInt(Number(value)) !== value) {
          throw new RangeError(`I64 value ${value} has no exact f64`);
        }
        out[i] = Number(value);
      }
      return out;
    default:
      dtype satisfies never;
      throw new TypeError(`Unknown dtype "${dtype}"`);
  }
}

/** Data begins at a multiple of this, as the format's own writer has it. */
const ALIGNMENT = 8;

/**
 * Writes a safetensors file: wide numbers first and then by name, the header padded with spaces, as
 * the format's own writer does. Equal tensors and metadata in any order give equal bytes.
 *
 * @throws {SyntaxError} a tensor is called `__metadata__`, or its bytes do not fit its shape
 * @throws {LimitError} a header beyond {@linkcode SAFETENSORS_HEADER_BYTES_MAX}
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const byText = ([a]: [string, unknown], [b]: [string, unknown]) => a < b ? -1 : 1;
  const inOrder = [...tensors].sort((a, b) =>
    BYTES_PER_VALUE[b[1].dtype] - BYTES_PER_VALUE[a[1].dtype] || byText(a, b)
  );
  const header: [string, unknown][] = [];
  const meta = Object.entries(metadata).sort(byText);
  if (meta.length > 0) header.push(["__metadata__", Object.fromEntries(meta)]);
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of inOrder) {
    if (name === "__metadata__") throw new SyntaxError(`No tensor may be called "${name}"`);
    const end = at + bytes.length;
    placeTensor(name, { dtype, shape, data_offsets: [at, end] });
    header.push([name, { dtype, shape, data_offsets: [at, end] }]);
    at = end;
  }
  // Written entry by entry: a name such as "__proto__" must not become an object's prototype.
  const parts = header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = new TextEncoder().encode(`{${parts.join(",")}}`);
  const length = Math.ceil((8 + text.length) / ALIGNMENT) * ALIGNMENT - 8;
  if (length > SAFETENSORS_HEADER_BYTES_MAX) {
    throw new LimitError("SAFETENSORS_HEADER_BYTES_MAX", SAFETENSORS_HEADER_BYTES_MAX, length);
  }
  const file = new Uint8Array(8 + length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(length), true);
  file.fill(0x20, 8, 8 + length);
  file.set(text, 8);
  let offset = 8 + length;
  for (const [, { bytes }] of inOrder) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

/**
 * An entry of the writer: the numbers of a float array, little-endian.
 *
 * @param data  a copy is taken
 */
export function floatEntry(
  shape: readonly number[],
  data: Float32Array | Float64Array,
): SafetensorsEntry {
  const dtype = data instanceof Float64Array ? "F64" : "F32";
  const bytes = new Uint8Array(data.byteLength);
  const view = new DataView(bytes.buffer);
  data.forEach((value, i) => {
    if (dtype === "F64") view.setFloat64(8 * i, value, true);
    else view.setFloat32(4 * i, value, true);
  });
  return { dtype, shape, bytes };
}

/**
 * An entry of the writer in half the room: each number rounded to the nearest of 16 bits.
 *
 * @throws {RangeError} a finite number is too large for 16 bits, above 65,504
 */
export function halfEntry(shape: readonly number[], data: Float32Array): SafetensorsEntry {
  const bytes = new Uint8Array(2 * data.length);
  const view = new DataView(bytes.buffer);
  data.forEach((value, i) => {
    view.setFloat16(2 * i, value, true);
    if (Number.isFinite(value) && !Number.isFinite(view.getFloat16(2 * i, true))) {
      throw new RangeError(`Value ${value} at ${i} has no float of 16 bits`);
    }
  });
  return { dtype: "F16", shape, bytes };
}

/**
 * The numbers of a float entry in an array of its own type; those of 16 bits as f32.
 *
 * @throws {TypeError} the entry is not F16, F32 or F64
 */
export function floatsOf(entry: SafetensorsEntry): Float32Array | Float64Array {
  const { dtype, bytes } = entry;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (dtype) {
    case "F64":
      return Float64Array.from(
        { length: bytes.length / 8 },
        (_, i) => view.getFloat64(8 * i, true),
      );
    case "F32":
      return Float32Array.from(
        { length: bytes.length / 4 },
        (_, i) => view.getFloat32(4 * i, true),
      );
    case "F16":
      return Float32Array.from(
        { length: bytes.length / 2 },
        (_, i) => view.getFloat16(2 * i, true),
      );
    default:
      throw new TypeError(`Tensor has dtype "${dtype}", expected F16, F32 or F64`);
  }
}
