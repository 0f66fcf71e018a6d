/**
 * Cost of a sample: state updates per second on one core and bytes of state, for each model and
 * for the detector, refits included. Samples come one by one, as in serving.
 *
 *   deno run -A bench/models_bench.ts [--samples 3000] [--json]
 *
 * The stream is hourly with a daily and a weekly season, noise and a slow level: two seasons are
 * found, so this is near the dearest case. `steady` is the median over single samples: what a
 * sample costs between refits. `refit` is the longest single sample.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { systemClock } from "../src/base/clock.ts";
import { nextNormal, seedRandom } from "../src/base/random.ts";
import { packTree, type Tree } from "../src/base/tree.ts";
import { formatTable } from "../src/cli/table.ts";
import { detectors } from "../src/detectors/mod.ts";
import { MODEL_NAMES, modelNamed } from "../src/models/mod.ts";

const HORIZON = 48;
const HOUR_S = 3_600;

interface Row {
  readonly name: string;
  readonly updatesPerS: number;
  readonly steadyUs: number;
  readonly refitMs: number;
  readonly stateBytes: number;
}

function hourly(count: number): { times: Float64Array; values: Float64Array } {
  const random = seedRandom(1);
  const times = Float64Array.from({ length: count }, (_, i) => i * HOUR_S);
  let level = 100;
  const values = times.map((_, i) => {
    level += 0.1 * nextNormal(random);
    const day = 10 * Math.sin(2 * Math.PI * i / 24);
    const week = 4 * Math.sin(2 * Math.PI * i / 168);
    return level + day + week + nextNormal(random);
  });
  return { times, values };
}

function measure(name: string, count: number, absorb: (i: number) => void, state: Tree): Row {
  const took = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const before = systemClock.monotonicMs();
    absorb(i);
    took[i] = systemClock.monotonicMs() - before;
  }
  const total = took.reduce((sum, ms) => sum + ms, 0);
  const sorted = took.toSorted();
  return {
    name,
    updatesPerS: count / (total / 1_000),
    steadyUs: sorted[count >> 1]! * 1_000,
    refitMs: sorted[count - 1]!,
    stateBytes: packTree(state).length,
  };
}

function benchModel(name: string, count: number): Row {
  const model = modelNamed(name);
  const { times, values } = hourly(count);
  const config = { epochNs: 0n, horizon: HORIZON, lower: null, upper: null, seed: 1, seasonsS: [] };
  const state = model.initialState(config);
  return measure(
    name,
    count,
    (i) => model.absorb(state, times.subarray(i, i + 1), values.subarray(i, i + 1)),
    state,
  );
}

function benchDetector(count: number): Row {
  const detector = detectors[0]!;
  const { times, values } = hourly(count);
  const state = detector.initialState({ channels: 1, seed: 1 });
  const out = { score: new Float64Array(1), flag: new Float64Array(1) };
  return measure(
    `detector ${detector.name}`,
    count,
    (i) => detector.absorb(state, times.subarray(i, i + 1), [values.subarray(i, i + 1)], out),
    state,
  );
}

const { values: flags } = parseArgs({
  options: { samples: { type: "string", default: "3000" }, json: { type: "boolean" } },
});
const count = Number(flags.samples);
const rows = [...MODEL_NAMES.map((name) => benchModel(name, count)), benchDetector(count)];
if (flags.json) {
  console.log(JSON.stringify({ machine: cpus()[0]?.model, samples: count, rows }));
} else {
  console.log(`${cpus()[0]?.model ?? "unknown CPU"}, one core, ${count} hourly samples one by one`);
  console.log(formatTable(
    ["model", "updates/s", "steady us", "longest ms", "state bytes"],
    rows.map((row) => [
      row.name,
      row.updatesPerS.toFixed(0),
      row.steadyUs.toFixed(0),
      row.refitMs.toFixed(0),
      String(row.stateBytes),
    ]),
  ));
}
