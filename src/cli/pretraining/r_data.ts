/**
 * Tables of an installed R package: `Rdata.rdx` says where in `Rdata.rdb` each object lies ("R
 * Internals", sections 1.8 and 1.17). Only what tables need is read: vectors, lists, attributes.
 */
import { InvalidValueError } from "../../base/errors.ts";
import { inflated } from "./archive.ts";
import { unpackLzma2 } from "./xz.ts";
import type { RowsOf } from "./sources.ts";
import type { RealTable } from "./tables.ts";

/** What a value of R is here; symbols and what tables don't need are null. */
export interface RValue {
  /** Numbers (NA as NaN), texts, or the values of a list. */
  readonly values: Float64Array | readonly (string | null)[] | readonly RValue[];
  readonly attributes: ReadonlyMap<string, RValue>;
}

const NOTHING: RValue = { values: [], attributes: new Map() };

const NA_INTEGER = -(2 ** 31);

/** Codes of "R Internals", section 1.8. */
const SYMBOL = 1;
const PAIRS = 2;
const CALL = 6;
const CHARS = 9;
const LOGICAL = 10;
const INTEGER = 13;
const REAL = 14;
const STRINGS = 16;
const LIST = 19;
const ALTERNATIVE = 238;
const BASE_ENVIRONMENTS = new Set([241, 242, 253, 254]);
const REFERENCE = 255;

class Reader {
  private at = 0;
  private readonly view: DataView;
  private readonly references: string[] = [];

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes[0] !== 0x58 || bytes[1] !== 0x0a) {
      throw new InvalidValueError("R object", "its first bytes", "a serialization in XDR");
    }
    this.at = 2;
    const version = this.integer();
    this.at += 8;
    if (version !== 3) return;
    const encoding = this.integer();
    this.at += encoding;
  }

  private integer(): number {
    this.at += 4;
    return this.view.getInt32(this.at - 4);
  }

  private text(): string | null {
    this.integer();
    const size = this.integer();
    if (size < 0) return null;
    this.at += size;
    return new TextDecoder().decode(this.bytes.subarray(this.at - size, this.at));
  }

  private numbers(read: () => number): Float64Array {
    return Float64Array.from({ length: this.integer() }, read);
  }

  private real = (): number => {
    this.at += 8;
    return this.view.getFloat64(this.at - 8);
  };

  private whole = (): number => {
    const value = this.integer();
    return value === NA_INTEGER ? NaN : value;
  };

  /** Pairs of tag and value, from the first one's flags on; also what a call is made of. */
  private pairs(first: number): [string, RValue][] {
    const out: [string, RValue][] = [];
    let flags = first;
    for (; (flags & 255) === PAIRS || (flags & 255) === CALL; flags = this.integer()) {
      if ((flags & 0x200) !== 0) this.item();
      const tag = (flags & 0x400) === 0 ? "" : this.symbol(this.integer());
      out.push([tag, this.item()]);
    }
    if ((flags & 255) !== 254) out.push(["", this.itemOf(flags)]);
    return out;
  }

  private symbol(flags: number): string {
    if ((flags & 255) === REFERENCE) return this.references[(flags >>> 8) - 1] ?? "";
    const name = this.text() ?? "";
    this.references.push(name);
    return name;
  }

  item(): RValue {
    return this.itemOf(this.integer());
  }

  private itemOf(flags: number): RValue {
    const code = flags & 255;
    if (BASE_ENVIRONMENTS.has(code)) return NOTHING;
    if (code === SYMBOL || code === REFERENCE) {
      this.symbol(flags);
      return NOTHING;
    }
    if (code === PAIRS || code === CALL) {
      const pairs = this.pairs(flags);
      return { values: pairs.map(([, value]) => value), attributes: new Map(pairs) };
    }
    if (code === ALTERNATIVE) return this.alternative();
    const values = this.vector(code);
    const attributes = (flags & 0x200) === 0 ? NOTHING.attributes : this.item().attributes;
    return { values, attributes };
  }

  private vector(code: number): RValue["values"] {
    switch (code) {
      case LOGICAL:
      case INTEGER:
        return this.numbers(this.whole);
      case REAL:
        return this.numbers(this.real);
      case STRINGS:
        return Array.from({ length: this.integer() }, () => this.text());
      case LIST:
        return Array.from({ length: this.integer() }, () => this.item());
      case CHARS:
        this.at -= 4;
        return [this.text()];
      default:
        throw new InvalidValueError("R object", code, "a vector or a list");
    }
  }

  /** A vector in a form of its own: a range of whole numbers, or one wrapped in a list. */
  private alternative(): RValue {
    this.item();
    const state = this.item();
    const { attributes } = this.item();
    if (state.values instanceof Float64Array && state.values.length === 3) {
      const [count, first, step] = state.values;
      const values = Float64Array.from({ length: count! }, (_, i) => first! + i * step!);
      return { values, attributes };
    }
    return { values: (state.values[0] as RValue).values, attributes };
  }
}

/** An object serialized in XDR. @throws {InvalidValueError} of a kind that no table needs */
export function parseRObject(bytes: Uint8Array): RValue {
  return new Reader(bytes).item();
}

/** The values of a list by their names. */
export function namedValues({ values, attributes }: RValue): Map<string, RValue> {
  const names = attributes.get("names")?.values ?? [];
  return new Map([...names].map((name, k) => [String(name), values[k] as RValue]));
}

/** Letter that says how an object of a database is packed, where not by zlib. */
const RAW_LZMA2 = 0x5a;

/**
 * One object of a package's database.
 *
 * @throws {InvalidValueError} no such object, or packed by bzip2
 */
export async function readRObject(
  index: Uint8Array<ArrayBuffer>,
  database: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<RValue> {
  const entries = namedValues(parseRObject(await inflated(index, "gzip")));
  const place = namedValues(entries.get("variables")!).get(name)?.values as Float64Array;
  if (place === undefined) throw new InvalidValueError("R object", name, "one of its database");
  const [from, size] = place;
  const bytes = database.slice(from!, from! + size!);
  // The first four bytes say how large the object is when unpacked.
  if (entries.get("compressed")!.values[0] === 1) {
    return parseRObject(await inflated(bytes.slice(4), "deflate"));
  }
  if (bytes[4] !== RAW_LZMA2) throw new InvalidValueError("R object", name, "packed by zlib or xz");
  const unpackedSize = new DataView(bytes.buffer).getUint32(0);
  return parseRObject(await unpackLzma2(bytes.subarray(5), unpackedSize));
}

/** One object in a file of R, `saveRDS()`; packed by gzip or not at all. */
export async function readRFile(bytes: Uint8Array<ArrayBuffer>): Promise<RValue> {
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return parseRObject(isPacked ? await inflated(bytes, "gzip") : bytes);
}

/** What of a data frame makes series. */
export interface FrameChoice {
  /** Columns to take; absent = all but the clock. */
  readonly columns?: readonly string[];
  /** Columns whose values part the rows into tables. */
  readonly group?: readonly string[];
  /** Column of dates, in days since 1970. */
  readonly clock?: string;
  readonly rows?: RowsOf;
}

const DAY_MS = 86_400_000;

/** Values of a column as texts, those of a factor by its levels. */
function textsOf({ values, attributes }: RValue): string[] {
  const levels = attributes.get("levels")?.values;
  return [...values].map((value) =>
    String(levels === undefined ? value : levels[Number(value) - 1])
  );
}

/**
 * Columns of numbers of a data frame; where `group` is given, a table for each of its values.
 *
 * @throws {InvalidValueError} a column is not there, or not of numbers
 */
export function rTables(frame: RValue, choice: FrameChoice): RealTable[] {
  const named = namedValues(frame);
  const { clock, rows, group = [] } = choice;
  const numbers = (name: string): Float64Array => {
    const values = named.get(name)?.values;
    if (!(values instanceof Float64Array)) {
      throw new InvalidValueError("column", name, `numbers; there are ${[...named.keys()]}`);
    }
    return values;
  };
  const only = choice.columns ?? [...named.keys()].filter((name) => name !== clock);
  const judged = rows === undefined ? null : numbers(rows.column);
  const isIn = (i: number) => rows?.among === undefined || rows.among.includes(judged![i]!);
  const isKnown = (i: number) => rows?.least === undefined || judged![i]! >= rows.least;
  const columns = new Map(
    only.map((name) => [name, numbers(name).map((x, i) => isKnown(i) ? x : NaN)]),
  );
  const times = clock === undefined ? null : numbers(clock).map((day) => day * DAY_MS);
  const labels = group.map((name) => textsOf(named.get(name) ?? NOTHING));
  const keys = new Map<string, number[]>();
  const count = [...columns.values()][0]?.length ?? 0;
  for (let i = 0; i < count; i++) {
    if (!isIn(i)) continue;
    const key = labels.map((texts) => texts[i]).join("/");
    const own = keys.get(key);
    if (own === undefined) keys.set(key, [i]);
    else own.push(i);
  }
  return [...keys].map(([name, own]) => {
    const part = (all: Float64Array) => Float64Array.from(own, (i) => all[i]!);
    return {
      name,
      timesMs: times === null ? null : part(times),
      columns: new Map([...columns].map(([key, all]) => [key, part(all)])),
    };
  });
}

/**
 * A column `array/row/column` for each point of a coarser grid: of a list `mets` of arrays over
 * rows, columns and times, R's order, the first index running fastest.
 *
 * @param only  arrays to take
 * @param every step in rows and in columns; half of a step stays free at the grid's edges
 * @throws {InvalidValueError} no such array of numbers over three dimensions or more
 */
export function cubeTable(
  cube: RValue,
  only: readonly string[],
  every: readonly [number, number],
): RealTable {
  const arrays = namedValues(namedValues(cube).get("mets") ?? NOTHING);
  const columns = new Map<string, Float64Array>();
  for (const wanted of only) {
    const { values, attributes } = arrays.get(wanted) ?? NOTHING;
    const [rows, width, ...times] = [...attributes.get("dim")?.values ?? []].map(Number);
    if (!(values instanceof Float64Array) || times.length === 0) {
      throw new InvalidValueError(
        "array",
        wanted,
        `one over a grid and times: ${[...arrays.keys()]}`,
      );
    }
    const points = rows! * width!;
    for (let row = every[0] >> 1; row < rows!; row += every[0]) {
      for (let column = every[1] >> 1; column < width!; column += every[1]) {
        const at = row + rows! * column;
        const count = values.length / points;
        columns.set(
          `${wanted}/${row}/${column}`,
          Float64Array.from({ length: count }, (_, i) => values[at + i * points]!),
        );
      }
    }
  }
  return { name: "", timesMs: null, columns };
}
