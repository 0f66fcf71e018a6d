/** Series of the long-horizon protocol, split and standardised. */
import { readLines } from "../../forecast_windows.ts";

const MS_A_DAY = 86_400_000;
/** A month of the protocol. */
const MONTH_DAYS = 30;
const TRAIN_MONTHS = 12;
const VALIDATION_MONTHS = 16;
const TEST_MONTHS = 20;

/** A series of several channels. */
export interface LongSeries {
  readonly name: string;
  readonly samplesADay: number;
  readonly samplesAnHour: number;
  /** In deviations of the training part around its mean.                      [column][sample] */
  readonly columns: readonly Float64Array[];
  /** Samples before these ends are for training, validation and the test. */
  readonly trainEnd: number;
  readonly validationEnd: number;
  readonly testEnd: number;
}

/** Mean 0 and deviation 1 (over n) in the first `count` samples. */
function standardised(x: Float64Array, count: number): Float64Array {
  let mean = 0;
  for (let i = 0; i < count; i++) mean += x[i]! / count;
  let square = 0;
  for (let i = 0; i < count; i++) square += (x[i]! - mean) ** 2 / count;
  const deviation = Math.sqrt(square);
  if (!(deviation > 0)) throw new RangeError("A column is constant in the training months");
  return x.map((value) => (value - mean) / deviation);
}

/**
 * Splits a table of times and columns into 12, 4 and 4 months of 30 days.
 *
 * @param lines  a header, then a time and a value for each column
 * @throws {RangeError} a value that is no number, or fewer samples than twenty months
 */
export function longSeries(name: string, lines: readonly string[]): LongSeries {
  const rows = lines.slice(1).filter((line) => line !== "").map((line) => line.split(","));
  const time = (i: number) => Date.parse(rows[i]?.[0] ?? "");
  const samplesADay = Math.round(MS_A_DAY / (time(1) - time(0)));
  const month = MONTH_DAYS * samplesADay;
  const testEnd = TEST_MONTHS * month;
  if (!(rows.length >= testEnd)) {
    throw new RangeError(`${name} has ${rows.length} samples, expected ${testEnd} or more`);
  }
  const columns = rows[0]!.slice(1).map((_, c) => {
    const x = Float64Array.from(rows.slice(0, testEnd), (row) => Number(row[c + 1]));
    const wrong = x.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) {
      throw new RangeError(`${name}, row ${wrong + 1}: "${rows[wrong]![c + 1]}" is no number`);
    }
    return standardised(x, TRAIN_MONTHS * month);
  });
  return {
    name,
    samplesADay,
    samplesAnHour: Math.max(1, Math.round(samplesADay / 24)),
    columns,
    trainEnd: TRAIN_MONTHS * month,
    validationEnd: VALIDATION_MONTHS * month,
    testEnd,
  };
}

/** The series of a folder, in order of their names; none where it is not there. */
export async function readLongSeries(folder: string): Promise<LongSeries[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (/^ETT[hm]\d\.csv(\.gz)?$/.test(name)) names.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const read = async (name: string) =>
    longSeries(name.replace(/\.csv.*$/, ""), await readLines(`${folder}/${name}`));
  return await Promise.all(names.toSorted().map(read));
}
