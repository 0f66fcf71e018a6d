/**
 * Cost of a sample: state updates per second on one core and bytes of state, for each model, for
 * the structural filter alone, for the detector, and for the committee with the networks that come
 * with the program. Samples come one by one, as in serving.
 *
 *   deno task bench:models [--samples 3000] [--model NAME]... [--json]
 *
 * Three hourly series: a slow level with noise; the same with a daily season; with a daily and a
 * weekly one, for which filters have 59 states. `online` is the rate between refits, over the
 * samples that follow; `with refits` is that from the first sample on, refits (batch work, at counts
 * that double, and where a season first shows) included; `longest` is the longest sample. All runs
 * do the same, so each stretch of samples counts as in the run where it was fastest: other work on
 * the machine hardly shows, and neither does what is compiled in the first run. Rates are of
 * processor time.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { cpus, loadavg } from "node:os";
import { ARGS, oneOf, runBench, wholeNumber } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { nextNormal, seedRandom } from "../src/base/random.ts";
import { packTree, type Tree } from "../src/base/tree.ts";
import { formatTable } from "../src/cli/table.ts";
import { detectors } from "../src/detectors/mod.ts";
import type { ForecasterModel } from "../src/models/forecaster.ts";
import type { ForecasterState } from "../src/models/forecaster_state.ts";
import { enterTrack, openTrack, trackStart } from "../src/models/filter_track.ts";
import { trackObserve } from "../src/models/track_steps.ts";
import { FILTER_KINDS } from "../src/models/members.ts";
import { DEFAULT_MODEL, MODEL_NAMES, modelNamed } from "../src/models/mod.ts";
import { Residents } from "../src/models/packed_cov.ts";
import { THETA } from "../src/models/structural_layout.ts";
import { serveShippedWeights } from "../src/service/weights.ts";

const SAMPLES_MAX = 1 << 20;
const HORIZON = 48;
const HOUR_S = 3_600;
/** Samples of one run between refits, and runs. */
const ONLINE_SAMPLES = 2_000;
const ONLINE_RUNS = 10;

/** Streams from the first sample on. */
const GROWN_STREAMS = 4;

/** Samples that are timed together: two live forecasts. */
const STRETCH = 24;

/** Season lengths of the series. */
const SERIES = { level: [], day: [24], "day, week": [24, 168] } as const;
type SeriesName = keyof typeof SERIES;

interface Row {
  readonly name: string;
  readonly series: SeriesName;
  readonly onlinePerS: number;
  /** Null where there are no refits. */
  readonly refitsPerS: number | null;
  readonly longestMs: number | null;
  readonly stateBytes: number;
}

interface Samples {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

function hourly(name: SeriesName, count: number): Samples {
  const random = seedRandom(1);
  const times = Float64Array.from({ length: count }, (_, i) => i * HOUR_S);
  let level = 100;
  const values = times.map((_, i) => {
    level += 0.1 * nextNormal(random);
    let value = level + nextNormal(random);
    SERIES[name].forEach((length, k) => {
      value += (10 - 6 * k) * Math.sin(2 * Math.PI * i / length);
    });
    return value;
  });
  return { times, values };
}

/** Processor time of this process so far, all of its threads. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Processor times of stretches of samples, each of the run where it was fastest. */
class Stretches {
  readonly #bestMs: Float64Array;

  constructor(samples: number) {
    this.#bestMs = new Float64Array(Math.ceil(samples / STRETCH)).fill(Infinity);
  }

  /** Times a run over all samples. @param count  of samples */
  time(count: number, absorb: (i: number) => void): void {
    for (let from = 0; from < count; from += STRETCH) {
      const end = Math.min(count, from + STRETCH);
      const start = processorMs();
      for (let i = from; i < end; i++) absorb(i);
      const tookMs = processorMs() - start;
      this.#bestMs[from / STRETCH] = Math.min(this.#bestMs[from / STRETCH]!, tookMs);
    }
  }

  get totalMs(): number {
    return this.#bestMs.reduce((sum, ms) => sum + ms, 0);
  }
}

/** Samples per second. @param open  a run's own start, not counted */
function onlineRate(open: () => (i: number) => void): number {
  const stretches = new Stretches(ONLINE_SAMPLES);
  for (let run = 0; run < ONLINE_RUNS; run++) stretches.time(ONLINE_SAMPLES, open());
  return ONLINE_SAMPLES / stretches.totalMs * 1_000;
}

/** Streams from their first sample on; all become the same. */
function grow(
  start: () => ForecasterState,
  absorbInto: (state: ForecasterState, i: number) => void,
  count: number,
): { state: ForecasterState; totalMs: number; longestMs: number } {
  const stretches = new Stretches(count);
  let longestMs = Infinity;
  let state = start();
  for (let run = 0; run < GROWN_STREAMS; run++) {
    state = start();
    let longest = 0;
    stretches.time(count, (i) => {
      const before = systemClock.monotonicMs();
      absorbInto(state, i);
      longest = Math.max(longest, systemClock.monotonicMs() - before);
    });
    longestMs = Math.min(longestMs, longest);
  }
  return { state, totalMs: stretches.totalMs, longestMs };
}

function benchModel(model: ForecasterModel, name: string, series: SeriesName, count: number): Row {
  const { times, values } = hourly(series, count + ONLINE_SAMPLES);
  const config = { epochNs: 0n, horizon: HORIZON, lower: null, upper: null, seed: 1, seasonsS: [] };
  const absorbInto = (into: ForecasterState, i: number) =>
    model.absorb(into, times.subarray(i, i + 1), values.subarray(i, i + 1));
  const { state, totalMs, longestMs } = grow(() => model.initialState(config), absorbInto, count);
  const onlinePerS = onlineRate(() => {
    const online = structuredClone(state);
    online.nextRefit = Infinity;
    return (i) => absorbInto(online, count + i);
  });
  const stateBytes = packTree(state).length;
  return { name, series, onlinePerS, refitsPerS: count / totalMs * 1_000, longestMs, stateBytes };
}

/** The filter alone: predict to the sample's time, observe; one segment of all samples. */
function benchFilter(series: SeriesName): Row {
  const kind = FILTER_KINDS.far;
  const seasons = SERIES[series].map((length) => ({ length, slots: length }));
  const theta = new Float64Array(THETA.size).fill(-1);
  theta[THETA.damping] = 0.9;
  const { values } = hourly(series, ONLINE_SAMPLES);
  const units = { transform: "none", floor: 0, location: 100, scale: 5 } as const;
  const plan = { kind, seasons, horizon: HORIZON, length: ONLINE_SAMPLES, theta, units };
  const start = { startU: -1, startLevel: 0, light: false, full: false };
  const scaling = { innovationDeviation: 1, deviations: new Float64Array(0) };
  const track = () => trackStart({ ...plan, ...start, ...scaling });
  let residents = new Residents();
  const onlinePerS = onlineRate(() => {
    residents.leaveAll();
    residents = new Residents();
    const run = openTrack(track(), kind, seasons, HORIZON, ONLINE_SAMPLES);
    enterTrack(run, residents);
    return (i) => trackObserve(run, i, (values[i]! - units.location) / units.scale);
  });
  residents.leaveAll();
  const { filter } = track();
  const name = `filter, ${filter.mean.length} states`;
  const stateBytes = packTree(filter).length;
  return { name, series, onlinePerS, refitsPerS: null, longestMs: null, stateBytes };
}

function benchDetector(series: SeriesName, count: number): Row {
  const detector = detectors[0]!;
  const { times, values } = hourly(series, count + ONLINE_SAMPLES);
  const state: Tree = detector.initialState({ channels: 1, seed: 1 });
  const out = { score: new Float64Array(1), flag: new Float64Array(1), events: [] };
  const absorbInto = (into: Tree, i: number) =>
    detector.absorb(into, times.subarray(i, i + 1), [values.subarray(i, i + 1)], out);
  for (let i = 0; i < count; i++) absorbInto(state, i);
  const onlinePerS = onlineRate(() => {
    const online = structuredClone(state);
    return (i) => absorbInto(online, count + i);
  });
  const stateBytes = packTree(state).length;
  const name = `detector ${detector.name}`;
  return { name, series, onlinePerS, refitsPerS: null, longestMs: null, stateBytes };
}

function main(): void {
  const { values: flags } = parseArgs({
    args: [...ARGS],
    options: {
      samples: { type: "string", default: "3000" },
      model: { type: "string", multiple: true, default: [...MODEL_NAMES] },
      json: { type: "boolean", default: false },
    },
  });
  const count = wholeNumber("samples", flags.samples, SAMPLES_MAX);
  for (const name of flags.model) oneOf("model", name, MODEL_NAMES);
  const load = loadavg()[0]!;
  const rows: Row[] = [];
  for (const series of Object.keys(SERIES) as SeriesName[]) {
    for (const name of flags.model) rows.push(benchModel(modelNamed(name), name, series, count));
    rows.push(benchFilter(series), benchDetector(series, count));
  }
  if (flags.model.includes(DEFAULT_MODEL)) {
    // From here on the committee hears them.
    serveShippedWeights();
    for (const series of Object.keys(SERIES) as SeriesName[]) {
      const name = `${DEFAULT_MODEL} with networks`;
      rows.push(benchModel(modelNamed(DEFAULT_MODEL), name, series, count));
    }
  }
  const machine = cpus()[0]?.model ?? "unknown CPU";
  if (flags.json) return console.log(JSON.stringify({ machine, load, samples: count, rows }));
  console.log(`${machine}, one core (load ${load}), ${count} hourly samples one by one`);
  console.log(formatTable(
    ["model", "series", "online/s", "us", "with refits/s", "us", "longest ms", "state bytes"],
    rows.map((row) => [
      row.name,
      row.series,
      row.onlinePerS.toFixed(0),
      (1e6 / row.onlinePerS).toFixed(2),
      row.refitsPerS?.toFixed(0) ?? "",
      row.refitsPerS === null ? "" : (1e6 / row.refitsPerS).toFixed(2),
      row.longestMs?.toFixed(0) ?? "",
      String(row.stateBytes),
    ]),
  ));
}

if (import.meta.main) await runBench(main);
