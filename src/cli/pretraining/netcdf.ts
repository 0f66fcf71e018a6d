/**
 * Gridded series of NetCDF's classic format ("NetCDF Classic Format Specification", versions 1 and
 * 2): variables of f32 over time, rows and columns, where time is the dimension of records.
 */
import { InvalidValueError } from "../../base/errors.ts";
import type { RealTable } from "./tables.ts";

const MAGIC = "CDF";
const TEXT = 2;
const FLOAT = 5;

/** Bytes of a value by the code of its type: byte, char, short, int, float, double. */
const SIZES = [0, 1, 1, 2, 4, 4, 8];

interface Variable {
  readonly name: string;
  readonly dimensions: readonly number[];
  /** Value that stands for none; NaN where the variable names none. */
  readonly missing: number;
  readonly type: number;
  /** Bytes of a record. */
  readonly size: number;
  /** Where its first record begins. */
  readonly begin: number;
}

/** Reads the header: words of 32 bits, names, and lists of them. */
class Header {
  private at = 4;
  private readonly view: DataView;
  readonly records: number;
  readonly dimensions: readonly number[];
  readonly variables: readonly Variable[];

  constructor(private readonly bytes: Uint8Array) {
    const version = bytes[3];
    if (textOf(bytes.subarray(0, 3)) !== MAGIC || version !== 1 && version !== 2) {
      throw new InvalidValueError("NetCDF file", "its first bytes", "version 1 or 2");
    }
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.records = this.word();
    this.dimensions = this.list(() => {
      this.name();
      return this.word();
    });
    this.attributes();
    this.variables = this.list(() => this.variable(version === 2));
  }

  private word(): number {
    this.at += 4;
    return this.view.getInt32(this.at - 4);
  }

  private name(): string {
    const size = this.word();
    const text = textOf(this.bytes.subarray(this.at, this.at + size));
    this.at += padded(size);
    return text;
  }

  /** A list; an absent one is two words of zero. */
  private list<T>(read: () => T): T[] {
    this.word();
    return Array.from({ length: this.word() }, read);
  }

  /** The value that stands for none, if one of the attributes says it. */
  private attributes(): number {
    let missing = NaN;
    this.list(() => {
      const name = this.name();
      const [type, count] = [this.word(), this.word()];
      if (type === FLOAT && count > 0 && /^(missing_value|_FillValue)$/.test(name)) {
        missing = this.view.getFloat32(this.at);
      }
      this.at += padded(count * (SIZES[type] ?? SIZES[TEXT]!));
    });
    return missing;
  }

  private variable(isLong: boolean): Variable {
    const name = this.name();
    const dimensions = Array.from({ length: this.word() }, () => this.word());
    const missing = this.attributes();
    const [type, size] = [this.word(), this.word()];
    const high = isLong ? this.word() * 2 ** 32 : 0;
    return { name, dimensions, missing, type, size, begin: high + (this.word() >>> 0) };
  }
}

const textOf = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

const padded = (size: number) => 4 * Math.ceil(size / 4);

/**
 * A column `variable/row/column` for each point of a coarser grid.
 *
 * @param only  variables to take
 * @param every step in rows and in columns; half of a step stays free at the grid's edges
 * @throws {InvalidValueError} not of this format; no such variable of f32 over records, rows and
 *   columns; cut short
 */
export function gridTable(
  bytes: Uint8Array,
  only: readonly string[],
  every: readonly [number, number],
): RealTable {
  const { records, dimensions, variables } = new Header(bytes);
  const isRecord = ({ dimensions: [first] }: Variable) =>
    first !== undefined && dimensions[first] === 0;
  const stride = variables.filter(isRecord).reduce((sum, { size }) => sum + size, 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const columns = new Map<string, Float64Array>();
  for (const wanted of only) {
    const found = variables.find(({ name }) => name === wanted);
    if (found?.type !== FLOAT || found.dimensions.length !== 3 || !isRecord(found)) {
      throw new InvalidValueError("variable", wanted, "one of f32 over records, rows and columns");
    }
    const [, rows, width] = found.dimensions.map((k) => dimensions[k]!);
    if (found.begin + (records - 1) * stride + found.size > bytes.length) {
      throw new InvalidValueError("NetCDF file", bytes.length, `${records} records`);
    }
    for (let row = every[0] >> 1; row < rows!; row += every[0]) {
      for (let column = every[1] >> 1; column < width!; column += every[1]) {
        const at = found.begin + 4 * (row * width! + column);
        const values = Float64Array.from({ length: records }, (_, i) => {
          const value = view.getFloat32(at + i * stride);
          return value === found.missing ? NaN : value;
        });
        columns.set(`${wanted}/${row}/${column}`, values);
      }
    }
  }
  return { name: "", timesMs: null, columns };
}
