/** Readers of the tables of real series: each gives columns of numbers on one clock. */
import { InvalidValueError } from "../../base/errors.ts";

/** Columns of one clock. */
export interface RealTable {
  /** Empty, or what tells this table from others of its file. */
  readonly name: string;
  /** Instant of each row in ms since 1970; null where the source has no clock time. */
  readonly timesMs: Float64Array | null;
  readonly columns: ReadonlyMap<string, Float64Array>;
}

/** Columns that are clocks, labels or words. */
const SKIPPED = new Set(["timestamp", "t", "t_ms", "label", "series", "eyes_closed", "wind_dir"]);

function numberOf(field: string | undefined): number {
  if (field === undefined || field === "") return NaN;
  const value = Number(field);
  return Number.isFinite(value) ? value : NaN;
}

function timeOf(field: string): number {
  const ms = /^\d+(\.\d+)?$/.test(field) ? Number(field) : Date.parse(field);
  if (!Number.isFinite(ms)) throw new InvalidValueError("timestamp", field, "an instant");
  return ms;
}

/** Fields of each line of a comma-separated table, and its headings without their quotes. */
function csvRows(text: string): { readonly headings: string[]; readonly rows: string[][] } {
  const rows = text.trimEnd().split("\n").map((line) => line.trimEnd().split(","));
  const headings = (rows.shift() ?? []).map((heading) => heading.replace(/^"(.*)"$/, "$1"));
  return { headings, rows };
}

/**
 * A comma-separated table with a heading; where it has columns `group`, a table for each of their
 * values.
 *
 * @throws {InvalidValueError} a timestamp is none
 */
export function csvTables(
  text: string,
  only?: readonly string[],
  group: readonly string[] = ["series"],
): RealTable[] {
  const { headings, rows } = csvRows(text);
  const groups = new Map<string, string[][]>();
  const keys = group.map((name) => headings.indexOf(name)).filter((key) => key >= 0);
  for (const row of rows) {
    const name = keys.map((key) => row[key]!).join("/");
    const own = groups.get(name);
    if (own === undefined) groups.set(name, [row]);
    else own.push(row);
  }
  const clock = headings.indexOf("timestamp");
  return [...groups].map(([name, own]) => ({
    name,
    timesMs: clock < 0 ? null : Float64Array.from(own, (row) => timeOf(row[clock]!)),
    columns: new Map(
      headings.flatMap((heading, k) =>
        SKIPPED.has(heading) || only !== undefined && !only.includes(heading)
          ? []
          : [[heading, Float64Array.from(own, (row) => numberOf(row[k]))] as const]
      ),
    ),
  }));
}

/** A table of years with a column a month: one series of months. */
export function yearsTable(text: string): RealTable {
  const rows = text.trimEnd().split("\n").slice(1).map((line) => line.trimEnd().split(","));
  const values = Float64Array.from(rows.flatMap(([, ...months]) => months.map(numberOf)));
  return { name: "", timesMs: null, columns: new Map([["value", values]]) };
}

/** A table with a line a series: a table for each, of the columns that are headed by a year. */
export function lineTables(text: string, label: string): RealTable[] {
  const { headings, rows } = csvRows(text);
  const key = headings.indexOf(label);
  const years = [...headings.keys()].filter((k) => /^\d{4}$/.test(headings[k]!));
  return rows.map((row) => ({
    name: (row[key] ?? "").replace(/^"(.*)"$/, "$1"),
    timesMs: null,
    columns: new Map([["value", Float64Array.from(years, (k) => numberOf(row[k]))]]),
  }));
}

/**
 * Numbers parted by spaces below a heading of any form.
 *
 * @param fields names of the fields of a line; lines with fewer numbers are no rows
 * @throws {InvalidValueError} a column is none of the fields
 */
export function spacedTable(
  text: string,
  fields: readonly string[],
  only: readonly string[],
): RealTable {
  const rows = text.split("\n")
    .map((line) => line.trim().split(/\s+/).map(numberOf))
    .filter((row) => row.length >= fields.length && row.every((x) => !Number.isNaN(x)));
  const column = (name: string): [string, Float64Array] => {
    const at = fields.indexOf(name);
    if (at < 0) throw new InvalidValueError("column", name, `one of ${fields}`);
    return [name, Float64Array.from(rows, (row) => row[at]!)];
  };
  return { name: "", timesMs: null, columns: new Map(only.map(column)) };
}

/**
 * Days in JSON, `{"2001-02-03": {"NAME": 1.5}}`: a column a name, a row a day that is there. What
 * stands under another key, such as `undefined`, is out.
 */
export function daysTable(text: string, only?: readonly string[]): RealTable {
  const days = JSON.parse(text) as Record<string, Record<string, number | null>>;
  const dates = Object.keys(days).filter((day) => /^\d{4}-\d\d-\d\d$/.test(day)).sort();
  const names = only ?? [...new Set(dates.flatMap((day) => Object.keys(days[day]!)))].sort();
  const column = (name: string) => Float64Array.from(dates, (day) => days[day]![name] ?? NaN);
  return {
    name: "",
    timesMs: Float64Array.from(dates, timeOf),
    columns: new Map(names.map((name) => [name, column(name)])),
  };
}

/** The tables before and after some instants. */
export function withoutSpan(table: RealTable, from: string, until: string): RealTable[] {
  const times = table.timesMs;
  if (times === null) throw new InvalidValueError("table", table.name, "one with a clock");
  const [fromMs, untilMs] = [timeOf(from), timeOf(until)];
  const part = (name: string, isIn: (time: number) => boolean): RealTable => {
    const kept = (_: number, i: number) => isIn(times[i]!);
    return {
      name: [table.name, name].filter((word) => word !== "").join("/"),
      timesMs: times.filter(kept),
      columns: new Map([...table.columns].map(([key, values]) => [key, values.filter(kept)])),
    };
  };
  return [part("before", (time) => time < fromMs), part("after", (time) => time >= untilMs)];
}

/** Hours of a chart. */
const CHART_HOURS = 48;

/** Fewest hours with a value for a chart's line to count. */
const CHART_VALUES_MIN = 20;

/**
 * Charts of patients, `record,minute,parameter,value`: a table a record and parameter with a row
 * an hour, NaN where none was written down; lines with too few values are left out.
 */
export function chartTables(text: string, parameters: readonly string[]): RealTable[] {
  const charts = new Map<string, Float64Array>();
  for (const line of text.trimEnd().split("\n").slice(1)) {
    const [record, minute, parameter, value] = line.trimEnd().split(",");
    if (!parameters.includes(parameter!)) continue;
    const name = `${record}/${parameter}`;
    const chart = charts.get(name) ?? new Float64Array(CHART_HOURS).fill(NaN);
    charts.set(name, chart);
    const hour = Math.floor(Number(minute) / 60);
    // Values below zero stand for "not known" in this source.
    if (hour < CHART_HOURS && Number(value) >= 0) chart[hour] = Number(value);
  }
  return [...charts]
    .filter(([, values]) => values.filter((x) => !Number.isNaN(x)).length >= CHART_VALUES_MIN)
    .map(([name, values]) => ({ name, timesMs: null, columns: new Map([["value", values]]) }));
}

/** Samples of a WFDB record of two leads in format 212, by the means of blocks of three. */
export function wfdbTable(bytes: Uint8Array): RealTable {
  const count = Math.floor(bytes.length / 3 / 3);
  const leads = [new Float64Array(count), new Float64Array(count)];
  const signed = (x: number) => x > 2_047 ? x - 4_096 : x;
  for (let i = 0; i < 3 * count; i++) {
    const [a, b, c] = [bytes[3 * i]!, bytes[3 * i + 1]!, bytes[3 * i + 2]!];
    const at = Math.floor(i / 3);
    leads[0]![at]! += signed(a | (b & 15) << 8) / 3;
    leads[1]![at]! += signed(c | (b >> 4) << 8) / 3;
  }
  return {
    name: "",
    timesMs: null,
    columns: new Map(leads.map((values, k) => [`lead${k}`, values])),
  };
}

const EDF_HEADER = 256;

/** Where the fields of a signal's header begin, in bytes a signal (the EDF specification, 1992). */
const EDF_LABEL = 16;
const EDF_BEFORE_COUNTS = 16 + 80 + 8 + 8 + 8 + 8 + 8 + 80;

/** Every second signal of an EDF file, annotations left out: neighbours are much alike. */
export function edfTable(bytes: Uint8Array): RealTable {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, EDF_HEADER));
  const [size, records, signals] = [[184, 8], [236, 8], [252, 4]].map(([at, width]) =>
    Number(text.slice(at, at! + width!))
  );
  const header = new TextDecoder("latin1").decode(bytes.subarray(EDF_HEADER, size));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const counts = Array.from({ length: signals! }, (_, k) => {
    const at = EDF_BEFORE_COUNTS * signals! + 8 * k;
    return Number(header.slice(at, at + 8));
  });
  const perRecord = counts.reduce((sum, count) => sum + count, 0);
  const columns = new Map<string, Float64Array>();
  let before = 0;
  for (let k = 0; k < signals!; k++) {
    const label = header.slice(k * EDF_LABEL, (k + 1) * EDF_LABEL).trim();
    const count = counts[k]!;
    if (k % 2 === 0 && !label.includes("Annotations")) {
      const values = new Float64Array(records! * count);
      for (let i = 0; i < values.length; i++) {
        const record = Math.floor(i / count);
        values[i] = view.getInt16(
          size! + 2 * (record * perRecord + before + i - record * count),
          true,
        );
      }
      columns.set(label, values);
    }
    before += count;
  }
  return { name: "", timesMs: null, columns };
}
