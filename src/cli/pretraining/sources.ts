/**
 * Which real series may be trained on: those whose stated licence lets works made from them ship
 * under this project's own. What is not listed is left out: data with no stated licence, of a
 * competition, with "no derivatives", or under a copyleft that a set of weights could not keep.
 */

/** Tables of one source, and the evaluation windows that lie in them. */
export interface RealSource {
  /** Folder in the data folder, and the source's name in the pack. */
  readonly folder: string;
  readonly licence: string;
  /** Why it is here although somebody may doubt it, in sentences for the page. */
  readonly note?: string;
  /** Files below the folder. */
  readonly files: readonly TableFile[];
}

/** A published package that carries tables, of one version. */
export interface DataPackage {
  readonly registry: "npm" | "debian";
  readonly name: string;
  readonly version: string;
  /** Name under which the registry's client leaves it. */
  readonly file: string;
  /** SHA-256 of that file, hexadecimal. */
  readonly sha256: string;
}

/** Instants that are left out of a table, because an evaluation task lies in them. */
export interface Outside {
  /** First instant that is left out. */
  readonly from: string;
  /** First instant after it that is not. */
  readonly until: string;
  readonly task: string;
}

/** Rows that count, by a column of numbers. */
export interface RowsOf {
  readonly column: string;
  /** Rows with other values in the column are left out. */
  readonly among?: readonly number[];
  /** Rows with less in the column stay, but their values are missing. */
  readonly least?: number;
}

/** One table, or all tables whose path matches. */
export interface TableFile {
  /** The package that has the file; absent = it lies in the source's folder. */
  readonly package?: DataPackage;
  /** Path below the folder, or a pattern of it; in a package the whole path. */
  readonly path: string | RegExp;
  readonly format:
    | "csv"
    | "edf"
    | "wfdb"
    | "charts"
    | "r"
    | "rds"
    | "cube"
    | "years"
    | "days"
    | "lines"
    | "spaced"
    | "netcdf";
  /** Object of an R package's database, for `r` and `cube`. */
  readonly object?: string;
  /** Columns whose values part the rows into tables; absent = `series`, where there is one. */
  readonly group?: readonly string[];
  /** Column of R's dates, for `rds`. */
  readonly clock?: string;
  /** Rows that count, for `r`. */
  readonly rows?: RowsOf;
  /** Names of the fields of a line, for `spaced`. */
  readonly fields?: readonly string[];
  /** Every how many rows and columns of the grid a series is taken, for `netcdf` and `cube`. */
  readonly every?: readonly [number, number];
  readonly outside?: Outside;
  /** Columns to take; absent = every column of numbers but labels and clocks. */
  readonly columns?: readonly string[];
  /** Seasons in samples, the short one first; 0 = none. */
  readonly seasons: readonly [number, number];
  /** Evaluation tasks whose windows were cut from this table. */
  readonly tasks?: readonly string[];
  /** Series of those tasks that lie in this table; absent = all of them. */
  readonly taskSeries?: readonly string[];
}

const HOURLY = [24, 168] as const;
const NONE = [0, 0] as const;

/** The allowlist. */
export const REAL_SOURCES: readonly RealSource[] = [
  {
    folder: "pjm_load",
    licence: "BSD-3-Clause; PJM public data",
    files: [{ path: "pjm_load.csv.gz", format: "csv", seasons: HOURLY, tasks: ["pjm_load"] }],
  },
  {
    folder: "elec_price",
    licence: "MIT",
    files: [{ path: "elec_price.csv.gz", format: "csv", seasons: HOURLY, tasks: ["elec_price"] }],
  },
  {
    folder: "vic_elec",
    licence: "MIT OR Apache-2.0",
    files: [{
      path: "vic_elec_hourly.csv.gz",
      format: "csv",
      seasons: HOURLY,
      tasks: ["vic_elec"],
    }],
  },
  {
    folder: "household_power",
    licence: "CC-BY-4.0",
    files: [{ path: "daily.csv.gz", format: "csv", seasons: [7, 365], tasks: ["household_daily"] }],
  },
  {
    folder: "beijing_pm25",
    licence: "CC-BY-4.0",
    files: [
      { path: "beijing_pm25.csv.gz", format: "csv", seasons: [24, 0], tasks: ["beijing_pm25"] },
    ],
  },
  {
    folder: "air_quality",
    licence: "CC-BY-4.0",
    files: [{ path: "air_quality.csv.gz", format: "csv", seasons: HOURLY, tasks: ["air_quality"] }],
  },
  {
    folder: "classics",
    licence: "Apache-2.0 (sunspots, ausbeer); MIT (peyton_manning)",
    files: [
      {
        path: "sunspots_monthly.csv.gz",
        format: "csv",
        seasons: [12, 132],
        tasks: ["classics_monthly"],
        taskSeries: ["sunspots"],
      },
      {
        path: "peyton_manning_daily.csv.gz",
        format: "csv",
        seasons: [7, 365],
        tasks: ["peyton_manning"],
      },
      { path: "ausbeer_quarterly.csv.gz", format: "csv", seasons: [4, 0], tasks: ["ausbeer"] },
    ],
  },
  {
    folder: "ili",
    licence: "Apache-2.0; CDC public domain",
    files: [{ path: "ilinet_weekly.csv.gz", format: "csv", seasons: [52, 0], tasks: ["ili"] }],
  },
  {
    folder: "nab",
    licence: "MIT",
    files: [
      { path: /nyc_taxi/, format: "csv", seasons: [48, 336] },
      { path: /ambient_temperature/, format: "csv", seasons: HOURLY },
      {
        path: /(?<!nyc_taxi|ambient_temperature_system_failure)\.csv\.gz$/,
        format: "csv",
        seasons: [288, 2_016],
      },
    ],
  },
  {
    folder: "telemetry",
    licence: "Apache-2.0; BSD-3-Clause",
    files: [{ path: /\.csv\.gz$/, format: "csv", columns: ["value"], seasons: NONE }],
  },
  {
    folder: "synthetic_anomaly",
    licence: "BSD-3-Clause",
    files: [{ path: /\.csv\.gz$/, format: "csv", seasons: NONE }],
  },
  {
    folder: "ecg_svdb",
    licence: "Apache-2.0; ODC-BY-1.0",
    files: [{ path: "mba_ecg805.csv.gz", format: "csv", seasons: NONE, tasks: ["ecg"] }],
  },
  {
    folder: "ecg_mitdb",
    licence: "ODC-BY-1.0",
    files: [{ path: "100.dat", format: "wfdb", seasons: NONE }],
  },
  {
    folder: "eeg_eye_state",
    licence: "CC-BY-4.0",
    files: [{ path: "eeg_eye_state.csv.gz", format: "csv", seasons: NONE, tasks: ["eeg_eye"] }],
  },
  {
    folder: "eeg_motor",
    licence: "ODC-BY-1.0",
    files: [{ path: "S001R01.edf", format: "edf", seasons: NONE }],
  },
  {
    folder: "icu_irregular",
    licence: "ODC-BY-1.0",
    files: [{
      path: "icu.csv.gz",
      format: "charts",
      columns: ["HR", "MAP", "SysABP", "DiasABP", "RespRate", "Temp", "NISysABP", "Urine"],
      seasons: [24, 0],
    }],
  },
];
