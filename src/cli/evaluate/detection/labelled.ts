/** The labelled series of the development data. */
import { openFile } from "../../series_file.ts";
import type { Run } from "./ranking.ts";

/** One series with its labels. */
export interface LabelledSeries {
  readonly set: string;
  /** Path below the data folder, without endings. */
  readonly name: string;
  /** Seconds; samples of a lead come before.                                    [lead + sample] */
  readonly timesS: Float64Array;
  /** One column a channel.                                              [channel][lead + sample] */
  readonly values: readonly Float64Array[];
  /** 1 = anomalous.                                                                    [sample] */
  readonly label: Uint8Array;
  /** Samples before the labelled ones that a detector meets first. */
  readonly lead: number;
  /** First sample that is scored. */
  readonly start: number;
  /** Windows that NAB scores; empty elsewhere. */
  readonly windows: readonly Run[];
}

/** The sets, by folder. */
export const LABELLED_SETS: readonly string[] = [
  "ecg_svdb",
  "kpi",
  "nab",
  "skab",
  "synthetic_anomaly",
  "telemetry",
  "ucr_anomaly",
];

const SKAB_CHANNELS = 8;
const SKAB_START = 400;
const START_SHARE = 0.15;
const NAB_START_MAX = 750;

/** A table as columns of text. */
type Table = Readonly<Record<string, readonly string[]>>;

async function readTable(path: string): Promise<Table> {
  const stream = await openFile(path);
  const text = await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
  const [head, ...rows] = text.trimEnd().split(/\r?\n/).map((line) => line.split(","));
  return Object.fromEntries(head!.map((name, c) => [name, rows.map((row) => row[c]!)]));
}

/** A column of numbers whose gaps hold the last value; the mean, where none came before. */
function heldColumn(cells: readonly string[]): Float64Array {
  const values = Float64Array.from(cells, (cell) => cell === "" ? NaN : Number(cell));
  const known = values.filter((value) => !Number.isNaN(value));
  let held = known.reduce((sum, value) => sum + value, 0) / known.length;
  return values.map((value) => {
    if (!Number.isNaN(value)) held = value;
    return held;
  });
}

const MINUTE_S = 60;

function timesOf(table: Table, length: number): Float64Array {
  const stamps = table.timestamp;
  if (stamps === undefined || stamps.length !== length) {
    return Float64Array.from({ length }, (_, i) => i * MINUTE_S);
  }
  const ms = (stamp: string) => /^\d+$/.test(stamp) ? Number(stamp) : Date.parse(stamp);
  const first = ms(stamps[0]!);
  return Float64Array.from(stamps, (stamp) => (ms(stamp) - first) / 1000);
}

async function listFiles(folder: string, below: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}/${entry.name}`;
    if (entry.isDirectory) found.push(...await listFiles(folder, path));
    else if (entry.name.endsWith(".csv.gz")) found.push(path);
  }
  return found.sort();
}

/** First scored sample of a series, as the evaluation kit says it. */
function startOf(set: string, name: string, length: number): number {
  const share = Math.floor(START_SHARE * length);
  if (set === "skab") return SKAB_START;
  if (set === "nab") return Math.min(share, NAB_START_MAX);
  if (set === "telemetry") return 0;
  // …_<end of the normal part>_<first anomalous>_<last anomalous>
  if (set === "ucr_anomaly") return Number(name.split("_").at(-3));
  return share;
}

/** The windows of NAB as samples. */
function windowsOf(spans: readonly (readonly [string, string])[], table: Table): Run[] {
  if (spans.length === 0) return [];
  const times = table.timestamp!.map((stamp) => Date.parse(stamp));
  return spans.map(([from, to]) => {
    const [start, end] = [Date.parse(from), Date.parse(to)];
    const first = times.findIndex((time) => time >= start && time <= end);
    return [first, times.findLastIndex((time) => time >= start && time <= end)] as const;
  });
}

async function readSeries(
  folder: string,
  { set, path, spans }: {
    readonly set: string;
    readonly path: string;
    readonly spans: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  },
): Promise<LabelledSeries> {
  const table = await readTable(`${folder}/${path}`);
  const name = path.slice(0, -".csv.gz".length);
  const label = Uint8Array.from(table.label!, Number);
  const names = set === "skab" ? Object.keys(table).slice(1, 1 + SKAB_CHANNELS) : ["value"];
  const lead = set === "telemetry"
    ? await readTable(`${folder}/${path.replace(".test.", ".train.")}`)
    : null;
  const leadLength = lead === null ? 0 : lead.value!.length;
  const values = names.map((column) => {
    const own = heldColumn(table[column]!);
    if (lead === null) return own;
    return Float64Array.from([...heldColumn(lead[column]!), ...own]);
  });
  const total = leadLength + label.length;
  return {
    set,
    name,
    timesS: timesOf(table, total),
    values,
    label,
    lead: leadLength,
    start: startOf(set, name, label.length),
    windows: windowsOf(spans[`${name.slice(set.length + 1)}.csv`] ?? [], table),
  };
}

/** Every labelled series below a data folder, set by set. */
export async function* labelledSeries(folder: string): AsyncGenerator<LabelledSeries> {
  for (const set of LABELLED_SETS) {
    const spans = set === "nab"
      ? JSON.parse(await Deno.readTextFile(`${folder}/nab/windows.json`))
      : {};
    for (const path of await listFiles(folder, set)) {
      if (path.includes(".train.") || path.includes("anomaly-free")) continue;
      yield await readSeries(folder, { set, path, spans });
    }
  }
}
