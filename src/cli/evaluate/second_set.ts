/**
 * A second set of windows, from series that the development windows do not touch: tables of the
 * npm package `vega-datasets`, and channels of the licensed development series that no window uses,
 * at hours that no training sees (`docs/pretraining_data.md`). Choices are made on the development
 * windows; this set tells how much of what they promise holds elsewhere.
 */
import { readVegaFile } from "../../../datasets/_helpers/vega_package.ts";
import { readLines } from "../forecast_windows.ts";
import type { EvaluationWindow } from "./windows.ts";

/** One task of the set and the series that it is cut from. */
interface Source {
  readonly task: string;
  readonly freq: string;
  /** Season length in samples; 1 = none. */
  readonly m: number;
  readonly h: number;
  /** Newest samples that a window shows. */
  readonly length: number;
  /** Windows of each series, a horizon apart, the last target at the series' end. */
  readonly windows: number;
  readonly series: (tables: Tables) => Promise<Record<string, readonly number[]>>;
}

/** Where tables are read from. */
interface Tables {
  /** Rows of a table of the package. */
  packaged(file: string): Promise<Record<string, string>[]>;
  /** Rows of a table of the development data. */
  shared(file: string): Promise<Record<string, string>[]>;
}

const SHA256: Readonly<Record<string, string>> = {
  "weather.csv": "27219f1ca8dbd94c9b6f4b9f4f52ab2f1eb33dfdcf719cd9fc6481ed50b74549",
  "us-employment.csv": "0fa5366929bf738ac420509b84ed120155f740b0fa9c265ca309dad4057d1b1b",
  "unemployment-across-industries.json":
    "c12e32b5b8bf66d5ce40081a22b5557b2a8649dbdcbe03028b3df65cd66257a1",
  "stocks.csv": "f9953ac6693e587476b4ebf2f0b00d9bb95371ca8c39da4cc6155077b3e417cd",
  "global-temp.csv": "5933dcb6d5e7fc5c0c241b956b802de2b02da12d0914d06031030579a0f1443b",
  "sp500-2000.csv": "9409e9342d0657c747324e4cfabce8a8c7f663bc485b95a3378f36b0a160f8c8",
  "seattle-weather-hourly-normals.csv":
    "3433511ab963755ec1a573420af962e713e66691c07c068f5a247e6891912311",
};

/** An empty field is missing. */
function numberOf(field: string | undefined): number {
  return field === undefined || field.trim() === "" ? NaN : Number(field);
}

function columns(
  rows: readonly Record<string, string>[],
  names: readonly string[],
): Record<string, number[]> {
  return Object.fromEntries(names.map((name) => [name, rows.map((row) => numberOf(row[name]))]));
}

/** Values of one column, by the text of another. */
function grouped(
  rows: readonly Record<string, string>[],
  by: string,
  value: string,
): Record<string, number[]> {
  const groups: Record<string, number[]> = {};
  for (const row of rows) (groups[row[by]!] ??= []).push(numberOf(row[value]));
  return groups;
}

/** A column of the daily weather of both places. */
function daily(...names: readonly string[]): Source["series"] {
  return async ({ packaged }) => {
    const rows = await packaged("weather.csv");
    return Object.assign(
      {},
      ...names.map((name) =>
        Object.fromEntries(
          Object.entries(grouped(rows, "location", name))
            .map(([place, values]) => [`${place} ${name}`, values]),
        )
      ),
    );
  };
}

function sharedColumns(file: string, ...names: readonly string[]): Source["series"] {
  return async ({ shared }) => columns(await shared(file), names);
}

const DAILY = { freq: "D", m: 7, h: 30, length: 1095, windows: 3 };
const MONTHLY = { freq: "M", m: 12, h: 12, length: 600, windows: 2 };

const PACKAGED: readonly Source[] = [
  { task: "daily_temperature", ...DAILY, series: daily("temp_max", "temp_min") },
  { task: "daily_wind", ...DAILY, series: daily("wind") },
  { task: "daily_rain", ...DAILY, series: daily("precipitation") },
  {
    task: "hourly_normals",
    freq: "H",
    m: 24,
    h: 48,
    length: 1008,
    windows: 4,
    series: async ({ packaged }) =>
      columns(await packaged("seattle-weather-hourly-normals.csv"), ["temperature", "wind"]),
  },
  {
    task: "us_employment",
    ...MONTHLY,
    series: async ({ packaged }) => {
      const rows = await packaged("us-employment.csv");
      return columns(rows, Object.keys(rows[0]!).filter((name) => !/month|change/.test(name)));
    },
  },
  {
    task: "us_unemployment",
    ...MONTHLY,
    series: async ({ packaged }) =>
      grouped(await packaged("unemployment-across-industries.json"), "series", "count"),
  },
  {
    task: "stocks_monthly",
    ...MONTHLY,
    m: 1,
    series: async ({ packaged }) => grouped(await packaged("stocks.csv"), "symbol", "price"),
  },
  {
    task: "sp500_daily",
    freq: "D",
    m: 1,
    h: 30,
    length: 500,
    windows: 6,
    series: async ({ packaged }) => columns(await packaged("sp500-2000.csv"), ["close", "volume"]),
  },
  {
    task: "global_temperature",
    freq: "Y",
    m: 1,
    h: 6,
    length: 144,
    windows: 5,
    series: async ({ packaged }) => columns(await packaged("global-temp.csv"), ["temp"]),
  },
];

const SHARED: readonly Source[] = [
  {
    task: "household_other",
    freq: "D",
    m: 7,
    h: 14,
    length: 730,
    windows: 4,
    series: sharedColumns(
      "household_power/daily.csv.gz",
      "Global_reactive_power",
      "Sub_metering_2",
      "sub_metering_4",
    ),
  },
  {
    task: "beijing_other",
    freq: "H",
    m: 24,
    h: 48,
    length: 1008,
    windows: 4,
    series: sharedColumns("beijing_pm25/beijing_pm25.csv.gz", "dewp", "wind_cum"),
  },
  {
    task: "air_other",
    freq: "H",
    m: 24,
    h: 48,
    length: 1008,
    windows: 3,
    series: sharedColumns(
      "air_quality/air_quality.csv.gz",
      "PT08_S1_CO",
      "C6H6_GT",
      "PT08_S5_O3",
      "AH",
    ),
  },
  {
    task: "eeg_other",
    freq: "128Hz",
    m: 1,
    h: 32,
    length: 1024,
    windows: 3,
    series: sharedColumns("eeg_eye_state/eeg_eye_state.csv.gz", "F3", "P7", "O2", "FC6"),
  },
];

/** Fills gaps by straight lines; ends by the nearest value. */
function filled(values: readonly number[]): number[] {
  const known = [...values.keys()].filter((i) => Number.isFinite(values[i]!));
  let right = 0;
  return values.map((_, i) => {
    while (right < known.length && known[right]! < i) right++;
    const [a, b] = [known[Math.max(right - 1, 0)], known[Math.min(right, known.length - 1)]];
    if (a === undefined || b === undefined) return NaN;
    const share = b > a ? Math.min(1, Math.max(0, (i - a) / (b - a))) : 0;
    return values[a]! + share * (values[b]! - values[a]!);
  });
}

/** Windows of one series: rolling origins a horizon apart, as the kit cuts its own. */
export function cutWindows(
  series: readonly number[],
  { task, name, freq, m, h, length, windows }: {
    readonly task: string;
    readonly name: string;
    readonly freq: string;
    readonly m: number;
    readonly h: number;
    readonly length: number;
    readonly windows: number;
  },
): EvaluationWindow[] {
  const cut: EvaluationWindow[] = [];
  for (let k = windows; k >= 1; k--) {
    const origin = series.length - k * h;
    const context = filled(series.slice(Math.max(0, origin - length), Math.max(0, origin)));
    // Two seasons and a bit are the least that says anything; a dead sensor says nothing.
    const isLong = context.length >= Math.max(24, 2 * m + 1);
    if (!isLong || new Set(context).size < 3) continue;
    const target = series.slice(origin, origin + h)
      .map((value) => Number.isFinite(value) ? value : null);
    if (target.every((value) => value === null)) continue;
    cut.push({ id: `${task}/${name}/${k}`, task, freq, m, h, context, target });
  }
  return cut;
}

function csvRows(lines: readonly string[]): Record<string, string>[] {
  const split = lines.map((line) => line.trim().split(","));
  const names = split.shift() ?? [];
  return split.map((fields) => Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ""])));
}

function tablesOf(sharedFolder: string | null): Tables {
  return {
    async packaged(file) {
      const text = await readVegaFile(file, SHA256[file]!);
      if (!file.endsWith(".json")) return csvRows(text.trim().split("\n"));
      const rows = JSON.parse(text) as Record<string, unknown>[];
      return rows.map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)]))
      );
    },
    shared: async (file) => csvRows(await readLines(`${sharedFolder}/data/${file}`)),
  };
}

/**
 * Cuts the set.
 *
 * @param sharedFolder  the folder with the development data; null leaves its tasks out
 */
export async function secondSet(sharedFolder: string | null): Promise<EvaluationWindow[]> {
  const tables = tablesOf(sharedFolder);
  const windows: EvaluationWindow[] = [];
  for (const source of sharedFolder === null ? PACKAGED : [...PACKAGED, ...SHARED]) {
    const { series, ...shape } = source;
    for (const [name, values] of Object.entries(await series(tables))) {
      windows.push(...cutWindows(values, { ...shape, name }));
    }
  }
  return windows;
}
