/** The streams that are followed: measured ones that no network saw, and drawn ones. */
import { GENERATORS } from "../../../../datasets/pretraining/mod.ts";
import { nextNormal, type RandomState, seedRandom } from "../../../base/random.ts";
import { readLines } from "../../forecast_windows.ts";
import { textOf } from "../store.ts";
import type { LiveStream } from "./stream.ts";

/** A table of the development data and what is cut from it. */
interface Source {
  readonly group: string;
  readonly file: string;
  readonly columns: readonly string[];
  /** Rows [from, to). No development window begins before the last of them in these columns. */
  readonly rows: readonly [from: number, to: number];
  readonly periodS: number;
  readonly horizon: number;
}

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** Columns of tables; none is among what networks were trained on. */
const TABLES: readonly Source[] = [
  {
    group: "transformers, hour",
    file: "ett/ETTh1.csv.gz",
    columns: ["HUFL", "MULL", "OT"],
    rows: [0, 3000],
    periodS: HOUR_S,
    horizon: 24,
  },
  {
    group: "transformers, 15 min",
    file: "ett/ETTm1.csv.gz",
    columns: ["MUFL", "LULL", "OT"],
    rows: [20_000, 23_000],
    periodS: 15 * MINUTE_S,
    horizon: 48,
  },
  {
    group: "servers",
    file: "kpi/cpu4.csv.gz",
    columns: ["value"],
    rows: [0, 3000],
    periodS: 5 * MINUTE_S,
    horizon: 24,
  },
  {
    group: "servers",
    file: "kpi/server_res_eth1out_curve_61.csv.gz",
    columns: ["value"],
    rows: [0, 3000],
    periodS: 5 * MINUTE_S,
    horizon: 24,
  },
  {
    group: "water circuit",
    file: "skab/anomaly-free/anomaly-free.csv.gz",
    columns: ["accelerometer1rms", "pressure", "thermocouple", "volume_flow_raterms"],
    rows: [0, 3000],
    periodS: 1,
    horizon: 30,
  },
  {
    group: "roads",
    file: "los_speed/los_speed.csv.gz",
    columns: ["s767542", "s765604", "s769953", "s718045"],
    rows: [0, 2016],
    periodS: 5 * MINUTE_S,
    horizon: 24,
  },
  {
    group: "exchange rates",
    file: "exchange_rate/exchange_rate.csv.gz",
    columns: ["AUD", "CAD", "JPY", "NZD"],
    rows: [0, 2500],
    periodS: DAY_S,
    horizon: 30,
  },
  {
    group: "blood pressure",
    file: "ucr_anomaly/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.csv.gz",
    columns: ["value"],
    rows: [0, 3000],
    periodS: 1,
    horizon: 32,
  },
];

/** Long series of the M4 competition, of which no development window is. */
const WEEKLY = ["W97", "W105", "W115", "W123", "W133", "W249", "W65", "W251"];
const WEEKLY_HORIZON = 13;

/** Reads numbers of a table by column; NaN where a field is empty. */
async function columnsOf(path: string): Promise<(name: string) => Float64Array> {
  const lines = (await readLines(path)).filter((line) => line !== "");
  const rows = lines.map((line) => line.split(","));
  const names = rows.shift() ?? [];
  return (name) => {
    const at = names.indexOf(name);
    if (at < 0) throw new RangeError(`${path} has no column ${name}`);
    return Float64Array.from(rows, (row) => row[at] === "" ? NaN : Number(row[at]));
  };
}

async function weeklySeries(path: string): Promise<Map<string, number[]>> {
  const series = new Map<string, number[]>(WEEKLY.map((name) => [name, []]));
  for (const line of await readLines(path)) {
    const [name, , , value] = line.split(",");
    series.get(name!)?.push(Number(value));
  }
  return series;
}

/** Measured streams from the development data; none where it is not there. */
export async function realStreams(data: string): Promise<LiveStream[]> {
  if (await textOf(`${data}/README.md`) === null) return [];
  const streams: LiveStream[] = [];
  for (const { group, file, columns, rows, periodS, horizon } of TABLES) {
    const column = await columnsOf(`${data}/${file}`);
    for (const name of columns) {
      const values = column(name).slice(...rows);
      const title = `${file.split("/").at(-1)!.split(".")[0]}/${name}`;
      streams.push({ name: title, group, isReal: true, periodS, horizon, values, ideal: null });
    }
  }
  const weekly = await weeklySeries(`${data}/m4/weekly.csv.gz`);
  for (const [name, values] of weekly) {
    streams.push({
      name: `m4/${name}`,
      group: "M4, weeks",
      isReal: true,
      periodS: 7 * DAY_S,
      horizon: WEEKLY_HORIZON,
      values: Float64Array.from(values),
      ideal: null,
    });
  }
  return streams;
}

const DRAWN_SAMPLES = 2000;
const DRAWN_HORIZON = 24;

/** A process whose best forecast's error is known. */
interface Process {
  readonly group: string;
  /** Standard deviation of the best forecast's error at a lead from 1 on. */
  readonly deviation: (lead: number) => number;
  readonly draw: (random: RandomState, length: number) => Float64Array;
}

const AR = 0.7;

function walk(random: RandomState, length: number): Float64Array {
  let level = 0;
  return Float64Array.from({ length }, () => level += nextNormal(random));
}

function autoregression(random: RandomState, length: number): Float64Array {
  let value = 0;
  return Float64Array.from({ length }, () => value = AR * value + nextNormal(random));
}

/** √Σ φ^2k over the steps of a lead. */
function autoregressionDeviation(lead: number): number {
  return Math.sqrt((1 - AR ** (2 * lead)) / (1 - AR ** 2));
}

const PROCESSES: readonly Process[] = [
  {
    group: "drawn: white noise",
    deviation: () => 1,
    draw: (random, length) => Float64Array.from({ length }, () => nextNormal(random)),
  },
  { group: "drawn: random walk", deviation: Math.sqrt, draw: walk },
  { group: "drawn: AR(1) of 0.7", deviation: autoregressionDeviation, draw: autoregression },
  {
    group: "drawn: day and AR(1)",
    deviation: autoregressionDeviation,
    draw: (random, length) =>
      autoregression(random, length).map((value, i) => value + 6 * Math.sin(Math.PI * i / 12)),
  },
];

const DRAWS = 2;
const SEED = 20_261_122;

/** Drawn streams: processes whose ideal forecast is known, and one of each generator. */
export function drawnStreams(): LiveStream[] {
  const common = { isReal: false, periodS: HOUR_S, horizon: DRAWN_HORIZON };
  const known = PROCESSES.flatMap(({ group, deviation, draw }, p) =>
    Array.from({ length: DRAWS }, (_, k): LiveStream => ({
      ...common,
      name: `${group} ${k + 1}`,
      group,
      values: draw(seedRandom(SEED + DRAWS * p + k), DRAWN_SAMPLES),
      ideal: Float64Array.from({ length: DRAWN_HORIZON }, (_, l) => deviation(l + 1)),
    }))
  );
  const generated = GENERATORS.flatMap(({ name, draw }, g): LiveStream[] => {
    const { values, count } = draw(seedRandom(SEED + 1000 + g), DRAWN_SAMPLES);
    const series = { ...common, name, group: "drawn: generators of pretraining", ideal: null };
    return [{ ...series, values: values.slice(0, count) }];
  });
  return [...known, ...generated];
}
